"""What a hospital decides on a request: each for itself, for each of its datasets.

Every decision names the version and the digest of the content that was read, so one on anything else is refused.
Nobody decides who ever was applicant or member of the request, or who first named its code in a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.data import attachments, datasets, judging, policies, requests
from hmchain.ledger.contracts.data.policies import Answer
from hmchain.ledger.contracts.data.requests import (
    Content,
    DatasetVersion,
    Decided,
    Handling,
    Request,
    Status,
    Submission,
)
from hmchain.ledger.contracts.members import people
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

REASONS = ("code", "data-quality", "documents", "ethics", "incomplete", "privacy", "purpose", "too-broad", "other")
"""Why a hospital returns or rejects: a code; more stands in a document."""
REVOKE_REASONS = ("consent", "misuse", "person", "policy", "security", "other")
VOTES = ("accept", "reject", "abstain")
PROCESSING = (
    "", "received", "in-ethics", "in-protection", "in-code", "in-committee", "waits-for-applicant", "ready",
)  # fmt: skip
"""How far a hospital is; empty for nothing said."""
LICENCES_MAX = 16
"""Terms of one hospital for one dataset, those of its policy among them."""
NOTICE_MS = 30 * DAY_MS
"""So long before the end the applicant may be told of it."""


class ApproveRequest(Record, frozen=True, tag="approve_request"):
    """Transaction (steward): yes, until a date; with others' where the policy asks for several."""

    request: str
    version: int
    content: bytes
    dataset: str
    until_ms: int


class RejectRequest(Record, frozen=True, tag="reject_request"):
    """Transaction (steward): no to this version."""

    request: str
    version: int
    content: bytes
    dataset: str
    reason: str
    document: bytes
    """Digest of a letter to the applicant; empty for none."""


class ReturnRequest(Record, frozen=True, tag="return_request"):
    """Transaction (steward): the applicant is to change it; what was decided stands until it is submitted anew."""

    request: str
    version: int
    content: bytes
    reason: str
    document: bytes


class RevokeRequest(Record, frozen=True, tag="revoke_request"):
    """Transaction (steward): the yes is taken back for good, from the next step of whatever runs."""

    request: str
    version: int
    content: bytes
    dataset: str
    reason: str
    document: bytes


class VoteRequest(Record, frozen=True, tag="vote_request"):
    """Transaction (steward): what the sender thinks, for those who decide; it decides nothing."""

    request: str
    version: int
    content: bytes
    dataset: str
    vote: str


class AddLicences(Record, frozen=True, tag="add_licences"):
    """Transaction (steward): terms that the applicant and the members accept besides those of the policy."""

    request: str
    version: int
    content: bytes
    dataset: str
    licences: tuple[bytes, ...]


class SetProcessing(Record, frozen=True, tag="set_processing"):
    """Transaction (steward): how far the hospital is."""

    request: str
    version: int
    content: bytes
    dataset: str
    processing: str


Bodies = (
    ApproveRequest | RejectRequest | ReturnRequest | RevokeRequest | VoteRequest | AddLicences | SetProcessing
)  # fmt: skip


class Vote(Record, frozen=True):
    """What a steward thinks of a version."""

    person: people.PersonRef
    vote: str
    height: int


_VOTES = Table("request_votes", Vote)
"""By request, version, hospital, dataset and person."""


def votes(state: State, word: Handling) -> list[Vote]:
    """What a hospital's stewards think of the version that a word is about."""
    return _VOTES.all(state, word.request, word.version, word.organisation, word.dataset)


# -- who may, and on what ----------------------------------------------------------------------------------------------


class _Version(Protocol):
    @property
    def request(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def content(self) -> bytes: ...


class _Decision(_Version, Protocol):
    @property
    def dataset(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Case:
    """A submitted version and the sender's hospital's word on one of its datasets."""

    entry: Request
    made: Submission
    content: Content
    word: Handling

    @property
    def use(self) -> DatasetVersion:
        """What is asked of it."""
        places = ((use.organisation, use.dataset) for use in self.content.datasets)
        return self.content.datasets[list(places).index((self.word.organisation, self.word.dataset))]


def require_disinterested(context: Context, entry: Request, content: Content) -> None:
    """Refuse `own_request` to who was ever its applicant or member, `own_code` to who first named its code."""
    sender = people.sender(context.sender)
    require(sender not in entry.involved, "own_request")
    require(sender != requests.registrant(context.state, content.code), "own_code")


def require_version(context: Context, body: _Version, *statuses: Status) -> tuple[Request, Submission, Content]:
    """The version that a body is about, if it is the last one; refuse `wrong_status` and `wrong_content`."""
    entry = requests.require_request(context.state, body.request)
    require(entry.status in statuses, "wrong_status")
    require((body.version, body.content) == (entry.version, entry.content), "wrong_content")
    made = requests.submission(context.state, entry.name, entry.version)
    content = requests.content(context.state, entry.name, entry.version)
    assert made is not None and content is not None  # they are written with the version's number
    return entry, made, content


def _case(context: Context, body: _Decision, *statuses: Status) -> _Case:
    context.require_role(STEWARD)
    entry, made, content = require_version(context, body, *(statuses or (Status.SUBMITTED,)))
    word = requests.handling(context.state, entry, context.sender.organisation, body.dataset)
    if word is None:
        raise Refusal("not_asked")
    return _Case(entry, made, content, word)


def _own_case(context: Context, body: _Decision) -> _Case:
    """A case that the sender may decide."""
    case = _case(context, body)
    require_disinterested(context, case.entry, case.content)
    return case


# -- handlers ----------------------------------------------------------------------------------------------------------


def _approve(context: Context, body: ApproveRequest) -> None:
    case, state, person = _own_case(context, body), context.state, people.sender(context.sender)
    require(case.word.status is Decided.WAITING, "already_decided")
    datasets.standing_version(state, case.use.organisation, case.use.dataset, case.use.version)
    require(body.until_ms > context.time_ms, "expired")
    standing = yes_so_far(state, case.word, context.time_ms)
    policy = policies.current(state, case.use.organisation, case.use.dataset)
    # Where the policy asks for fewer by now, who has said yes may say so again: there may be nobody else.
    require(person not in standing or len(standing) >= policy.approvers, "already_approved")
    require(body.until_ms <= judging.longest_ms(policy, case.content, context.time_ms), "until_too_late")
    licences = _joined(case.word.licences, policy.licences)
    judging.take_share(context, case.content, 1)
    verdict = judging.judge(state, policy, case.made, case.content, case.use)  # last: it costs most
    if verdict.answer is Answer.NO:
        raise Refusal("policy_denies", kept=True)  # it cost as much, and so counts
    approvals = standing if person in standing else (*standing, person)
    until_ms = min(body.until_ms, case.word.until_ms) if standing else body.until_ms
    complete = len(approvals) >= policy.approvers
    word = replace(
        case.word, status=Decided.APPROVED if complete else Decided.WAITING, approvals=approvals, until_ms=until_ms,
        answer=verdict.answer, reasons=verdict.reasons, policy=policy.version, decided_by=(person,),
        licences=licences, since_ms=context.time_ms if complete else 0,
        time_ms=context.time_ms, height=context.height,
    )  # fmt: skip
    requests.put_handling(state, word)
    if (word.policy, word.answer, word.reasons) != (case.word.policy, case.word.answer, case.word.reasons):
        judging.tell_answer(context, word)
    if complete:
        judging.take_effect(context, word, policy, person.person)
    else:
        context.emit(events.ApprovalGiven(*_place(word), person.person))


def yes_so_far(state: State, word: Handling, time_ms: int) -> tuple[people.PersonRef, ...]:
    """Of a word that waits: who said yes for longer than until now, is a steward still, and whose key it was."""
    if word.until_ms <= time_ms:
        return ()
    stewards = (each for each in word.approvals if STEWARD in people.roles_of(state, each))
    return tuple(each for each in stewards if people.stands(state, each, word.time_ms))


def _reject(context: Context, body: RejectRequest) -> None:
    case = _own_case(context, body)
    require(case.word.status is Decided.WAITING, "already_decided")
    require(body.reason in REASONS, "bad_reason")
    word = _say_no(context, case, Decided.REJECTED, body)
    context.emit(events.RequestRejected(*_place(word), context.sender.person, body.reason))


def _revoke(context: Context, body: RevokeRequest) -> None:
    """Anybody who speaks for the hospital may, the request's own people too: it only ends what others allowed."""
    case = _case(context, body, Status.SUBMITTED, Status.RETURNED)
    require(case.word.status is Decided.APPROVED, "not_approved")
    require(body.reason in REVOKE_REASONS, "bad_reason")
    word = _say_no(context, case, Decided.REVOKED, body)
    context.emit(events.RequestRevoked(*_place(word), context.sender.person, body.reason))


def _say_no(context: Context, case: _Case, status: Decided, body: RejectRequest | RevokeRequest) -> Handling:
    attachments.attach(context, case.entry.name, "decision", body.document)
    word = replace(
        case.word, status=status, reason=body.reason, document=body.document,
        decided_by=(people.sender(context.sender),), time_ms=context.time_ms, height=context.height,
    )  # fmt: skip
    requests.put_handling(context.state, word)
    return word


def _return(context: Context, body: ReturnRequest) -> None:
    context.require_role(STEWARD)
    entry, _, content = require_version(context, body, Status.SUBMITTED)
    words = requests.handlings(context.state, entry.name, entry.version, context.sender.organisation)
    require(bool(words), "not_asked")
    require_disinterested(context, entry, content)
    require(any(word.status is not Decided.APPROVED for word in words), "already_decided")
    require(body.reason in REASONS, "bad_reason")
    attachments.attach(context, entry.name, "decision", body.document)
    requests.put(context.state, replace(entry, status=Status.RETURNED, height=context.height))
    sender = context.sender
    context.emit(events.RequestReturned(entry.name, sender.organisation, sender.person, entry.version, body.reason))


def _vote(context: Context, body: VoteRequest) -> None:
    case = _own_case(context, body)
    require(case.word.status is Decided.WAITING, "already_decided")
    require(body.vote in VOTES, "bad_vote")
    person = people.sender(context.sender)
    place = (case.entry.name, case.entry.version, case.word.organisation, case.word.dataset, person.person)
    _VOTES.put(context.state, Vote(person, body.vote, context.height), *place)
    context.emit(events.RequestVoted(*_place(case.word), person.person, body.vote))


def _add_licences(context: Context, body: AddLicences) -> None:
    case = _own_case(context, body)
    require(case.word.status in (Decided.WAITING, Decided.APPROVED), "already_decided")
    require(bool(body.licences), "bad_list")
    require_digest(*body.licences)
    word = replace(case.word, licences=_joined(case.word.licences, body.licences), height=context.height)
    requests.put_handling(context.state, word)
    context.emit(events.LicencesAdded(*_place(word), context.sender.person))


def _joined(known: tuple[bytes, ...], more: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """All terms in order, each once; refuse `too_many_licences`."""
    joined = tuple(sorted({*known, *more}))
    require(len(joined) <= LICENCES_MAX, "too_many_licences")
    return joined


def _set_processing(context: Context, body: SetProcessing) -> None:
    case = _case(context, body)
    require(body.processing in PROCESSING, "bad_processing")
    word = replace(case.word, processing=body.processing, height=context.height)
    requests.put_handling(context.state, word)
    context.emit(events.ProcessingChanged(*_place(word), context.sender.person, body.processing))


def _place(word: Handling) -> tuple[str, str, str, int]:
    return word.request, word.organisation, word.dataset, word.version


HANDLERS = {
    ApproveRequest: _approve,
    RejectRequest: _reject,
    ReturnRequest: _return,
    RevokeRequest: _revoke,
    VoteRequest: _vote,
    AddLicences: _add_licences,
    SetProcessing: _set_processing,
}
