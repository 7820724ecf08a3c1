"""What a hospital's people have done with a request: review and advise, decide, take back, say how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.applying import RequestReasonError, circle, me, require_code, view
from hmchain.application.governance.requests.documents import Documents, readers_of, text_document
from hmchain.errors import StudyError
from hmchain.ledger.contracts.data import applying, deciding, judging, policies, requests, reviewing
from hmchain.ledger.contracts.data.deciding import (
    AddLicences,
    ApproveRequest,
    RejectRequest,
    ReturnRequest,
    RevokeRequest,
    SetProcessing,
    VoteRequest,
)
from hmchain.ledger.contracts.data.requests import Content
from hmchain.ledger.contracts.data.reviewing import (
    AcceptCall,
    AssignExternal,
    Call,
    CallStatus,
    DecideRequest,
    Deed,
    InviteDecider,
    InviteReviewer,
    NoteExpiry,
    RemarkRequest,
    RequestDecision,
    RequestReview,
    ReviewRequest,
)
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers.requests import HospitalWord, RequestView, require_request

REVIEW, ADVICE = Deed.REVIEW.value, Deed.DECIDE.value
"""What a person may be asked for; how the commands are called with which it is given."""
REASONS, REVOKE_REASONS, CLOSE_REASONS = deciding.REASONS, deciding.REVOKE_REASONS, applying.CLOSE_REASONS
"""Why a hospital says no or gives back, why it takes back, and why a request is closed: codes."""
VOTES, PROCESSING = deciding.VOTES, deciding.PROCESSING
ANSWERS = {deed.value: answers for deed, answers in reviewing.ANSWERS.items()}
"""What whoever was asked may say, by what for."""


class NotAskedOfError(StudyError):
    """A request asks nothing of this hospital, or nothing more that could be decided so."""

    code = "request_not_asked"


class NotCalledError(StudyError):
    """Nobody asked this person for a review or a decision on the request's last version."""

    code = "not_asked_for_word"


class OtherVersionError(StudyError):
    """A request is not as somebody saw it who decides on it."""

    code = "request_changed"


# -- deciding ----------------------------------------------------------------------------------------------------------


def as_read(now: RequestView, version: int) -> RequestView:
    """A request as it is now, if this version of it was read. Raises `OtherVersionError`."""
    if version != now.version:
        what = f"{now.request} is at version {now.version}, and version {version} was read"
        raise OtherVersionError(what, "read it again before you decide")
    return now


def approve(user: LedgerUser, shown: RequestView, until_ms: int | None = None, dataset: str = "") -> RequestView:
    """Steward: allow what was `shown`, and nothing else, until a time; as long as can be, where none is given.

    Of all datasets that wait for this hospital, or of one. Where its policy asks for several persons, the last yes
    allows. Raises `NotAskedOfError`, or what a refusal raises.
    """
    mine, bodies = str(me(user)), []
    for word in own_words(shown, user.organisation, dataset, "waiting"):
        needed = policies.current(user.state, user.organisation, word.dataset).approvers
        if mine in word.approvals and len(word.approvals) < needed:
            continue
        until = until_ms if until_ms is not None else longest_ms(user, shown, word.dataset)
        bodies.append(ApproveRequest(shown.request, shown.version, shown.digest, word.dataset, until))
    user.send(*bodies)
    return view(user, shown.request)


def longest_ms(user: LedgerUser, shown: RequestView, dataset: str) -> int:
    """Until when a yes of now may last: no longer than was asked for, and than the policy lets it."""
    policy = policies.current(user.state, user.organisation, dataset)
    return judging.longest_ms(policy, _content(user, shown), user.ledger.now_ms())


def reject(
    user: LedgerUser, papers: Documents, shown: RequestView, reason: str, letter: str = "", dataset: str = ""
) -> RequestView:
    """Steward: say no to this version, for a reason that has a code; a letter to the applicant may say more."""
    require_code(reason, deciding.REASONS, "reason to reject a request")
    words = own_words(shown, user.organisation, dataset, "waiting")
    written = _written(user, papers, shown.request, letter)
    user.send(
        *(RejectRequest(shown.request, shown.version, shown.digest, word.dataset, reason, written) for word in words)
    )
    return view(user, shown.request)


def return_(user: LedgerUser, papers: Documents, shown: RequestView, reason: str, letter: str = "") -> RequestView:
    """Steward: give the request back to be changed; a letter says what."""
    require_code(reason, deciding.REASONS, "reason to return a request")
    own_words(shown, user.organisation)
    written = _written(user, papers, shown.request, letter)
    user.send(ReturnRequest(shown.request, shown.version, shown.digest, reason, written))
    return view(user, shown.request)


def revoke(
    user: LedgerUser, papers: Documents, shown: RequestView, reason: str, letter: str = "", dataset: str = ""
) -> RequestView:
    """Steward: take a yes back for good, from the next step of whatever runs."""
    require_code(reason, deciding.REVOKE_REASONS, "reason to revoke an approval")
    words = own_words(shown, user.organisation, dataset, "approved")
    written = _written(user, papers, shown.request, letter)
    user.send(
        *(RevokeRequest(shown.request, shown.version, shown.digest, word.dataset, reason, written) for word in words)
    )
    return view(user, shown.request)


def vote(user: LedgerUser, shown: RequestView, said: str, dataset: str = "") -> RequestView:
    """Steward: say to those who decide what one thinks; it decides nothing."""
    require_code(said, deciding.VOTES, "vote")
    words = own_words(shown, user.organisation, dataset, "waiting")
    user.send(*(VoteRequest(shown.request, shown.version, shown.digest, word.dataset, said) for word in words))
    return view(user, shown.request)


def add_licences(user: LedgerUser, shown: RequestView, licences: Iterable[bytes], dataset: str = "") -> RequestView:
    """Steward: ask that the applicant and the members accept more terms, by their digests."""
    terms = tuple(sorted(set(licences)))
    words = own_words(shown, user.organisation, dataset, "waiting", "approved")
    user.send(*(AddLicences(shown.request, shown.version, shown.digest, word.dataset, terms) for word in words))
    return view(user, shown.request)


def set_processing(user: LedgerUser, shown: RequestView, code: str, dataset: str = "") -> RequestView:
    """Steward: say how far the hospital is."""
    require_code(code, deciding.PROCESSING, "state of processing")
    words = own_words(shown, user.organisation, dataset)
    user.send(*(SetProcessing(shown.request, shown.version, shown.digest, word.dataset, code) for word in words))
    return view(user, shown.request)


def assign_external(user: LedgerUser, name: str, external: str) -> RequestView:
    """Steward: keep the number that an office outside gave the request; empty for none any more."""
    require_request(user.state, name)
    user.send(AssignExternal(name, external))
    return view(user, name)


def note_expiry(user: LedgerUser, name: str) -> RequestView:
    """Say on the ledger that the applicant was told of an end that comes near."""
    require_request(user.state, name)
    user.send(NoteExpiry(name))
    return view(user, name)


def own_words(shown: RequestView, organisation: str, dataset: str = "", *statuses: str) -> tuple[HospitalWord, ...]:
    """The hospital's words on what it is asked for, on one dataset or all, that stand so. Raises `NotAskedOfError`."""
    words = shown.of(organisation)
    if not words:
        what = f"request {shown.request} asks nothing of {organisation}"
        raise NotAskedOfError(what, "`hmchain request inbox` shows what waits here")
    kept = [word for word in words if word.dataset == (dataset or word.dataset)]
    if not kept:
        named = ", ".join(word.dataset for word in words)
        raise NotAskedOfError(f"request {shown.request} does not ask for {dataset}", f"it asks for {named}")
    found = tuple(word for word in kept if not statuses or word.status in statuses)
    if not found:
        stand = ", ".join(f"{word.dataset} is {word.status}" for word in kept)
        hint = f"{stand}: `hmchain request show {shown.request}` says why"
        raise NotAskedOfError(f"nothing of {shown.request} is {' or '.join(statuses)} here", hint)
    return found


# -- what is said beside it --------------------------------------------------------------------------------------------


def comment(user: LedgerUser, papers: Documents, name: str, text: str, *, private: bool = False) -> RequestView:
    """Write something beside a request: for all who may read it, or for the writer's own organisation alone."""
    require_request(user.state, name)
    user.send(RemarkRequest(name, not private, _written(user, papers, name, text, private=private)))
    return view(user, name)


def remark(user: LedgerUser, papers: Documents, name: str, text: str) -> tuple[RemarkRequest, ...]:
    """What `comment` sends to all who take part, for whoever sends it with something else; nothing for no words."""
    return (RemarkRequest(name, True, _written(user, papers, name, text)),) if text.strip() else ()


def ask(user: LedgerUser, shown: RequestView, person: PersonRef, deed: str) -> RequestView:
    """Steward: ask a person for a review, or what to decide; one of another member is invited, and may accept."""
    own_words(shown, user.organisation)
    own = person.organisation == user.organisation
    if own:
        asking: Callable[..., RequestReview | RequestDecision] = RequestReview if deed == REVIEW else RequestDecision
        user.send(asking(shown.request, shown.version, person.person))
    else:
        inviting: Callable[..., InviteReviewer | InviteDecider] = InviteReviewer if deed == REVIEW else InviteDecider
        user.send(inviting(shown.request, shown.version, person))
    return view(user, shown.request)


def answer(
    user: LedgerUser, papers: Documents, shown: RequestView, said: str, deed: str, text: str = "", hospital: str = ""
) -> RequestView:
    """Give the review, or the advice, that one was asked for; an invitation is accepted with it.

    Raises `NotCalledError`.
    """
    require_code(said, reviewing.ANSWERS[Deed(deed)], "answer")
    call = _call(user, shown, deed, hospital)
    is_invited = call.status is CallStatus.INVITED
    accepted = (AcceptCall(shown.request, shown.version, call.hospital, Deed(deed)),) if is_invited else ()
    written = _written(user, papers, shown.request, text)
    made = ReviewRequest if deed == REVIEW else DecideRequest
    user.send(*accepted, made(shown.request, shown.version, shown.digest, call.hospital, said, written))
    return view(user, shown.request)


def _call(user: LedgerUser, shown: RequestView, deed: str, hospital: str) -> Call:
    person = me(user)
    calls = reviewing.calls(user.state, shown.request, shown.version, hospital)
    found = [call for call in calls if (call.person, call.deed) == (person, deed)]
    waiting = [call for call in found if call.status is not CallStatus.ANSWERED]
    if not found:
        word = "review" if deed == REVIEW else "decide on"
        what = f"nobody asked {person} to {word} version {shown.version} of {shown.request}"
        raise NotCalledError(what, "a steward of a hospital that was asked does: `hmchain request ask NAME PERSON`")
    if len({call.hospital for call in waiting}) > 1:
        named = ", ".join(call.hospital for call in waiting)
        raise RequestReasonError(f"{named} ask you for a word", "say for whom: --hospital NAME")
    return (waiting or found)[0]


def _written(user: LedgerUser, papers: Documents, name: str, text: str, *, private: bool = False) -> bytes:
    """The digest of what was written, sealed to its readers; empty for nothing."""
    if not text.strip():
        return b""
    entry = require_request(user.state, name)
    content = requests.latest(user.state, entry)
    asked = {call.person.organisation for call in reviewing.calls(user.state, name, entry.version)}
    organisations = {user.organisation} if private else circle(user.state, entry, content) | asked
    return papers.put(user.ledger.chain_id, name, text_document(text), readers_of(user.state, organisations))


def _content(user: LedgerUser, shown: RequestView) -> Content:
    content = requests.content(user.state, shown.request, shown.version)
    if content is None:
        raise NotAskedOfError(f"request {shown.request} was not submitted", "its applicant submits it first")
    return content
