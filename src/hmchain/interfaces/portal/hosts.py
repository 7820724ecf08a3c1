"""A portal of this machine answers its own user, under this machine's own names.

A site that points its name here gets nothing, nor has a page of one any work done, and no more does who else works on
this machine: a port of loopback has no mode, as files have that others must not read.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hmchain.interfaces.api.one_origin import SAFE
from hmchain.interfaces.portal.review.neighbours import is_others

_NAMES = ("localhost", "127.0.0.1", "[::1]")


class OwnNames:
    """An application that nobody reaches by another name (DNS rebinding), nor from another user's program."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._hosts = app, {f"{name}:{port}" for name in _NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if (refusal := self._refusal(scope)) is not None:
            status, words = refusal
            await PlainTextResponse(f"{words}\n", status)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if scope["type"] != "http":
            return None
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._hosts:
            return 421, "this portal has another name"
        origin, fetched = headers.get("origin", "").lower(), headers.get("sec-fetch-site")
        is_own = origin.removeprefix("http://") in self._hosts | {""} and fetched in (None, "same-origin", "none")
        if scope["method"] not in SAFE and not is_own:
            return 403, "another site's page asks for this"
        client, server = scope.get("client"), scope.get("server")
        if client and server and is_others(tuple(client), tuple(server)):
            return 403, "this portal is for the user of this machine who opened it"
        return None
