"""What is due, what is overdue, and what ends soon: what a hospital and a person are reminded of, in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hmchain.clock import DAY_MS, utc
from hmchain.ledger.contracts.data import obligations, permits, requests
from hmchain.ledger.contracts.data.obligations import MORATORIUM, Obligation
from hmchain.ledger.contracts.data.requests import Request
from hmchain.ledger.state import State

SOON_MS = 30 * DAY_MS
"""So long before its time something is shown as soon."""


class Standing(StrEnum):
    """How it stands with something that is owed."""

    DUE = "due"
    OVERDUE = "overdue"
    SHOWN = "shown"
    """The hospital has not answered what was shown."""
    HOLDS = "holds"
    """A moratorium: nothing may be published yet."""
    MET = "met"
    WAIVED = "waived"
    OVER = "over"
    """A moratorium that has passed."""


class Subject(StrEnum):
    """What a notice is about."""

    OVERDUE = "overdue"
    DUE = "due"
    TO_CONFIRM = "to confirm"
    PERMIT_ENDS = "permit ends"


_ORDER = list(Subject)


@dataclass(frozen=True)
class DutyView:
    """Something that is or was owed to a hospital for the use of a dataset."""

    request: str
    organisation: str
    dataset: str
    kind: str
    due_ms: int
    standing: Standing
    evidence: bytes
    """Digest of the document that shows it; empty before."""
    shown_by: tuple[str, ...]
    settled_by: tuple[str, ...]

    def __str__(self) -> str:
        of = f"{self.kind} to {self.organisation} for {self.dataset} ({self.request})"
        return f"{of}: {self.standing}, {utc(self.due_ms)[:10]}"


@dataclass(frozen=True)
class Notice:
    """One thing that somebody should see to."""

    subject: Subject
    request: str
    organisation: str
    """The hospital whose data it is about."""
    dataset: str
    duty: str
    """The kind of the duty; empty of a permit."""
    at_ms: int
    """When it is or was due, or when the permit ends."""

    def __str__(self) -> str:
        about = f"{self.organisation}/{self.dataset} under request {self.request}"
        day = utc(self.at_ms)[:10]
        match self.subject:
            case Subject.OVERDUE:
                return f"OVERDUE since {day}: {self.duty} for {about}"
            case Subject.TO_CONFIRM:
                return f"{self.duty} for {about} was shown and waits for the hospital's word"
            case Subject.DUE:
                return f"{self.duty} for {about} is due on {day}"
        return f"the permit for {about} ends on {day}"


def duties(state: State, time_ms: int, organisation: str, request: str = "") -> list[DutyView]:
    """All that was ever owed to a hospital, under one request if it is given, settled too: what is overdue comes first,
    then in order of time."""
    found = [_view(each, time_ms) for each in obligations.obligations(state, organisation, request)]
    return sorted(found, key=lambda duty: (duty.standing is not Standing.OVERDUE, duty.due_ms, duty.request))


def for_hospital(state: State, time_ms: int, organisation: str, within_ms: int = SOON_MS) -> list[Notice]:
    """What a hospital should see to: what it is owed, and its own permits that end within a time."""
    owed = _of_duties(obligations.to_be_done(state, organisation), time_ms, within_ms)
    asked = (
        entry for entry in requests.living(state) if requests.handlings(state, entry.name, entry.version, organisation)
    )
    names = (entry.name for entry in asked)
    return _in_order([*owed, *_of_permits(state, names, time_ms, within_ms, organisation)])


def for_people(
    state: State,
    time_ms: int,
    organisation: str,
    person: str = "",
    within_ms: int = SOON_MS,
    living: Sequence[Request] | None = None,
) -> list[Notice]:
    """What those who asked should see to: a person, or all of an organisation.

    `living` are the requests among which theirs are, for whoever has looked at all that live.
    """

    def theirs(entry: Request) -> bool:
        return any(each.organisation == organisation and person in ("", each.person) for each in entry.involved)

    owed = [duty for duty in obligations.to_be_done(state) if theirs(requests.require_request(state, duty.request))]
    names = [entry.name for entry in (requests.living(state) if living is None else living) if theirs(entry)]
    return _in_order([*_of_duties(owed, time_ms, within_ms), *_of_permits(state, names, time_ms, within_ms)])


def for_organisation(state: State, time_ms: int, organisation: str) -> list[Notice]:
    """What an organisation should see to: as a hospital, and as one whose people asked others."""
    own = for_hospital(state, time_ms, organisation)
    return _in_order(dict.fromkeys([*own, *for_people(state, time_ms, organisation)]))


def _of_duties(owed: Iterable[Obligation], time_ms: int, within_ms: int) -> Iterator[Notice]:
    for duty in owed:
        subject = _subject(duty, time_ms, within_ms)
        if subject is not None:
            yield Notice(subject, duty.request, duty.organisation, duty.dataset, duty.kind, duty.due_ms)


def _subject(duty: Obligation, time_ms: int, within_ms: int) -> Subject | None:
    if duty.status is obligations.Status.SHOWN:
        return Subject.TO_CONFIRM
    if duty.is_overdue(time_ms):
        return Subject.OVERDUE
    return Subject.DUE if duty.due_ms <= time_ms + within_ms else None


def _of_permits(
    state: State, names: Iterable[str], time_ms: int, within_ms: int, hospital: str = ""
) -> Iterator[Notice]:
    for name in names:
        found = permits.permit(state, name, time_ms)
        for each in found.allowed if found is not None else ():
            if each.until_ms <= time_ms + within_ms and hospital in ("", each.organisation):
                yield Notice(Subject.PERMIT_ENDS, name, each.organisation, each.dataset, "", each.until_ms)


def _in_order(found: Iterable[Notice]) -> list[Notice]:
    return sorted(found, key=lambda notice: (_ORDER.index(notice.subject), notice.at_ms, notice.request))


def _view(duty: Obligation, time_ms: int) -> DutyView:
    return DutyView(
        duty.request, duty.organisation, duty.dataset, duty.kind, duty.due_ms, _standing(duty, time_ms), duty.evidence,
        tuple(map(str, duty.shown_by)), tuple(map(str, duty.settled_by)),
    )  # fmt: skip


def _standing(duty: Obligation, time_ms: int) -> Standing:
    if duty.status in obligations.SETTLED:
        return Standing.MET if duty.status is obligations.Status.MET else Standing.WAIVED
    if duty.kind == MORATORIUM:
        return Standing.HOLDS if duty.is_owed(time_ms) else Standing.OVER
    if duty.status is obligations.Status.SHOWN:
        return Standing.SHOWN
    return Standing.OVERDUE if duty.is_overdue(time_ms) else Standing.DUE
