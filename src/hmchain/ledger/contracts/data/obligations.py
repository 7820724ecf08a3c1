"""Obligations: what is owed to a hospital after its yes, until when, and whether it was done.

They come from the duties of the policy that was in force when the hospital said yes, and outlive the permit: revoked,
expired or closed, what is owed stays owed until the hospital confirms or waives it. A moratorium is over by itself.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.data import attachments, requests
from hmchain.ledger.contracts.data.policies import Duty
from hmchain.ledger.contracts.data.requests import Handling
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

EVIDENCE = "evidence"
EVIDENCE_MAX = 128
"""Documents by which one organisation shows under one request what was done."""
MORATORIUM = "moratorium"
"""Nothing is published before its end: nothing that anybody could show to be done."""


class Status(StrEnum):
    """Where an obligation stands by what was said of it; on the ledger it is the word."""

    OPEN = "open"
    SHOWN = "shown"
    """Who owes it showed evidence, and the hospital has not answered."""
    MET = "met"
    WAIVED = "waived"


SETTLED = (Status.MET, Status.WAIVED)


class Obligation(Record, frozen=True):
    """Something that is owed to a hospital for the use of one dataset."""

    request: str
    organisation: str
    """The hospital to which it is owed."""
    dataset: str
    kind: str
    """One of the kinds of duties."""
    due_ms: int
    """Until when; of a moratorium its end."""
    status: Status
    evidence: bytes
    """Digest (32 bytes) of the document that shows it; empty before."""
    shown_by: tuple[PersonRef, ...]
    """Who showed it last; nobody before."""
    settled_by: tuple[PersonRef, ...]
    """Who confirmed or waived it; nobody before."""
    height: int
    """Of its last change."""

    def is_owed(self, time_ms: int) -> bool:
        """Whether something is still to be done, or to be left undone, at this block time."""
        over = self.kind == MORATORIUM and time_ms >= self.due_ms
        return self.status not in SETTLED and not over

    def is_overdue(self, time_ms: int) -> bool:
        """Whether its time has passed without a word of the hospital that it was met."""
        return self.is_owed(time_ms) and time_ms > self.due_ms


class Owed(Record, frozen=True):
    """A hospital and a request under which something is to be done for it."""

    organisation: str
    request: str


class ShowDuty(Record, frozen=True, tag="show_duty"):
    """Transaction (applicant, member, or a steward of the applicant's organisation): it was done, as this shows."""

    request: str
    organisation: str
    dataset: str
    duty: str
    evidence: bytes


class ConfirmDuty(Record, frozen=True, tag="confirm_duty"):
    """Transaction (steward of the hospital): what was shown does."""

    request: str
    dataset: str
    duty: str
    evidence: bytes


class ContestDuty(Record, frozen=True, tag="contest_duty"):
    """Transaction (steward of the hospital): what was shown does not; it is owed as before."""

    request: str
    dataset: str
    duty: str
    evidence: bytes


class WaiveDuty(Record, frozen=True, tag="waive_duty"):
    """Transaction (steward of the hospital): it is not asked for any more."""

    request: str
    dataset: str
    duty: str


Bodies = ShowDuty | ConfirmDuty | ContestDuty | WaiveDuty

_OBLIGATIONS = Table("obligations", Obligation)
"""By hospital, request, dataset and kind."""
_OWED = Table("obligations_owed", Owed)
"""By hospital, request, dataset and kind: what is to be done and is not settled, so that nobody reads all that ever
was. A moratorium is over by itself, and would stay."""


def obligation(state: State, organisation: str, request: str, dataset: str, kind: str) -> Obligation | None:
    """One obligation to a hospital, or None."""
    return _OBLIGATIONS.get(state, organisation, request, dataset, kind)


def obligations(state: State, organisation: str, request: str = "") -> list[Obligation]:
    """All obligations to a hospital, of one request if it is given, settled ones too."""
    return _OBLIGATIONS.all(state, organisation, *((request,) if request else ()))


def to_be_done(state: State, organisation: str = "") -> list[Obligation]:
    """What is still to be done for a hospital, or for any, in order of hospital and request; moratoria left out."""
    places = {
        (each.organisation, each.request) for each in _OWED.all(state, *((organisation,) if organisation else ()))
    }
    found = (each for hospital, request in sorted(places) for each in obligations(state, hospital, request))
    return [each for each in found if each.kind != MORATORIUM and each.status not in SETTLED]


def incur(context: Context, word: Handling, duty: Duty) -> None:
    """Let an obligation begin with a hospital's yes.

    A later yes to the same request begins anew what was settled, and puts nothing off that is owed; a moratorium lasts
    until the latest end.
    """
    due_ms = context.time_ms + duty.days * DAY_MS
    known = obligation(context.state, word.organisation, word.request, word.dataset, duty.kind)
    made = Obligation(
        word.request, word.organisation, word.dataset, duty.kind, due_ms, Status.OPEN, b"", (), (), context.height
    )
    if known is not None and known.status not in SETTLED:
        due_ms = max(known.due_ms, due_ms) if duty.kind == MORATORIUM else min(known.due_ms, due_ms)
        made = replace(known, due_ms=due_ms, height=context.height)
    _put(context.state, made)
    context.emit(events.DutyIncurred(*_named(made), due_ms))


def _show(context: Context, body: ShowDuty) -> None:
    entry = requests.require_request(context.state, body.request)
    sender = context.sender
    of_office = sender.organisation == entry.applicant.organisation and STEWARD in sender.roles
    require(of_office or people.sender(sender) in (entry.applicant, *entry.members), "not_involved")
    require_digest(body.evidence)
    found = _open(context.state, body.organisation, body)
    require(found.kind != MORATORIUM, "not_to_be_shown")
    _attach(context, entry.name, body.evidence)
    shown = replace(
        found, status=Status.SHOWN, evidence=body.evidence, shown_by=(people.sender(sender),), height=context.height
    )
    _put(context.state, shown)
    context.emit(events.DutyShown(*_named(shown)))


def _attach(context: Context, request: str, evidence: bytes) -> None:
    """Let whoever showed it redact it, as any other document."""
    attached = attachments.attachments(context.state, request)
    own = sum(each.kind == EVIDENCE and each.by.organisation == context.sender.organisation for each in attached)
    require(own < EVIDENCE_MAX, "too_much_evidence")
    attachments.attach(context, request, EVIDENCE, evidence)


def _confirm(context: Context, body: ConfirmDuty) -> None:
    found = _shown(context, body)
    _settle(context, found, Status.MET)
    context.emit(events.DutyMet(*_named(found)))


def _contest(context: Context, body: ContestDuty) -> None:
    found = _shown(context, body)
    _put(context.state, replace(found, status=Status.OPEN, height=context.height))
    context.emit(events.DutyContested(*_named(found)))


def _waive(context: Context, body: WaiveDuty) -> None:
    found = _of_own(context, body)
    _settle(context, found, Status.WAIVED)
    context.emit(events.DutyWaived(*_named(found)))


def _of_own(context: Context, body: ConfirmDuty | ContestDuty | WaiveDuty) -> Obligation:
    """What is owed to the sender's hospital, if the sender speaks for it and owes nothing of it."""
    context.require_role(STEWARD)
    found = _open(context.state, context.sender.organisation, body)
    entry = requests.require_request(context.state, body.request)
    require(people.sender(context.sender) not in entry.involved, "own_request")
    return found


def _shown(context: Context, body: ConfirmDuty | ContestDuty) -> Obligation:
    found = _of_own(context, body)
    require(found.status is Status.SHOWN, "not_shown")
    require(found.evidence == body.evidence, "wrong_content")
    return found


def _open(state: State, organisation: str, body: ShowDuty | ConfirmDuty | ContestDuty | WaiveDuty) -> Obligation:
    found = obligation(state, organisation, body.request, body.dataset, body.duty)
    if found is None:
        raise Refusal("no_such_duty")
    require(found.status not in SETTLED, "duty_settled")
    return found


def _settle(context: Context, found: Obligation, status: Status) -> None:
    by = (people.sender(context.sender),)
    _put(context.state, replace(found, status=status, settled_by=by, height=context.height))


def _put(state: State, entry: Obligation) -> None:
    place = (entry.organisation, entry.request, entry.dataset, entry.kind)
    _OBLIGATIONS.put(state, entry, *place)
    if entry.status in SETTLED:
        _OWED.delete(state, *place)
    elif entry.kind != MORATORIUM:
        _OWED.put(state, Owed(entry.organisation, entry.request), *place)


def _named(entry: Obligation) -> tuple[str, str, str, str]:
    return entry.request, entry.organisation, entry.dataset, entry.kind


HANDLERS = {ShowDuty: _show, ConfirmDuty: _confirm, ContestDuty: _contest, WaiveDuty: _waive}
