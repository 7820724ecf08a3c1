"""What is said beside a hospital's decision: reviews and advice that it asked for, remarks, notices, outside numbers.

A hospital asks its own persons at once, and invites those of others. Who answers says what version and content it was
about. What they write is in documents; here stands a code.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import STEWARD, Context, require, require_name
from hmchain.ledger.contracts.data import applying, attachments, deciding, requests
from hmchain.ledger.contracts.data.requests import Decided, Request, Status
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

CALLS_MAX = 16
"""Persons that one hospital asks about one version."""
REMARKS_MAX = 64
"""Of one organisation beside one request."""


class Deed(StrEnum):
    """What a hospital asks a person for."""

    REVIEW = "review"
    DECIDE = "decide"


ANSWERS = {Deed.REVIEW: ("favourable", "unfavourable", "no-view"), Deed.DECIDE: ("approve", "reject")}
ROLES = {Deed.REVIEW: (*people.REVIEWERS, STEWARD), Deed.DECIDE: (STEWARD,)}
"""In which roles a person may be asked."""


class CallStatus(StrEnum):
    """How far it is with a person who was asked."""

    INVITED = "invited"
    ASKED = "asked"
    ANSWERED = "answered"


class Call(Record, frozen=True):
    """A hospital's question to a person about one version, and the answer."""

    request: str
    version: int
    hospital: str
    deed: Deed
    person: PersonRef
    status: CallStatus
    asked_by: PersonRef
    answer: str
    """A code; empty before."""
    content: bytes
    """Digest of what the answer is about; empty before."""
    document: bytes
    """Digest of what was written; empty for nothing."""
    height: int
    """Of its last change."""


class Remark(Record, frozen=True):
    """Something that a person wrote beside a request."""

    request: str
    person: PersonRef
    number: int
    """Of those of the person's organisation, from 0."""
    public: bool
    """Whether the applicant reads it too."""
    document: bytes
    time_ms: int
    height: int


class RequestReview(Record, frozen=True, tag="request_review"):
    """Transaction (steward): ask a person of one's own hospital for a review."""

    request: str
    version: int
    person: str


class RequestDecision(Record, frozen=True, tag="request_decision"):
    """Transaction (steward): ask a person of one's own hospital what to decide."""

    request: str
    version: int
    person: str


class InviteReviewer(Record, frozen=True, tag="invite_reviewer"):
    """Transaction (steward): ask a person, of whatever member, for a review; it is for that person to accept."""

    request: str
    version: int
    person: PersonRef


class InviteDecider(Record, frozen=True, tag="invite_decider"):
    """Transaction (steward): ask a person, of whatever member, what to decide; it is for that person to accept."""

    request: str
    version: int
    person: PersonRef


class AcceptCall(Record, frozen=True, tag="accept_call"):
    """Transaction (who was invited): I shall answer."""

    request: str
    version: int
    hospital: str
    deed: Deed


class ReviewRequest(Record, frozen=True, tag="review_request"):
    """Transaction (who was asked): a review."""

    request: str
    version: int
    content: bytes
    hospital: str
    answer: str
    document: bytes


class DecideRequest(Record, frozen=True, tag="decide_request"):
    """Transaction (who was asked): what should be decided; the hospital's stewards decide."""

    request: str
    version: int
    content: bytes
    hospital: str
    answer: str
    document: bytes


class RemarkRequest(Record, frozen=True, tag="remark_request"):
    """Transaction (whoever takes part or was asked): something beside it, for all or for the hospitals alone."""

    request: str
    public: bool
    document: bytes


class AssignExternal(Record, frozen=True, tag="assign_external"):
    """Transaction (steward of a hospital that was asked): an office outside keeps it as this; empty for no more."""

    request: str
    external: str


class NoteExpiry(Record, frozen=True, tag="note_expiry"):
    """Transaction (steward of a hospital that was asked, or who answers for it): the applicant was told of the end."""

    request: str


Bodies = (
    RequestReview
    | RequestDecision
    | InviteReviewer
    | InviteDecider
    | AcceptCall
    | ReviewRequest
    | DecideRequest
    | RemarkRequest
    | AssignExternal
    | NoteExpiry
)

_CALLS = Table("request_calls", Call)
"""By request, version, hospital, deed, and the person's organisation and name."""
_REMARKS = Table("request_remarks", Remark)
"""By request, organisation and number."""


def calls(state: State, request: str, version: int, hospital: str = "") -> list[Call]:
    """Who was asked about a version, by all hospitals or one."""
    return _CALLS.all(state, request, version, *((hospital,) if hospital else ()))


def remarks(state: State, request: str) -> list[Remark]:
    """What was remarked beside a request, by organisation, each in order."""
    return _REMARKS.all(state, request)


# -- asking ------------------------------------------------------------------------------------------------------------


def _ask(context: Context, body: RequestReview | RequestDecision) -> None:
    person = PersonRef(context.sender.organisation, body.person)
    deed = Deed.REVIEW if isinstance(body, RequestReview) else Deed.DECIDE
    _call(context, body.request, body.version, deed, person, CallStatus.ASKED)


def _invite(context: Context, body: InviteReviewer | InviteDecider) -> None:
    deed = Deed.REVIEW if isinstance(body, InviteReviewer) else Deed.DECIDE
    _call(context, body.request, body.version, deed, body.person, CallStatus.INVITED)


def _call(context: Context, request: str, version: int, deed: Deed, person: PersonRef, status: CallStatus) -> None:
    context.require_role(STEWARD)
    state, hospital = context.state, context.sender.organisation
    entry = _submitted(state, request, version)
    require(bool(requests.handlings(state, request, version, hospital)), "not_asked")
    require(any(role in ROLES[deed] for role in people.roles_of(state, person)), "wrong_role_of_person")
    require(person not in entry.involved, "own_request")
    known = _CALLS.get(state, request, version, hospital, deed, person.organisation, person.person)
    require(known is None, "already_called")
    require(len(calls(state, request, version, hospital)) < CALLS_MAX, "too_many_calls")
    asked_by = people.sender(context.sender)
    _put(state, Call(request, version, hospital, deed, person, status, asked_by, "", b"", b"", context.height))
    who = (hospital, asked_by.person, person.organisation, person.person)
    context.emit(events.WordAsked(request, *who, deed))


def _accept(context: Context, body: AcceptCall) -> None:
    _submitted(context.state, body.request, body.version)
    call = _own_call(context, body.request, body.version, body.hospital, body.deed)
    require(call.status is CallStatus.INVITED, "not_invited")
    _put(context.state, replace(call, status=CallStatus.ASKED, height=context.height))
    person = call.person
    context.emit(events.WordPromised(body.request, person.organisation, person.person, body.hospital, body.deed))


# -- answering ---------------------------------------------------------------------------------------------------------


def _answer(context: Context, body: ReviewRequest | DecideRequest) -> None:
    deed = Deed.REVIEW if isinstance(body, ReviewRequest) else Deed.DECIDE
    context.require_role(*ROLES[deed])
    entry, _, content = deciding.require_version(context, body, Status.SUBMITTED)
    call = _own_call(context, entry.name, entry.version, body.hospital, deed)
    require(call.status is not CallStatus.INVITED, "not_called")
    require(call.status is CallStatus.ASKED, "already_answered")
    deciding.require_disinterested(context, entry, content)
    require(body.answer in ANSWERS[deed], "bad_answer")
    attachments.attach(context, entry.name, str(deed), body.document)
    answered = replace(
        call, status=CallStatus.ANSWERED, answer=body.answer, content=body.content, document=body.document,
        height=context.height,
    )  # fmt: skip
    _put(context.state, answered)
    sender = context.sender
    who = (sender.organisation, sender.person)
    context.emit(events.WordGiven(entry.name, *who, body.hospital, deed, body.answer))


def _own_call(context: Context, request: str, version: int, hospital: str, deed: Deed) -> Call:
    sender = context.sender
    call = _CALLS.get(context.state, request, version, hospital, deed, sender.organisation, sender.person)
    if call is None:
        raise Refusal("not_called")
    return call


def _submitted(state: State, request: str, version: int) -> Request:
    entry = requests.require_request(state, request)
    require(entry.status is Status.SUBMITTED, "wrong_status")
    require(version == entry.version, "wrong_content")
    return entry


def _put(state: State, call: Call) -> None:
    person = call.person
    _CALLS.put(state, call, call.request, call.version, call.hospital, call.deed, person.organisation, person.person)


# -- beside it ---------------------------------------------------------------------------------------------------------


def _remark(context: Context, body: RemarkRequest) -> None:
    state, person = context.state, people.sender(context.sender)
    entry = requests.require_request(state, body.request)
    require(entry.status in (Status.SUBMITTED, Status.RETURNED), "wrong_status")
    _require_taking_part(state, entry, person)
    number = len(_REMARKS.all(state, entry.name, person.organisation))
    require(number < REMARKS_MAX, "too_many_remarks")
    require(bool(body.document), "bad_digest")
    attachments.attach(context, entry.name, "remark", body.document)
    made = Remark(entry.name, person, number, body.public, body.document, context.time_ms, context.height)
    _REMARKS.put(state, made, entry.name, person.organisation, number)
    for_whom = "public" if body.public else "private"
    context.emit(events.RequestRemarked(entry.name, person.organisation, person.person, for_whom))


def _require_taking_part(state: State, entry: Request, person: PersonRef) -> None:
    """Refuse `not_involved` to who neither asks, nor speaks for a hospital that was asked, nor was asked for a word."""
    own = person in (entry.applicant, *entry.members)
    asked = requests.handlings(state, entry.name, entry.version, person.organisation)
    of_hospital = bool(asked) and any(role in (STEWARD, *people.REVIEWERS) for role in people.roles_of(state, person))
    called = any(call.person == person for call in calls(state, entry.name, entry.version))
    require(own or of_hospital or called, "not_involved")


def _assign(context: Context, body: AssignExternal) -> None:
    entry = _of_hospital(context, body.request)
    if body.external:
        require_name(body.external)
    requests.put(context.state, replace(entry, external=body.external, height=context.height))
    sender = context.sender
    context.emit(events.ExternalAssigned(entry.name, sender.organisation, sender.person, body.external))


def _note_expiry(context: Context, body: NoteExpiry) -> None:
    state, sender = context.state, context.sender
    entry = requests.require_request(state, body.request)
    if sender.organisation == entry.applicant.organisation:
        applying.require_answerable(context, entry.name, Status.SUBMITTED, Status.RETURNED)
    else:
        _of_hospital(context, body.request)
    require(entry.noticed < entry.version, "already_noted")
    words = requests.handlings(state, entry.name, entry.version)
    ends = [word.until_ms for word in words if word.status is Decided.APPROVED and word.until_ms >= context.time_ms]
    require(bool(ends) and min(ends) <= context.time_ms + deciding.NOTICE_MS, "not_near_its_end")
    requests.put(state, replace(entry, noticed=entry.version, height=context.height))
    context.emit(events.ExpiryNoted(entry.name, sender.organisation, sender.person, min(ends)))


def _of_hospital(context: Context, name: str) -> Request:
    """A submitted or returned request that asks for something of the sender's hospital, whose steward it is."""
    context.require_role(STEWARD)
    entry = requests.require_request(context.state, name)
    require(entry.status in (Status.SUBMITTED, Status.RETURNED), "wrong_status")
    asked = requests.handlings(context.state, name, entry.version, context.sender.organisation)
    require(bool(asked), "not_asked")
    return entry


HANDLERS = {
    RequestReview: _ask,
    RequestDecision: _ask,
    InviteReviewer: _invite,
    InviteDecider: _invite,
    AcceptCall: _accept,
    ReviewRequest: _answer,
    DecideRequest: _answer,
    RemarkRequest: _remark,
    AssignExternal: _assign,
    NoteExpiry: _note_expiry,
}
