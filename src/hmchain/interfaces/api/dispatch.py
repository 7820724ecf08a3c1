"""The routes of an application in one table: FastAPI reads one when it is asked for the first time.

To read all of them takes longer than to open a ledger, and to hold each against a path longer than most answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


class Declared:
    """A route as it was declared."""

    def __init__(self, path: str, endpoint: Callable[[], Callable[..., Any]], **more: Any) -> None:
        """`endpoint` makes the function that FastAPI calls; `more` is what `APIRoute` takes."""
        self._path, self._endpoint, self._more = path, endpoint, more
        self._fixed, self._has_parameters = path.partition("{")[0], "{" in path

    def under(self, prefix: str) -> Declared:
        """The same below a path."""
        return Declared(prefix + self._path, self._endpoint, **self._more)

    def may_be(self, path: str) -> bool:
        """Whether a path begins as this one's does; False for all that it cannot be."""
        return path.startswith(self._fixed) if self._has_parameters else path == self._fixed

    @cached_property
    def route(self) -> APIRoute:
        """The route, read now."""
        return APIRoute(self._path, self._endpoint(), response_model=None, **self._more)


class Dispatch(BaseRoute):
    """All routes of an application; the first one that a request is for answers it."""

    def __init__(self, declared: Iterable[Declared]) -> None:
        self._declared = list(declared)

    @property
    def routes(self) -> list[APIRoute]:
        """All of them, read."""
        return [each.route for each in self._declared]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The route for a request; one of another method where there is no better one."""
        partial: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partial
        path: str = scope["path"]
        for each in self._declared:
            if each.may_be(path):
                match, found = each.route.matches(scope)
                if match is Match.FULL:
                    return match, found
                if match is Match.PARTIAL and partial[0] is Match.NONE:
                    partial = match, found
        return partial

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the route that was found answer."""
        await scope["route"].handle(scope, receive, send)
