"""The model's road out: asked for, refused once for want of evidence, measured at every hospital, then let leave."""

from __future__ import annotations

from collections.abc import Callable

from hmchain.application.disclosure import evidence, gathering, membership
from hmchain.application.disclosure.evidence import Evidence, Found, References
from hmchain.application.disclosure.model_parts import Others
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.models import export
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import asking, deciding, file
from hmchain.application.releases.asking import ReleaseQuestion
from hmchain.application.releases.deciding import Case
from hmchain.application.site.hospital import locate
from hmchain.interfaces.demo.comparison import Baselines
from hmchain.interfaces.demo.preparation import Prepared
from hmchain.interfaces.report.parts import Estimate, Release, Word
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import Decision
from hmchain.ledger.readers.releases import ReleaseView, release
from hmchain.plain import Progress

PARTS = gathering.PARTS
"""In which the progress of one hospital is told."""
_ATTACK = f"{membership.RMIA} offline"


def ask(prepared: Prepared, consortium: Consortium) -> str:
    """Ask that the model may leave; the second hospital's steward says no, since there is no evidence. Returns who."""
    name, (first, second, *_) = prepared.study, prepared.names
    if releases.release(consortium.ledger.state, name) is None:
        scientist = LedgerUser(first, consortium.hospitals[first].keys.scientist, consortium.ledger)
        asking.ask(scientist, asking.plan(scientist, ReleaseQuestion(name, name=name)))
    if releases.word(consortium.ledger.state, name, second) is None:
        deciding.refuse(_steward(consortium, second), release(consortium.ledger.state, name), deciding.DISCLOSURE)
    return second


def measure(
    prepared: Prepared,
    compared: Baselines,
    passphrase: str | None,
    progress: Callable[[str], Progress],
) -> dict[str, Case]:
    """Have every hospital measure on its own images what the model tells, beside the others' own CNNs.

    What was measured, and said to the ledger, stays as it is. `progress` is told of each hospital.
    """
    found, name = {}, prepared.study
    with open_ledger(prepared.folder.ledger) as ledger:
        view = ledger.release(name)
        for hospital in prepared.names:
            place, others = locate(prepared.folder.hospitals / hospital), _others(prepared, compared, hospital)
            if deciding.kept_evidence(place, view, passphrase) is None:
                gathering.gather(place, ledger, name, view.artefact, passphrase, progress(hospital), others=others)
            found[hospital] = deciding.case(place, ledger, name, passphrase)
    return found


def grant(prepared: Prepared, consortium: Consortium, measured: dict[str, Case], passphrase: str | None) -> None:
    """Have every steward say yes, each with the hospital's own evidence, unless its guard says no."""
    for hospital, found in measured.items():
        said = releases.word(consortium.ledger.state, prepared.study, hospital)
        if said is None or said.decision is not Decision.GRANTED:
            place = locate(prepared.folder.hospitals / hospital)
            deciding.grant(_steward(consortium, hospital), place, found, passphrase, weighed=True)


def write(prepared: Prepared, passphrase: str | None) -> None:
    """Write the model as it leaves, with the proof that it may."""
    first = prepared.folder.hospitals / prepared.names[0]
    file.write(export.locate(first), prepared.study, prepared.folder.released, passphrase)


def told(prepared: Prepared, consortium: Consortium, refused_by: str, measured: dict[str, Case]) -> Release:
    """All of it, for the report."""
    view = release(consortium.ledger.state, prepared.study)
    return Release(
        release=view.release,
        asked_by=view.by,
        audience=view.audience,
        refused_by=refused_by,
        reason=deciding.DISCLOSURE,
        attack=_ATTACK,
        words=tuple(_word(view, hospital, found.evidence) for hospital, found in measured.items()),
        height=view.height,
        file=prepared.folder.released.name,
    )


def _steward(consortium: Consortium, hospital: str) -> LedgerUser:
    return LedgerUser(hospital, consortium.hospitals[hospital].keys.steward, consortium.ledger)


def _others(prepared: Prepared, compared: Baselines, name: str) -> Others:
    """The test images, which nobody trained on, and the models of the hospitals that never saw this one's images."""
    test = prepared.split.test
    models = [model for other, model in zip(prepared.names, compared.models, strict=True) if other != name]
    known_as = References(
        models=len(models), by="the other hospitals, each for itself", on="its own images", seconds=0.0
    )
    images = prepared.images
    return Others(images.images[test], images.labels[test], images.groups[test], models, known_as)


def _word(view: ReleaseView, hospital: str, found: Evidence) -> Word:
    said = view.of(hospital)
    attack = next((each for each in found.attacks if each.name == _ATTACK), None)
    return Word(
        hospital=hospital,
        decision=said.decision if said is not None else "",
        evidence=found.digest.hex(),
        members=attack.members if attack is not None else 0,
        others=attack.non_members if attack is not None else 0,
        auc=_estimate(attack.auc if attack is not None else None),
        rate=_estimate(attack.rate if attack is not None else None),
        seen=tuple(name for name, finding, _ in found.parts if finding is Found.SEEN),
    )


def _estimate(found: evidence.Estimate | None) -> Estimate | None:
    return None if found is None else Estimate(value=found.value, low=found.low, high=found.high)
