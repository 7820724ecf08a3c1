"""Requests for data, as a hospital's people decide on them, and what they say and confirm beside it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import applying, decisions, duties, licences, reading
from hmchain.application.governance.requests.decisions import ADVICE, REVIEW
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, file_document
from hmchain.application.governance.requests.licences import PutTerms
from hmchain.clock import DAY_MS
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Code, DatasetName, Hash, Name, Nothing, Text, one_of
from hmchain.interfaces.api.routes.own_requests import PersonName
from hmchain.interfaces.api.routes.requests import routes
from hmchain.interfaces.api.routing import Upload
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.readers.requests import RequestView

DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
SAY = Rule(Operation.ASK, Scope.HOSPITAL)
"""In any role: the ledger knows who was asked for a word, and who takes part."""
SHOW = Rule(Operation.ASK, Scope.HOSPITAL, (SCIENTIST,))

Duty = Annotated[
    str, Path(pattern="^(delete|publish|report|return)$", description="delete, publish, report or return.")
]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was read before deciding."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The version; where it is given, another one is not decided on."""
    dataset: DatasetName = ""
    """One of the datasets asked of this hospital; all if it is empty."""


class RequestApproval(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A yes."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    """So long it holds; as long as can be, if it is left out."""
    unread: bool = False
    """Also where nobody here can read what the request says of itself."""


class RequestNo(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A no, or a way back."""

    reason: Annotated[Code, one_of(decisions.REASONS)]
    letter: Text = ""
    """To the applicant, sealed."""


class ApprovalRevoked(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A yes taken back."""

    reason: Annotated[Code, one_of(decisions.REVOKE_REASONS)]
    letter: Text = ""
    """To the applicant, sealed."""


class RequestVote(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one thinks."""

    said: Annotated[Code, one_of(decisions.VOTES)]


class RequestState(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far this hospital is."""

    said: Annotated[Code, one_of(filter(None, decisions.PROCESSING))]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is asked for a word."""

    person: PersonName
    advice: bool = False
    """What to decide, in the place of a review."""


class RequestAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What answers whoever asked."""

    letter: Text = ""
    hospital: DatasetName = ""
    """That asked, where several did."""


class ReviewGiven(RequestAnswer, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A review that was asked for."""

    said: Annotated[Code, one_of(decisions.ANSWERS[REVIEW])]


class AdviceGiven(RequestAnswer, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Advice that was asked for."""

    said: Annotated[Code, one_of(decisions.ANSWERS[ADVICE])]


class Comment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something beside a request."""

    text: Text
    private: bool = False
    """For one's own organisation alone."""


class MoreTerms(Seen, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Terms to accept, by their digests."""

    terms: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=32)]


class OutsideNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number under which an office outside has a request; empty for none any more."""

    number: DatasetName


class OfDuty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which dataset, and what is to be said."""

    dataset: DatasetName = ""
    letter: Text = ""


def _seen(user: LedgerUser, name: str, body: Seen) -> RequestView:
    """The request as it is now, if that is what was read. Raises `OtherVersionError`."""
    shown = applying.view(user, name)
    return shown if body.version is None else decisions.as_read(shown, body.version)


@routes.post("/requests/{name}/approval", DECIDE, signs=True, commands=("request approve",),
             example=RequestApproval(version=1, days=90))  # fmt: skip
def approve_request(call: Call, name: Name, body: RequestApproval) -> RequestView:
    """Allow what a request asks of this hospital, and nothing else, until a day.

    Where the hospital's policy asks for several persons, the last one's yes allows it.
    """
    with call.user() as user:
        shown = _seen(user, name, body)
        if not body.unread:
            reading.require_read(reading.in_words(call.papers, user.ledger.chain_id, user.state, shown))
        until_ms = None if body.days is None else user.ledger.now_ms() + body.days * DAY_MS
        return decisions.approve(user, shown, until_ms, body.dataset)


@routes.post("/requests/{name}/rejection", DECIDE, signs=True, commands=("request reject",),
             example=RequestNo(version=1, reason="ethics", letter="The letter is of another study."))  # fmt: skip
def reject_request(call: Call, name: Name, body: RequestNo) -> RequestView:
    """Say no to this version of a request. The other hospitals decide for themselves."""
    with call.user() as user:
        return decisions.reject(user, call.papers, _seen(user, name, body), body.reason, body.letter, body.dataset)


@routes.post("/requests/{name}/return", DECIDE, signs=True, commands=("request return",),
             example=RequestNo(version=1, reason="incomplete", letter="When does it end?"))  # fmt: skip
def return_request(call: Call, name: Name, body: RequestNo) -> RequestView:
    """Give a request back to be changed, for all hospitals; a letter says what is to be changed."""
    with call.user() as user:
        return decisions.return_(user, call.papers, _seen(user, name, body), body.reason, body.letter)


@routes.post("/requests/{name}/revocation", DECIDE, signs=True, commands=("request revoke",),
             example=ApprovalRevoked(reason="consent"))  # fmt: skip
def revoke_request(call: Call, name: Name, body: ApprovalRevoked) -> RequestView:
    """Take a yes back for good, from the next step of whatever runs. What was made before stays made."""
    with call.user() as user:
        return decisions.revoke(user, call.papers, _seen(user, name, body), body.reason, body.letter, body.dataset)


@routes.post("/requests/{name}/vote", DECIDE, signs=True, commands=("request vote",),
             example=RequestVote(said="accept"))  # fmt: skip
def vote_on_request(call: Call, name: Name, body: RequestVote) -> RequestView:
    """Say what one thinks to those who decide: accept, reject or abstain. It decides nothing."""
    with call.user() as user:
        return decisions.vote(user, _seen(user, name, body), body.said, body.dataset)


@routes.post("/requests/{name}/state", DECIDE, signs=True, commands=("request state",),
             example=RequestState(said="in-ethics"))  # fmt: skip
def set_request_state(call: Call, name: Name, body: RequestState) -> RequestView:
    """Say how far this hospital is: received, in-ethics, in-protection, in-code, in-committee, ready, ..."""
    with call.user() as user:
        return decisions.set_processing(user, _seen(user, name, body), body.said, body.dataset)


@routes.post("/requests/{name}/calls", DECIDE, signs=True, commands=("request ask",), example=Asked("rita"))
def ask_for_word(call: Call, name: Name, body: Asked) -> RequestView:
    """Ask a reviewer for a review, or a steward what to decide; those of other members may accept."""
    with call.user() as user:
        person = applying.person_named(body.person, user.organisation)
        return decisions.ask(user, applying.view(user, name), person, ADVICE if body.advice else REVIEW)


@routes.post("/requests/{name}/reviews", SAY, signs=True, commands=("request review",),
             example=ReviewGiven(said="favourable", letter="Sound."))  # fmt: skip
def review_request(call: Call, name: Name, body: ReviewGiven) -> RequestView:
    """Give the review that one was asked for: favourable, unfavourable or no-view."""
    return _answered(call, name, body, body.said, REVIEW)


@routes.post("/requests/{name}/advice", SAY, signs=True, commands=("request decide",),
             example=AdviceGiven(said="approve"))  # fmt: skip
def advise_on_request(call: Call, name: Name, body: AdviceGiven) -> RequestView:
    """Say what to decide, as one was asked: approve or reject. The hospital's own stewards decide."""
    return _answered(call, name, body, body.said, ADVICE)


def _answered(call: Call, name: str, body: RequestAnswer, said: str, deed: str) -> RequestView:
    with call.user() as user:
        shown = applying.view(user, name)
        return decisions.answer(user, call.papers, shown, said, deed, body.letter, body.hospital)


@routes.post("/requests/{name}/comments", SAY, signs=True, commands=("request comment",),
             example=Comment("Which scanners?"))  # fmt: skip
def comment_on_request(call: Call, name: Name, body: Comment) -> RequestView:
    """Write something beside a request: for all who take part, or for one's own organisation. It decides nothing."""
    with call.user() as user:
        return decisions.comment(user, call.papers, name, body.text, private=body.private)


@routes.post("/terms", DECIDE, commands=("request licences", "policy set"), bytes_max=FILE_BYTES_MAX)
def put_terms(call: Call, upload: Upload) -> PutTerms:
    """Put a file of terms where all members read it, in clear: its digest is what a policy or a request names."""
    return licences.put_file(call.objects, file_document(upload.path))


@routes.post("/requests/{name}/terms", DECIDE, signs=True, commands=("request licences",),
             example=MoreTerms(terms=("00" * 32,)))  # fmt: skip
def add_terms(call: Call, name: Name, body: MoreTerms) -> RequestView:
    """Ask that applicant and members accept more terms than the policy's; until then nothing is allowed."""
    with call.user() as user:
        return decisions.add_licences(user, _seen(user, name, body), map(bytes.fromhex, body.terms), body.dataset)


@routes.post("/requests/{name}/outside", DECIDE, signs=True, commands=("request outside",),
             example=OutsideNumber("ek-2026-17"))  # fmt: skip
def set_outside_number(call: Call, name: Name, body: OutsideNumber) -> RequestView:
    """Keep the number under which an office outside has a request."""
    with call.user() as user:
        return decisions.assign_external(user, name, body.number)


@routes.post("/requests/{name}/notice", SAY, signs=True, commands=("request notices",), example=Nothing())
def note_expiry(call: Call, name: Name, body: Nothing) -> RequestView:
    """Say on the ledger that the applicant was told of an end that comes near."""
    with call.user() as user:
        return decisions.note_expiry(user, name)


@routes.post("/requests/{name}/duties/{duty}/evidence", SHOW, signs=True, commands=("request fulfil",),
             bytes_max=FILE_BYTES_MAX)  # fmt: skip
def show_duty_done(call: Call, name: Name, duty: Duty, upload: Upload) -> RequestView:
    """Show the hospitals to which it is owed that a duty was done, by a PDF, a text, a PNG or JPEG."""
    with call.user() as user:
        return duties.fulfil(user, call.papers, name, duty, file_document(upload.path))


@routes.post("/requests/{name}/duties/{duty}/confirmation", DECIDE, signs=True, commands=("request confirm",),
             example=OfDuty())  # fmt: skip
def confirm_duty(call: Call, name: Name, duty: Duty, body: OfDuty) -> RequestView:
    """Say for good that what was shown does; nothing of it is owed any more."""
    with call.user() as user:
        return duties.confirm(user, name, duty, body.dataset)


@routes.post("/requests/{name}/duties/{duty}/objection", DECIDE, signs=True, commands=("request contest",),
             example=OfDuty(letter="The paper is not there yet."))  # fmt: skip
def contest_duty(call: Call, name: Name, duty: Duty, body: OfDuty) -> RequestView:
    """Say that what was shown does not do; it is owed as before. A letter says why."""
    with call.user() as user:
        return duties.contest(user, call.papers, name, duty, body.letter, body.dataset)


@routes.post("/requests/{name}/duties/{duty}/waiver", DECIDE, signs=True, commands=("request waive",),
             example=OfDuty())  # fmt: skip
def waive_duty(call: Call, name: Name, duty: Duty, body: OfDuty) -> RequestView:
    """Ask for a duty no more, for good."""
    with call.user() as user:
        return duties.waive(user, name, duty, body.dataset)
