"""What people do with a request: each runs the service that the command runs, and leads to the signature."""

from __future__ import annotations

from collections.abc import Callable

from hmchain.application.governance import studies
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import applying, decisions, reading
from hmchain.application.governance.requests.documents import TEXT_CHARACTERS_MAX, DocumentError
from hmchain.clock import DAY_MS
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.pages.numbers import whole
from hmchain.interfaces.portal.pages.requests.rules import APPLY, DECIDE, SPEAK
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.ledger.readers.requests import RequestView

DAYS_MAX = 3650

pages = Pages()


def _done(call: Call, name: str, act: Callable[[LedgerUser, RequestView], object], said: str) -> Next:
    with call.user() as user:
        act(user, applying.view(user, name))
    return Next(at("requests", name), said)


def _decided(
    call: Call, name: str, fields: Fields, act: Callable[[LedgerUser, RequestView], object], said: str
) -> Next:
    """Do something with the version that was read, which the form names: it may have changed since the page came."""
    version = whole("version", fields.text("version"))
    return _done(call, name, lambda user, shown: act(user, decisions.as_read(shown, version)), said)


def _letter(fields: Fields) -> str:
    text = fields.text("letter").replace("\r\n", "\n")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise DocumentError("that is too long", f"at most {TEXT_CHARACTERS_MAX} characters: attach a file")
    return text


def _days(fields: Fields) -> int | None:
    text = fields.text("days").strip()
    return whole("days", text, 1, DAYS_MAX) if text else None


@pages.do("/requests/{name}/approve", DECIDE)
def approve(call: Call, name: str, fields: Fields) -> Next:
    """Allow what is asked of this hospital, dataset by dataset."""
    days, dataset = _days(fields), fields.text("dataset")

    def act(user: LedgerUser, shown: RequestView) -> None:
        if fields.text("unread") != "yes":
            reading.require_read(reading.in_words(call.papers, user.ledger.chain_id, user.state, shown))
        until = None
        if days is not None:
            words = decisions.own_words(shown, user.organisation, dataset, "waiting")
            longest = (decisions.longest_ms(user, shown, word.dataset) for word in words)
            until = min(user.ledger.now_ms() + days * DAY_MS, *longest)
        decisions.approve(user, shown, until, dataset)

    return _decided(call, name, fields, act, say("You allowed it."))


@pages.do("/requests/{name}/reject", DECIDE)
def reject(call: Call, name: str, fields: Fields) -> Next:
    """Say no to this version."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        decisions.reject(user, call.papers, shown, fields.text("reason"), _letter(fields), fields.text("dataset"))

    return _decided(call, name, fields, act, say("You said no."))


@pages.do("/requests/{name}/return", DECIDE)
def give_back(call: Call, name: str, fields: Fields) -> Next:
    """Give it back to be changed."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        decisions.return_(user, call.papers, shown, fields.text("reason"), _letter(fields))

    return _decided(call, name, fields, act, say("It is with who asked again."))


@pages.do("/requests/{name}/revoke", DECIDE)
def revoke(call: Call, name: str, fields: Fields) -> Next:
    """Take a yes back for good."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        decisions.revoke(user, call.papers, shown, fields.text("reason"), _letter(fields), fields.text("dataset"))

    return _decided(call, name, fields, act, say("Nothing more of this hospital is used for it."))


@pages.do("/requests/{name}/vote", DECIDE)
def vote(call: Call, name: str, fields: Fields) -> Next:
    """Say what one thinks to those who decide."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        decisions.vote(user, shown, fields.text("said"), fields.text("dataset"))

    return _decided(call, name, fields, act, say("Your vote stands beside it."))


@pages.do("/requests/{name}/ask", DECIDE)
def ask(call: Call, name: str, fields: Fields) -> Next:
    """Ask a person for a review, or for advice."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        person = applying.person_named(fields.text("person").strip(), user.organisation)
        decisions.ask(user, shown, person, _deed(fields))

    return _decided(call, name, fields, act, say("Asked."))


@pages.do("/requests/{name}/answer", SPEAK)
def answer(call: Call, name: str, fields: Fields) -> Next:
    """Give the review, or the advice, that one was asked for."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        said, hospital = fields.text("said"), fields.text("hospital")
        decisions.answer(user, call.papers, shown, said, _deed(fields), _letter(fields), hospital)

    return _decided(call, name, fields, act, say("Your word stands beside it."))


@pages.do("/requests/{name}/comment", SPEAK)
def comment(call: Call, name: str, fields: Fields) -> Next:
    """Write something beside a request."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        decisions.comment(user, call.papers, name, _letter(fields), private=fields.text("private") == "yes")

    return _done(call, name, act, say("It stands beside the request."))


@pages.do("/requests/{name}/begin", APPLY)
def begin(call: Call, name: str, fields: Fields) -> Next:
    """Propose the study that a request asked for, with the hospitals that allowed it."""
    with call.user() as user:
        studies.propose_allowed(user, name)
    return Next(at("studies", name), say("The study begins once its hospitals have joined."))


@pages.do("/requests/{name}/hand-in", APPLY)
def hand_in(call: Call, name: str, fields: Fields) -> Next:
    """Submit a draft as the ledger has it."""
    return _done(call, name, lambda user, shown: applying.hand_in(user, name), say("It is before the hospitals."))


@pages.do("/requests/{name}/take-back", APPLY)
def take_back(call: Call, name: str, fields: Fields) -> Next:
    """Go over a submitted request again."""
    return _done(call, name, lambda user, shown: applying.take_back(user, name), say("It is yours to change."))


@pages.do("/requests/{name}/close", SPEAK)
def close(call: Call, name: str, fields: Fields) -> Next:
    """End a request and all that it allows."""
    reason = fields.text("reason")
    return _done(call, name, lambda user, shown: applying.close(user, name, reason), say("It is closed."))


@pages.do("/requests/{name}/forget", APPLY)
def forget(call: Call, name: str, fields: Fields) -> Next:
    """Forget a draft."""
    with call.user() as user:
        applying.delete(user, name)
    return Next("/requests", say("The draft is forgotten."))


@pages.do("/requests/{name}/invite", APPLY)
def invite(call: Call, name: str, fields: Fields) -> Next:
    """Ask a person to take part."""

    def act(user: LedgerUser, shown: RequestView) -> None:
        applying.invite(user, name, applying.person_named(fields.text("person").strip(), user.organisation))

    return _done(call, name, act, say("Invited."))


@pages.do("/requests/{name}/join", APPLY)
def join(call: Call, name: str, fields: Fields) -> Next:
    """Take part, as one was invited to."""
    return _done(call, name, lambda user, shown: applying.join(user, name), say("You take part."))


def _deed(fields: Fields) -> str:
    deed = fields.text("deed", decisions.REVIEW)
    applying.require_code(deed, decisions.ANSWERS, "thing to ask for")
    return deed
