"""What a hospital decides on a release: by evidence of its own, and by its guard against differences.

The guard has the last word: what would tell of a few people beside what left before is refused here, whoever says yes.
Others learn that the hospital said no to disclosure, and nothing of what it compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.consent import persons
from hmchain.application.disclosure import evidence as evidence_files
from hmchain.application.disclosure import gathering
from hmchain.application.disclosure.differencing import Difference
from hmchain.application.disclosure.evidence import Evidence, EvidenceFileError, Exemption, Found
from hmchain.application.disclosure.gathering import gather
from hmchain.application.disclosure.thresholds import EXEMPT, ExemptionError, let_pass
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.models import export
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import guard, register
from hmchain.application.releases.asking import ReleaseArgumentError
from hmchain.application.releases.guard import Guard
from hmchain.application.releases.table_evidence import gather_table
from hmchain.application.security.events import Event, Kind
from hmchain.application.security.log import record
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import local_key
from hmchain.application.site.study_folder import StudyFolder
from hmchain.clock import now_ms
from hmchain.errors import DataError, StudyError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import REASONS as REASONS
from hmchain.ledger.contracts.learning.releases import DecideRelease, Decision
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.releases import MODEL, TABLE, ReleaseView, release
from hmchain.ledger.state import State
from hmchain.plain import Progress

DISCLOSURE = "disclosure"


class DisclosureError(DataError):
    """What is to leave would tell of a few people of this hospital."""

    code = "disclosure"


class NotInReleaseError(StudyError):
    """No record of this hospital is in what is to leave, or it is not to be decided on."""

    code = "not_in_release"


class OtherEvidenceError(StudyError):
    """The evidence became other than what somebody read before saying yes."""

    code = "other_evidence"


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
    table: Path | None = None
    """The table that would leave, if it is one."""

    @property
    def is_clear(self) -> bool:
        """Whether every part of the evidence could be computed and saw nothing."""
        return all(found is Found.NOTHING_SEEN for _, found, _ in self.evidence.parts)

    @property
    def weighed(self) -> tuple[str, ...]:
        """The parts of the evidence that somebody has to weigh."""
        return tuple(name for name, found, _ in self.evidence.parts if found is not Found.NOTHING_SEEN)


@dataclass(frozen=True)
class MeasuredCase:
    """What was measured, in a few words: all of it lies in the hospital's folder."""

    release: str
    evidence_digest: bytes
    parts: tuple[tuple[str, str], ...]
    """What each part of the evidence found."""
    weighed: tuple[str, ...]
    """Parts that somebody has to weigh."""
    differences: int
    """How often the guard says no."""


@dataclass(frozen=True)
class Measure:
    """How somebody wants the evidence to be computed."""

    anew: bool = False
    """Attack a model again, though with the same records."""
    contributions: Path | None = None
    """Of a table: what each person gave to its values."""
    exemptions: tuple[Exemption, ...] = ()
    """What of a count or table may pass although it was found."""
    attacks: bool = True
    """Whether a model is attacked where other records may be used than in the evidence that is kept."""


AS_USUAL = Measure()


def case(
    place: HospitalFolder,
    ledger: LedgerReader,
    name: str,
    passphrase: str | None = None,
    progress: Progress | None = None,
    how: Measure = AS_USUAL,
) -> Case:
    """What a hospital decides on, with its evidence as it is now.

    Attacks are measured again where other records may be used than before. Raises `UnknownReleaseError`,
    `NotInReleaseError`, `NoCohortError`, `CohortsLostError`, `ExemptionError`, and as `gather` and `gather_table`.
    """
    view = ledger.release(name)
    _require_asked(view, place.organisation)
    state, kept = ledger.verified.state, kept_evidence(place, view, passphrase)
    if view.kind == TABLE:
        found = gather_table(place, ledger, view, how.contributions, kept, passphrase)
    else:
        _have_model(place, state, view, passphrase)
        found = gather(
            place, ledger, view.study, view.artefact, passphrase, progress,
            kept=kept, anew=how.anew, attacks=how.attacks,
        )  # fmt: skip
    if how.exemptions:
        found = _let_pass(place, view, found, how.exemptions, local_key(place.keys, passphrase))
    with register.opened(place.released_cohorts) as cohorts:
        differences = guard_of(place, passphrase).differences(cohorts, state, view, now_ms())
    fewest = guard.least(state, view, place.organisation)
    folder = folder_of(place, view)
    table = folder.table if view.kind == TABLE else None
    return Case(view, found, differences, fewest, folder.evidence_page, table)


def case_at(
    directory: Path, name: str, passphrase: str | None, how: Measure = AS_USUAL, progress: Progress | None = None
) -> Case:
    """The same of the hospital in a folder, for a process of its own. Raises as `case`, and what opening raises."""
    place = export.locate(directory)
    with open_ledger(place.ledger) as ledger:
        return case(place.hospital, ledger, name, passphrase, progress, how)


def measured_at(
    directory: Path, name: str, passphrase: str | None, how: Measure = AS_USUAL, progress: Progress | None = None
) -> MeasuredCase:
    """The same in a few words. Raises as `case_at`."""
    found = case_at(directory, name, passphrase, how, progress)
    parts = tuple((part, seen.value) for part, seen, _ in found.evidence.parts)
    return MeasuredCase(found.view.release, found.evidence.digest, parts, found.weighed, len(found.differences))


def measured_with(
    contributions: Path, directory: Path, name: str, passphrase: str | None, progress: Progress | None = None
) -> MeasuredCase:
    """The same of a table, by what each person gave to its values. Raises as `case_at`."""
    return measured_at(directory, name, passphrase, Measure(contributions=contributions), progress)


def folder_of(place: HospitalFolder, view: ReleaseView) -> StudyFolder:
    """Where the hospital has what is to leave, and its evidence on it."""
    return place.table(view.release) if view.kind == TABLE else place.study(view.study)


def _let_pass(
    place: HospitalFolder, view: ReleaseView, found: Evidence, exemptions: Sequence[Exemption], key: SecretKey
) -> Evidence:
    """The evidence with what somebody lets pass, by name and reason. Raises `ExemptionError`."""
    unknown = next((each.reason for each in exemptions if each.reason not in EXEMPT), None)
    if unknown is not None or found.disclosure is None:
        what = f"{unknown!r} is no reason to let a finding pass" if unknown else f"{view.what} has no table"
        raise ExemptionError(what, f"of a count or a table, one of: {', '.join(EXEMPT)}")
    passed = replace(found, disclosure=let_pass(found.disclosure, exemptions))
    return gathering.leave(folder_of(place, view), passed, found, key)


def guard_of(place: HospitalFolder, passphrase: str | None) -> Guard:
    """The hospital's guard, by what it knows now. Raises as `persons.known`."""
    return Guard(place, persons.known(place, passphrase))


def _have_model(place: HospitalFolder, state: State, view: ReleaseView, passphrase: str | None) -> None:
    """See that the model is in the hospital's folder, as its agent leaves it when it is there. Raises as `export`."""
    target = place.study(view.study).model
    if view.kind == MODEL and not target.exists():
        directory = place.node.path if place.node else place.path
        export.export(export.locate(directory), state, view.study, target, passphrase)


def kept_evidence(place: HospitalFolder, view: ReleaseView, passphrase: str | None = None) -> Evidence | None:
    """The evidence on this very thing that lies in the hospital's folder, or None.

    What somebody else wrote there is put aside, with an alarm in the log of security events.
    """
    path = folder_of(place, view).evidence
    if path.exists():
        with suppress(EvidenceFileError):
            found = evidence_files.load(path)
            if not evidence_files.is_sealed(found, local_key(place.keys, passphrase)):
                evidence_files.put_aside(path, found)
                record(place.activity, Event(Kind.ALARM, "evidence", view.release), place.organisation)
            elif (found.artefact, found.organisation) == (view.artefact.hex(), place.organisation):
                return found
    return None


def as_read(place: HospitalFolder, ledger: LedgerReader, name: str, read: bytes, passphrase: str | None = None) -> Case:
    """The case by the evidence of a digest, which somebody read. Raises as `case`, and `OtherEvidenceError`."""
    found = case(place, ledger, name, passphrase, how=Measure(attacks=False))
    if found.evidence.digest != read:
        raise OtherEvidenceError(f"the evidence on {name} is another one by now", "read it again, then decide")
    return found


def grant(
    user: LedgerUser, place: HospitalFolder, found: Case, passphrase: str | None = None, *, weighed: bool = False
) -> ReleaseView:
    """Steward: let it leave. `weighed` says that what the evidence saw, or could not see, was read.

    Raises `DisclosureError`, `WeighEvidenceError`, as `Guard.admit`, and what a refusal raises.
    """
    view, own = found.view, place.organisation
    if found.differences:
        raise refused(view, found.differences)
    if not weighed and not found.is_clear:
        what = f"the evidence on {view.release} wants to be weighed: {', '.join(found.weighed)}"
        read = f"read it: `hmchain release evidence {view.release}`, where a cell of a table may pass (--let-pass)"
        raise WeighEvidenceError(what, f"{read}; or say --weighed beside --yes")
    with register.opened(place.released_cohorts) as cohorts:
        if differences := guard_of(place, passphrase).admit(cohorts, user.state, view, user.ledger.now_ms()):
            raise refused(view, differences)
        body = DecideRelease(view.release, view.asked, Decision.GRANTED, "", found.evidence.digest)
        try:
            user.send(body)
        except RefusedTransactionError:
            said = releases.word(user.state, view.release, own)
            if said is None or said.decision is Decision.REFUSED:
                cohorts.drop(view.release)
            raise
        if (said := releases.word(user.state, view.release, own)) is not None:
            cohorts.arrived(view.release, said.height)
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
    what = f"{view.what} would tell of a few people of this hospital: {said}"
    return DisclosureError(what, f"say no: `hmchain release refuse {view.release} --reason {DISCLOSURE}`")


def _require_asked(view: ReleaseView, organisation: str) -> None:
    if view.of(organisation) is None:
        what = f"no record of {organisation} is in {view.what}"
        raise NotInReleaseError(what, f"its hospitals decide: `hmchain release show {view.release}`")
    if not view.is_asked:
        page = f"; what was measured then is in studies/{view.study} of the hospital's folder" if view.study else ""
        raise NotInReleaseError(f"{view.release} is {view.status} already", f"nothing is left to decide{page}")
