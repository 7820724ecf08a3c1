"""What no program may decide: what waits, and the pages on which a person looks and decides."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import htpy as h
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import quarantine
from hmchain.application.data.reviewing import Desk
from hmchain.application.pages.markup import table
from hmchain.application.site.keyring import local_key
from hmchain.errors import HMChainError
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty, form, section
from hmchain.interfaces.portal.framing import csrf_of, look_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.steward import two_votes
from hmchain.interfaces.portal.pages.words import may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.review import exchange
from hmchain.interfaces.portal.review.quarantine import QuarantinePages
from hmchain.interfaces.portal.texts import Later, amount, later, of_later, say, say_n, speaking
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.held_filter import HeldFilter

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward", "protection"))
REVIEW = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward", "protection"))
PATH = "/steward/quarantine"
ROOT = f"{PATH}/review/"
IDLE_SECONDS = 30 * 60
_BODY_BYTES_MAX, _FIELDS_MAX = 256 << 10, 2000
_SORTS: dict[str, Later] = {
    "code": later("By reason"), "modality": later("By modality"), "kind": later("By kind"),
    "device": later("By device"), "series": later("By series"), "dataset": later("By dataset"),
}  # fmt: skip
_SHOWN = 10

pages = Pages("steward")


def held(call: Call) -> int:
    """How many items wait for a person; it stands beside every page, so no key file is opened where there is a node."""
    watched = watch.of_app(call.request.app)
    folder = call.folder
    if not call.site.is_read_only:
        return watched.held.of(folder, lambda: watched.local)
    return watched.held.of(folder, lambda: local_key(folder.keys, call.passphrase))


@pages.show(PATH, VIEW, later("Quarantine"), held)
def overview(call: Call) -> Page:
    """What waits, by reason and kind."""
    with call.records() as records:
        found = quarantine.waiting(records, limit=1)
        counts = found.counts or records.catalogue.quarantine.counts(HeldFilter(state=PENDING))
    lead = say("Items that no program may decide about wait here, encrypted, for somebody to look.")
    if not found.total:
        nothing = empty(say("Nothing waits. What is held by the next extraction stands here."))
        open_desk = _begin(call) if _own_desk(call) is not None else None
        return Page(say("Quarantine"), [nothing, open_desk, two_votes.deciders(call)], lead=lead)
    return Page(
        say("Quarantine"),
        [
            h.p[h.b[say_n("{count} item waits for a person.", "{count} items wait for a person.", found.total)]],
            _begin(call),
            two_votes.panel(call, found_desk.desk) if (found_desk := _own_desk(call)) else None,
            two_votes.deciders(call),
            [_counts(of_later(title), counts[name]) for name, title in _SORTS.items() if counts.get(name)],
        ],
        lead=lead,
    )  # fmt: skip


def _begin(call: Call) -> h.Node:
    if not may(call, REVIEW):
        return None
    csrf = csrf_of(call.request)
    if _desks(call.request).find(call.person.name) is not None:
        return [
            h.p[h.a(".button", href=ROOT)[say("Go on with your review")]],
            form(f"{PATH}/leave", csrf, label=say("Close your review"), sends=say("Close your review")),
        ]
    noted = say("Nothing is decided before you press Apply. That you looked is written into this hospital's log.")
    return form(f"{PATH}/begin", csrf, h.p[noted], sends=say("Look, and decide"))


def _own_desk(call: Call) -> _OpenDesk | None:
    """The open desk of whoever looks; nobody has one in a finished run."""
    return None if call.site.is_read_only or call.who is None else _desks(call.request).find(call.person.name)


def _counts(title: str, found: Mapping[str, int]) -> h.Element:
    most = list(found.items())[:_SHOWN]
    rows = [(name or "–", amount(count)) for name, count in most]
    return section(title, table((say("Which"), say("Items")), rows, caption=title))


# -- the desk ----------------------------------------------------------------------------------------------------------


@dataclass
class _OpenDesk:
    """The desk of somebody who reviews, and the door to its pages, which the session keeps."""

    desk: Desk
    root: str = ROOT
    used: float = field(default_factory=time.monotonic)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pages = QuarantinePages(self.desk, self, PATH)

    def enter(self, request: exchange.Request) -> exchange.Response | None:
        """No way in of its own."""
        return None

    def path(self, request: exchange.Request) -> str | None:
        """The path below the root: who may ask was seen to."""
        return request.path.removeprefix(self.root) if request.path.startswith(self.root) else None

    def answer(self, request: exchange.Request) -> exchange.Response:
        """Answer one request, and no other meanwhile."""
        with self.turn:
            self.used = time.monotonic()
            return self._pages.answer(request)

    def close(self) -> None:
        """Wait for what is being decided, and close it."""
        with self.turn:
            self.desk.__exit__(None, None, None)


class Desks:
    """The desks that are open, one a person; one that nobody sits at is closed."""

    def __init__(self) -> None:
        self._open: dict[str, _OpenDesk] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def open(self, call: Call) -> _OpenDesk:
        """The desk of whoever asks; a new one where there is none. Raises as `reviewers` and `read_records`."""
        with self._lock:
            self._close(lambda each: time.monotonic() - each.used > IDLE_SECONDS)
            found = self._open.get(call.person.name)
            if found is None:
                who = quarantine.reviewers(call.folder, call.person.name)
                desk = Desk(call.folder, call.passphrase, who, HeldFilter(state=PENDING))
                self._open[call.person.name] = found = _OpenDesk(desk)
            return found

    def find(self, person: str) -> _OpenDesk | None:
        """The open desk of a person."""
        with self._lock:
            return self._open.get(person)

    def leave(self, person: str) -> None:
        """Close a person's desk."""
        with self._lock:
            found = self._open.pop(person, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            self._close(lambda each: True)

    def _close(self, over: Callable[[_OpenDesk], bool]) -> None:
        for person in [person for person, each in self._open.items() if over(each)]:
            with suppress(HMChainError):
                self._open.pop(person).close()


def _desks(request: Request) -> Desks:
    state = request.app.state
    if not hasattr(state, "desks"):
        state.desks = Desks()
    found: Desks = state.desks
    return found


@pages.do(f"{PATH}/begin", REVIEW)
def begin(call: Call, fields: Fields) -> Next:
    """Sit down at the desk."""
    _desks(call.request).open(call)
    return Next(ROOT)


@pages.do(f"{PATH}/leave", REVIEW)
def leave(call: Call, fields: Fields) -> Next:
    """Get up."""
    _desks(call.request).leave(call.person.name)
    return Next(PATH, say("Your review is closed. Marks that you did not apply are kept."))


@pages.do(f"{PATH}/sign", REVIEW)
def sign(call: Call, fields: Fields) -> Next:
    """Make decisions of all marks, with what was signed in the browser."""
    found = _own_desk(call)
    if found is None:
        return Next(PATH)
    two_votes.decide(call, found.desk, fields)
    return Next(ROOT)


@pages.carry(f"{ROOT}{{path:path}}", REVIEW)
async def review(request: Request) -> Response:
    """The review's own pages."""
    call: Call = request.state.call
    asked = await _asked(request)
    await run_in_threadpool(call.require_still)  # a form may come slowly
    found = _desks(request).find(call.person.name)
    if found is None:
        return RedirectResponse(PATH, 303)
    with speaking(look_of(request).language):
        answer = await run_in_threadpool(found.answer, asked)
    return Response(answer.body, answer.status, answer.headers)


async def _asked(request: Request) -> exchange.Request:
    """A request as the review's pages take it."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES_MAX:
            return exchange.Request(request.method, "")
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        form = {}
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    headers = {name.lower(): value for name, value in request.headers.items()}
    return exchange.Request(request.method, request.url.path, headers, query, form)
