"""Every request in the log and in the metrics, under an id that goes back with the answer, and down to what follows."""

from __future__ import annotations

import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hmchain import correlation
from hmchain.application.watching.lines import Happened, Level, LineLog
from hmchain.application.watching.metrics import Metrics

HEADER = "X-Request-Id"
STATE = "request_id"
"""Where the id is for who answers outside of all middleware."""
NO_ROUTE = "none"
PREFIX = "/v1"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SERVER_ERROR = 500


class Logged:
    """ASGI middleware, outside of all others."""

    def __init__(self, app: ASGIApp, log: LineLog, metrics: Metrics) -> None:
        self._app, self._log, self._metrics = app, log, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell of it once it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with correlation.correlated(correlation.accepted(Headers(scope=scope).get(HEADER))) as id:
            await self._passed_on(scope, receive, send, id)

    async def _passed_on(self, scope: Scope, receive: Receive, send: Send, id: str) -> None:
        began, status, seconds = time.perf_counter(), _SERVER_ERROR, 0.0
        scope.setdefault("state", {})[STATE] = id

        async def told(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":  # what follows events is answered for as long as it likes
                status, seconds = message["status"], time.perf_counter() - began
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, told)
        except Exception as error:
            self._log.failed(error, route=_template(scope))
            raise
        finally:
            self._told(scope, status, seconds or time.perf_counter() - began)

    def _told(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _template(scope)
        self._metrics.ended(method, route, status, seconds)
        level = Level.WARNING if status >= _SERVER_ERROR else Level.INFO
        ms = round(seconds * 1000)
        self._log.write(Happened.REQUEST, level, method=method, route=route, status=status, ms=ms)


def _template(scope: Scope) -> str:
    """The template of the route that answered: a path as it was asked for may hold anything."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", NO_ROUTE))
