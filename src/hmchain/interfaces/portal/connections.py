"""Connections of a portal: who connects says soon what is wanted and sends it in time, and makes room for others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import h11
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from hmchain.application.access.throttle import of_address


class Prompt(H11Protocol):
    """A connection that is closed where a request takes too long, byte by byte or not at all.

    Where there are too many, the one that has waited longest for its client is closed, of whoever has most of them:
    half a request, or an answer that nobody reads, keeps nobody else out.
    """

    head_seconds = 30.0
    """Within so much time the head of a request is there."""
    body_seconds, body_bytes_min = 30.0, 240_000
    """In each such time so much of a body comes, or the end of it."""
    connections_max = 1000
    whose = ""
    """The address, or network, that it comes from."""
    since = 0.0
    _late: asyncio.TimerHandle | None = None
    _came = 0
    _is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.whose, self.since = of_address(self.client[0] if self.client else ""), self.loop.time()
        self._wait()
        if len(self.connections) > self.connections_max:
            _in_the_way(each for each in self.connections if isinstance(each, Prompt)).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._came += len(data)
            if not self._is_in_body:
                self._wait_no_more()
                self._is_in_body = True
                self._late = self.loop.call_later(self.body_seconds, self._see_to_pace)
        elif self._is_in_body or state is not h11.IDLE:
            self._wait_no_more()
        elif self._late is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._wait_no_more()
        super().connection_lost(exc)

    @property
    def waits_for_client(self) -> bool:
        """Whether nothing goes on before its client says or reads more."""
        return self.conn.their_state is not h11.DONE or self.transport.get_write_buffer_size() > 0

    def _wait(self) -> None:
        self._late = self.loop.call_later(self.head_seconds, self.timeout_keep_alive_handler)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._is_in_body, self._came = False, 0

    def _see_to_pace(self) -> None:
        """Close a connection whose sender is slow; not one that has to wait for us."""
        if self._came < self.body_bytes_min and not self.flow.read_paused:
            self.transport.close()
            return
        self._came = 0
        self._late = self.loop.call_later(self.body_seconds, self._see_to_pace)


def _in_the_way(connections: Iterable[Prompt]) -> Prompt:
    """The connection that makes room: if none waits for its client, the last one."""
    known = [each for each in connections if not each.transport.is_closing()]
    held = Counter(each.whose for each in known)
    waiting = [each for each in known if each.waits_for_client]
    if not waiting:
        return max(known, key=lambda each: each.since)
    return min(waiting, key=lambda each: (-held[each.whose], each.since))


class OneLength:
    """An application that no request reaches whose end is said twice: a proxy before it may see another end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one with two ends is refused, and the connection closed (RFC 9112, 6.1)."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "transfer-encoding" in headers and "content-length" in headers:
                refusal = PlainTextResponse("this says its length twice\n", 400, {"Connection": "close"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
