"""The guard against differences at one hospital: its own people in all that it let leave, beside those in what is next.

It answers by what the hospital knows today of who is one person, and only where it knows whose records every round
used; where it does not know, nothing leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.application.consent import persons
from hmchain.application.consent.study_cohorts import CohortsUsed, cohorts_used
from hmchain.application.disclosure.differencing import Cohort, Difference
from hmchain.application.releases.register import Cells, HeldAgainst, Left, People, ReleasedCohorts
from hmchain.application.releases.table_evidence import kept_table
from hmchain.application.releases.table_file import TableFileError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import DataError, StorageError
from hmchain.ledger.contracts.data import datasets, queries
from hmchain.ledger.contracts.learning import counting, releases, studies
from hmchain.ledger.contracts.learning.releases import Decision, Status
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.readers.releases import TABLE, ReleaseView, release
from hmchain.ledger.state import State


class NoCohortError(DataError):
    """It is not known whose records are in what is to leave."""

    code = "no_cohort"


class CohortsLostError(StorageError):
    """The ledger has a release that a hospital let leave, and the hospital does not know whose records are in it."""

    code = "cohorts_lost"


@dataclass(frozen=True)
class Guard:
    """One hospital's, beside the ledger of its node."""

    place: HospitalFolder
    known: persons.Known
    """What the hospital knows of who is one person."""

    def differences(
        self, cohorts: ReleasedCohorts, state: State, view: ReleaseView, now_ms: int
    ) -> tuple[Difference, ...]:
        """What a release would tell of few people. Raises `NoCohortError` or `CohortsLostError`."""
        self._complete(cohorts, state)
        return cohorts.differences(self._offered(state, view), self._held(state, view, now_ms))

    def admit(self, cohorts: ReleasedCohorts, state: State, view: ReleaseView, now_ms: int) -> tuple[Difference, ...]:
        """The same; where it tells of nobody it is written down as on its way. Raises as `differences`."""
        self._complete(cohorts, state)
        return cohorts.admit(self._offered(state, view), self._held(state, view, now_ms), now_ms)

    def _held(self, state: State, view: ReleaseView, now_ms: int) -> HeldAgainst:
        fewest = least(state, view, self.place.organisation)
        return HeldAgainst(lambda left: self._is_over(state, left, now_ms), fewest)

    def _complete(self, cohorts: ReleasedCohorts, state: State) -> None:
        """Write down anew what the hospital let leave, as the ledger has it, where a file from a backup lacks it."""
        there = cohorts.known()
        for name in granted(state, self.place.organisation):
            if name in there:
                continue
            view, said = release(state, name), releases.word(state, name, self.place.organisation)
            assert said is not None  # it is granted
            try:
                cohorts.put(self._offered(state, view), view.time_ms, said.height)
            except (NoCohortError, TableFileError) as error:
                what = f"{self.place.released_cohorts} does not know whose records are in {name}, which left"
                hint = "restore it, or cohorts.db, from a later backup: without them no difference can be seen"
                raise CohortsLostError(what, hint) from error

    def _offered(self, state: State, view: ReleaseView) -> People | Cells:
        if view.kind == TABLE:
            return Cells(view.release, view.dataset, kept_table(self.place, view).cells)
        return self._people(state, view)

    def _is_over(self, state: State, left: Left, now_ms: int) -> bool:
        """Whether what was let leave did not, and cannot any more: withdrawn, or refused here after that yes.

        A yes on its way comes into a block until it expires, whatever was said before it; perhaps nobody signed it.
        """
        entry = releases.release(state, left.release)
        said = releases.word(state, left.release, self.place.organisation)
        if entry is not None and entry.status is Status.WITHDRAWN:
            return True
        if said is not None and said.decision is not Decision.REFUSED:
            return False
        if left.height:
            return said is not None and said.height >= left.height
        return now_ms > left.at_ms + parameters.current(state).expiry_ms_max

    def _people(self, state: State, view: ReleaseView) -> People:
        """The hospital's people in what is to leave, of each round and attempt that may be in it.

        The same question gets the number that it got, whoever withdrew since: so a count may be of whom an earlier one
        counted. Raises `NoCohortError` where they were not written down.
        """
        used = self._used(state, view.study)
        others = [self._used(state, name) for name in _same_statement(state, view.study, self.place.organisation)]
        found = used.cohorts.union(*(each.cohorts for each in others))
        cohorts = tuple(Cohort(view.release, each) for each in sorted(found, key=sorted))
        return People(view.study, cohorts, used.names, self.known)

    def _used(self, state: State, study: str) -> CohortsUsed:
        """Whom a study used. Raises `NoCohortError` unless every round is written down that the hospital is in."""
        found, own = cohorts_used(self.place, study), self.place.organisation
        if missing := releases.rounds_with(state, studies.require_study(state, study), own) - found.rounds:
            what = f"{own} has not written down whose records {study} used"
            if found.rounds:
                what += f" in round {min(missing)}: {self.place.study_cohorts} is of an earlier time"
            hint = "restore cohorts.db from a later backup; what ran before it was kept has to run anew to be released"
            raise NoCohortError(what, hint)
        return found


def least(state: State, view: ReleaseView, organisation: str) -> int:
    """The fewest people of whom something that leaves may tell, by the hospital's policy; at least 10."""
    entry = releases.require_release(state, view.release)
    return counting.people_min(state, organisation, releases.dataset_of(state, entry, organisation))


def granted(state: State, organisation: str) -> list[str]:
    """All that a hospital let leave, or does as far as it goes, and that nobody withdrew."""
    return [
        each.name
        for each in releases.releases(state)
        if organisation in each.hospitals
        and each.status is not Status.WITHDRAWN
        and _says_yes(state, each.name, organisation)
    ]


def _says_yes(state: State, name: str, organisation: str) -> bool:
    said = releases.word(state, name, organisation)
    return said is not None and said.decision is not Decision.REFUSED


def _same_statement(state: State, study: str, organisation: str) -> Sequence[str]:
    """The counts in which a hospital says the very number that it says in this one; none beside a model."""
    wanted = _statement(state, studies.require_study(state, study), organisation)
    if wanted is None:
        return ()
    return [each.spec.name for each in studies.studies(state) if _statement(state, each, organisation) == wanted]


def _statement(state: State, study: Study, organisation: str) -> bytes | None:
    spec = study.spec
    if not spec.is_count or organisation not in spec.participants:
        return None
    use = spec.use(organisation)
    version = datasets.version(state, organisation, use.dataset, use.version)
    return queries.statement(queries.plan_of(spec.training), organisation, version.root) if version else None
