"""The lineage part of the evidence: what an artefact was made of, as the ledger has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hmchain.application.disclosure.evidence import DataUse, Found, Lineage
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.learning import permitted, rounds
from hmchain.ledger.contracts.learning.rounds import Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.state import State


def lineage(state: State, study: Study, organisation: str, persons_gone: int | None = None) -> Lineage:
    """What made a study's model or sum, with the versions that one of its hospitals gave.

    Something is seen where a version was withdrawn since, or persons of it are gone: the artefact still knows them.
    """
    spec = study.spec
    made = [each for each in rounds.rounds(state, spec.name) if each.outcome is Verdict.ACCEPTED]
    if not spec.is_count:
        made = [each for each in made if each.number > 0]
    data = tuple(_use(state, use.organisation, use.dataset, use.version, persons_gone) for use in spec.uses
                 if use.organisation == organisation)  # fmt: skip
    under = permitted.under(state, study.progress.specification)
    return Lineage(
        **_gone(data),
        request=under.request if under else "",
        purpose=spec.purpose,
        code=spec.code.hex(),
        hospitals=spec.participants,
        data=data,
        rounds=len(made),
        rounds_given=sum(organisation in each.frozen for each in made),
    )


def lineage_of_table(state: State, organisation: str, dataset: str, version: int, persons_gone: int) -> Lineage:
    """What a hospital's own table is of."""
    data = (_use(state, organisation, dataset, version, persons_gone),)
    return Lineage(**_gone(data), hospitals=(organisation,), data=data)


def _gone(data: Iterable[DataUse]) -> dict[str, Any]:
    """What is said where records are gone since."""
    if any(each.withdrawn or each.persons_gone for each in data):
        return {"found": Found.SEEN, "why": "records that it was made from are withdrawn since: it still knows them"}
    return {"found": Found.NOTHING_SEEN}


def _use(state: State, organisation: str, dataset: str, version: int, persons_gone: int | None) -> DataUse:
    published = datasets.version(state, organisation, dataset, version)
    return DataUse(
        dataset=dataset,
        version=version,
        root=published.root.hex() if published else "",
        withdrawn=bool(published and published.withdrawn),
        persons_gone=persons_gone,
    )
