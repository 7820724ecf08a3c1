"""A portal of this machine answers under this machine's own names: a site that points its name here gets nothing."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMES = ("localhost", "127.0.0.1", "[::1]")


class OwnNames:
    """An application that nobody reaches by another name (DNS rebinding)."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._hosts = app, {f"{name}:{port}" for name in _NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and Headers(scope=scope).get("host", "").lower() not in self._hosts:
            await PlainTextResponse("this portal has another name\n", 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)
