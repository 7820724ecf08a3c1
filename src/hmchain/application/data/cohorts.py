"""What one's own hospital would answer to a count: for its steward alone, on its own machine."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.cohort.counting import count_people
from hmchain.application.cohort.grammar import parse, written
from hmchain.application.cohort.words import words
from hmchain.application.consent.usable import UseKind, usable_now
from hmchain.application.data.received import Act, require_allowed
from hmchain.application.data.registered import require_as_registered
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.ledger.contracts.learning.counting import PEOPLE_MIN
from hmchain.plain import Progress


@dataclass(frozen=True)
class CohortCheck:
    """The people of one's own hospital of whom a query is true."""

    dataset: str
    version: int
    query: str
    words: str
    people: int
    """Exactly: it stays here."""
    of: int
    """All people of the version who may be counted."""
    people_min: int
    """With fewer the hospital sits out; its policy may ask for more."""

    @property
    def answers(self) -> bool:
        """Whether there are people enough for an answer, before the noise."""
        return self.people >= self.people_min


def check(
    records: Records, dataset: str, number: int | None, query: str, year: int, progress: Progress | None = None
) -> CohortCheck:
    """Count people in a version, the newest unless `number` names one; an age without a year is that of `year`.

    Raises `QueryError`, `UnknownVersionError`, `NotCountableError`, or `ChangedDatasetError` if the version is not what
    it was registered as, or another hospital's and not given for that.
    """
    clause = parse(query, year)
    require_allowed(records, dataset, Act.COUNT)
    version = records.catalogue.version(dataset, number)
    require_as_registered(records, version)
    deed = Deed(What.COUNT, dataset=dataset, version=version.number)
    of = usable_now(records, dataset, version.number, UseKind.COUNT)
    with recorded(records.folder.activity, deed):
        people = count_people(records.vault, of, clause, progress)
    return CohortCheck(
        dataset=dataset,
        version=version.number,
        query=written(clause),
        words=words(clause),
        people=people,
        of=len(of.subjects),
        people_min=PEOPLE_MIN,
    )
