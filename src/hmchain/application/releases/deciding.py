"""What a hospital decides on a release: by evidence of its own, and by its guard against differences.

The guard has the last word: what would tell of a few people beside what left before is refused here, whoever says yes.
Others learn that the hospital said no to disclosure, and nothing of what it compared.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.consent.study_cohorts import cohorts_used
from hmchain.application.disclosure import evidence as evidence_files
from hmchain.application.disclosure.differencing import Cohort, Difference
from hmchain.application.disclosure.evidence import Evidence, EvidenceFileError, Found
from hmchain.application.disclosure.gathering import gather
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.models import export
from hmchain.application.releases import register
from hmchain.application.releases.asking import ReleaseArgumentError
from hmchain.application.releases.register import ReleasedCohorts
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import DataError, StorageError, StudyError
from hmchain.ledger.contracts.data import datasets, queries
from hmchain.ledger.contracts.learning import counting, releases, studies
from hmchain.ledger.contracts.learning.releases import REASONS, DecideRelease, Decision, Status
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.releases import MODEL, ReleaseView, release
from hmchain.ledger.state import State
from hmchain.plain import Progress

DISCLOSURE = "disclosure"


class DisclosureError(DataError):
    """What is to leave would tell of a few people of this hospital."""

    code = "disclosure"


class NoCohortError(DataError):
    """It is not known whose records are in what is to leave."""

    code = "no_cohort"


class CohortsLostError(StorageError):
    """The ledger has a release that a hospital let leave, and the hospital does not know whose records are in it."""

    code = "cohorts_lost"


class NotInReleaseError(StudyError):
    """No record of this hospital is in what is to leave, or it is not to be decided on."""

    code = "not_in_release"


class WeighEvidenceError(StudyError):
    """The evidence saw something, or could not see, and nobody said yes to that."""

    code = "weigh_evidence"


@dataclass(frozen=True)
class Case:
    """What a hospital decides on, and by what."""

    view: ReleaseView
    evidence: Evidence
    differences: tuple[Difference, ...]
    """What its guard holds against it; for this hospital's people alone."""
    least: int
    """The fewest people of whom something that leaves may tell."""
    page: Path
    """Where the evidence is told at length."""

    @property
    def is_clear(self) -> bool:
        """Whether every part of the evidence could be computed and saw nothing."""
        return all(found is Found.NOTHING_SEEN for _, found, _ in self.evidence.parts)

    @property
    def weighed(self) -> tuple[str, ...]:
        """The parts of the evidence that somebody has to weigh."""
        return tuple(name for name, found, _ in self.evidence.parts if found is not Found.NOTHING_SEEN)


def case(
    place: HospitalFolder,
    ledger: LedgerReader,
    name: str,
    passphrase: str | None = None,
    progress: Progress | None = None,
    *,
    anew: bool = False,
) -> Case:
    """What a hospital decides on, with its evidence: what it has of this very thing unless it is wanted `anew`.

    Raises `UnknownReleaseError`, `NotInReleaseError`, `NoCohortError`, `CohortsLostError`, and as `gather`.
    """
    view = ledger.release(name)
    _require_asked(view, place.organisation)
    state = ledger.verified.state
    found = None if anew else kept_evidence(place, view)
    if found is None:
        _have_model(place, state, view, passphrase)
        found = gather(place, ledger, view.study, view.artefact, passphrase, progress)
    with register.opened(place.released_cohorts) as cohorts:
        _complete(cohorts, place, state)
        over, fewest = _over(state, place.organisation, cohorts.known()), least(state, view, place.organisation)
        differences = cohorts.differences(_cohorts(place, state, view), view.study, over, fewest)
    return Case(view, found, differences, fewest, place.study(view.study).evidence_page)


def _have_model(place: HospitalFolder, state: State, view: ReleaseView, passphrase: str | None) -> None:
    """See that the model is in the hospital's folder, as its agent leaves it when it is there. Raises as `export`."""
    target = place.study(view.study).model
    if view.kind == MODEL and not target.exists():
        directory = place.node.path if place.node else place.path
        export.export(export.locate(directory), state, view.study, target, passphrase)


def kept_evidence(place: HospitalFolder, view: ReleaseView) -> Evidence | None:
    """The evidence on this very thing that lies in the hospital's folder, or None."""
    path = place.study(view.study).evidence
    if path.exists():
        with suppress(EvidenceFileError):
            found = evidence_files.load(path)
            if (found.artefact, found.organisation) == (view.artefact.hex(), place.organisation):
                return found
    return None


def grant(user: LedgerUser, place: HospitalFolder, found: Case, *, weighed: bool = False) -> ReleaseView:
    """Steward: let it leave. `weighed` says that what the evidence saw, or could not see, was read.

    Raises `DisclosureError`, `WeighEvidenceError`, and what a refusal raises.
    """
    view = found.view
    if not weighed and not found.is_clear:
        what = f"the evidence on {view.release} wants to be weighed: {', '.join(found.weighed)}"
        raise WeighEvidenceError(what, f"read it: `hmchain release evidence {view.release}`")
    with register.opened(place.released_cohorts) as cohorts:
        state = user.state
        over = _over(state, place.organisation, cohorts.known())
        used, fewest = _cohorts(place, state, view), least(state, view, place.organisation)
        if differences := cohorts.admit(used, view.study, over, fewest, user.ledger.now_ms()):
            raise refused(view, differences)
        body = DecideRelease(view.release, view.asked, Decision.GRANTED, "", found.evidence.digest)
        try:
            user.send(body)
        except RefusedTransactionError:
            if releases.word(user.state, view.release, place.organisation) is None:
                cohorts.drop(view.release)
            raise
    return release(user.state, view.release)


def refuse(user: LedgerUser, view: ReleaseView, reason: str, evidence: Evidence | None = None) -> ReleaseView:
    """Steward: keep it inside, for now. Raises `ReleaseArgumentError`, and what a refusal raises."""
    if reason not in REASONS:
        raise ReleaseArgumentError(f"{reason!r} is no reason", f"give one of {', '.join(REASONS)}")
    _require_asked(view, user.organisation)
    digest = evidence.digest if evidence is not None else b""
    user.send(DecideRelease(view.release, view.asked, Decision.REFUSED, reason, digest))
    return release(user.state, view.release)


def refused(view: ReleaseView, differences: tuple[Difference, ...]) -> DisclosureError:
    """The guard's no, in words for the hospital's own people."""
    said = "; ".join(map(str, differences[:3]))
    what = f"{view.kind} {view.study} would tell of a few people of this hospital: {said}"
    return DisclosureError(what, f"say no: `hmchain release refuse {view.release} --reason {DISCLOSURE}`")


def least(state: State, view: ReleaseView, organisation: str) -> int:
    """The fewest people of whom something that leaves may tell, by the hospital's policy; at least 10."""
    use = studies.require_study(state, view.study).spec.use(organisation)
    return counting.people_min(state, organisation, use.dataset)


def _complete(cohorts: ReleasedCohorts, place: HospitalFolder, state: State) -> None:
    """Write down anew what the hospital let leave, as the ledger has it, where a file from a backup lacks it.

    Raises `CohortsLostError` where it is not known any more whose records are in it.
    """
    lost = [release(state, name) for name in granted(state, place.organisation) if name not in cohorts.known()]
    for view in lost:
        try:
            cohorts.put(_cohorts(place, state, view), view.study, view.time_ms)
        except NoCohortError as error:
            what = f"{place.released_cohorts} does not know whose records are in {view.release}, which left"
            hint = "restore it, or cohorts.db, from a later backup: without them no difference can be seen"
            raise CohortsLostError(what, hint) from error


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


def _over(state: State, organisation: str, known: list[str]) -> set[str]:
    """Of those that are written down, what did not leave: withdrawn, or refused here since."""
    found = ((name, releases.release(state, name), releases.word(state, name, organisation)) for name in known)
    return {
        name
        for name, entry, said in found
        if (entry is not None and entry.status is Status.WITHDRAWN)
        or (said is not None and said.decision is Decision.REFUSED)
    }


def _cohorts(place: HospitalFolder, state: State, view: ReleaseView) -> list[Cohort]:
    """The hospital's people in what is to leave, of each round and attempt that may be in it.

    The same question gets the number that it got, whoever withdrew since: so a count may be of whom an earlier one
    counted. Raises `NoCohortError` where they were not written down.
    """
    own = cohorts_used(place, view.study)
    found = own.union(*(cohorts_used(place, name) for name in _same_statement(state, view.study, place.organisation)))
    if not own:
        what = f"{place.organisation} did not write down whose records {view.study} used: it ran before that was done"
        raise NoCohortError(what, "no difference can be seen without it: have the study run anew, and release that")
    return [Cohort(view.release, persons) for persons in sorted(found, key=sorted)]


def _same_statement(state: State, study: str, organisation: str) -> list[str]:
    """The counts in which a hospital says the very number that it says in this one; none beside a model."""
    wanted = _statement(state, studies.require_study(state, study), organisation)
    if wanted is None:
        return []
    return [each.spec.name for each in studies.studies(state) if _statement(state, each, organisation) == wanted]


def _statement(state: State, study: Study, organisation: str) -> bytes | None:
    spec = study.spec
    if not spec.is_count or organisation not in spec.participants:
        return None
    use = spec.use(organisation)
    version = datasets.version(state, organisation, use.dataset, use.version)
    return queries.statement(queries.plan_of(spec.training), organisation, version.root) if version else None


def _require_asked(view: ReleaseView, organisation: str) -> None:
    if view.of(organisation) is None:
        what = f"no record of {organisation} is in {view.kind} {view.study}"
        raise NotInReleaseError(what, f"its hospitals decide: `hmchain release show {view.release}`")
    if not view.is_asked:
        raise NotInReleaseError(f"{view.release} is {view.status} already", "nothing is left to decide")
