"""What happens on the ledger, as it happens: server-sent events that go on where a reader was cut off."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import msgspec
from fastapi import Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node.live import Happened, Place
from hmchain.errors import HMChainError, InputError
from hmchain.interfaces.api import problems
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes
from hmchain.plain import plain

VIEW = Rule(Operation.VIEW, Scope.NETWORK)

EACH_MAX, ALL_MAX = 8, 400
"""Open streams of one person, and of all."""
HEARTBEAT_SECONDS = 15.0
"""Something is sent so often, so that nobody takes silence for a cut; who may not see any more is cut off then."""
RETRY_MS = 3000
PART = 500
_PLACE = "([0-9]{1,16})-([0-9]{1,10})"

routes = Routes("events")

Since = Annotated[
    str,
    Query(alias="after", pattern=f"^({_PLACE})?$", description="Go on after this id; from now on if left out."),
]
Last = Annotated[str, Header(alias="Last-Event-ID", max_length=32, description="The same, as browsers send it.")]
_open: Counter[str] = Counter()
_counting = threading.Lock()


class TooManyStreamsError(InputError):
    """Somebody follows the ledger many times over already."""

    code = "too_many_streams"


@routes.get("/events", VIEW, answer="text/event-stream")
def follow_events(call: Call, after: Since = "", last: Last = "") -> Response:
    """Events of the ledger in order, each with the id `HEIGHT-NUMBER` after which a reader goes on."""
    found = re.fullmatch(_PLACE, last or after)
    place = Place(int(found[1]), int(found[2])) if found else None
    return _Followed(call, place)


class _Followed(StreamingResponse):
    """A stream, which holds its place from before it begins until it has ended."""

    def __init__(self, call: Call, place: Place | None) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_stream(call, place), media_type="text/event-stream", headers=headers)
        self._held = ExitStack()
        self._held.enter_context(_counted(call.person.name))

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


async def _stream(call: Call, place: Place | None) -> AsyncIterator[bytes]:
    live, woken, loop = call.site.live, asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(woken.set)

    with live.listening(wake):
        yield f"retry: {RETRY_MS}\n\n".encode()
        while await run_in_threadpool(_may_see, call):
            woken.clear()
            try:
                found = await run_in_threadpool(live.events, place, PART)
            except HMChainError as error:
                yield _sent("problem", "", problems.problem(error))
                return
            for each in found.events:
                yield _happened(each)
            if place == found.until or not found.events:
                yield f"id: {found.until.height}-{found.until.index}\n: here\n\n".encode()
            place, is_all = found.until, len(found.events) < PART
            if is_all and place.height >= live.height:
                await _woken(woken)


async def _woken(woken: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(woken.wait(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return


def _may_see(call: Call) -> bool:
    """Whether who began to read is signed in still, and may look."""
    if call.site.ending.is_set():
        return False
    try:
        call.require_still()
    except HMChainError:
        return False
    return True


def _happened(each: Happened) -> bytes:
    place = f"{each.place.height}-{each.place.index}"
    told = {"height": each.place.height, "time_ms": each.time_ms, **plain(each.event)}
    return _sent(str(each.event.__struct_config__.tag), place, told)


def _sent(kind: str, place: str, value: object) -> bytes:
    """An event as a stream has it; JSON has no line breaks in it."""
    named = f"id: {place}\n" if place else ""
    return f"{named}event: {kind}\ndata: {msgspec.json.encode(value).decode()}\n\n".encode()


@contextmanager
def _counted(person: str) -> Iterator[None]:
    """Hold a place; looked at and taken in one step, since several ask at once."""
    with _counting:
        if _open[person] >= EACH_MAX or _open.total() >= ALL_MAX:
            raise TooManyStreamsError("so many follow the ledger already", "close a window, and try again")
        _open[person] += 1
    try:
        yield
    finally:
        with _counting:
            _open[person] -= 1
            if not _open[person]:
                del _open[person]
