"""Who may ask: the one browser that was given the token, and no page of anybody else's in it.

The token opens the gate once. The browser that brings it gets a cookie in exchange, for a path that nobody can guess:
browsers send cookies to every port of a machine, but to that path on no other. A name in the Host header that is not
ours is another site's that points here (DNS rebinding); what changes something must come from our own page (Origin).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Protocol

from hmchain.interfaces.portal.review.exchange import Request, Response, go_to
from hmchain.keys import Redacted

COOKIE = "hmchain_portal"
_TRIES_MAX = 20
"""After so many wrong tokens nobody gets in any more."""


class Door(Protocol):
    """Whoever tells which requests are those of a person who may decide."""

    root: str
    """What all paths begin with."""

    def enter(self, request: Request) -> Response | None:
        """The way in, if a request asks for it."""

    def path(self, request: Request) -> str | None:
        """The path below the root, if the request is of somebody who may; else None."""


class Gate(Redacted):
    """Keeps a portal on this machine for one person. Threads may share it if calls do not overlap."""

    def __init__(self, authority: str, tried: Callable[[bool], None] = lambda let_in: None) -> None:
        """`authority` is the name and port that the portal listens on, as browsers write it.

        `tried` is told of each attempt to open it, and whether that let somebody in.
        """
        self.authority, self._tried = authority, tried
        self._token = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self.root = f"/{secrets.token_urlsafe(16)}/"
        """What all paths begin with."""
        self._is_open = True
        self._tries = 0

    @property
    def origin(self) -> str:
        """The portal's own origin."""
        return f"http://{self.authority}"

    @property
    def address(self) -> str:
        """The address that opens the portal once."""
        return f"{self.origin}/enter/{self._token}"

    def enter(self, request: Request) -> Response | None:
        """Exchange the token for a cookie; None if this is no way in, or it is closed."""
        kind, _, token = request.path.strip("/").partition("/")
        if kind != "enter" or request.method != "GET" or not self._is_open or not self._is_ours(request):
            return None
        if not _same(token, self._token):
            self._tries += 1
            self._is_open = self._tries < _TRIES_MAX
            self._tried(False)
            return None
        self._is_open = False
        self._tried(True)
        kept = f"{COOKIE}={self._session}; Path={self.root}; HttpOnly; SameSite=Strict"
        return go_to(self.root, {"Set-Cookie": kept})

    def path(self, request: Request) -> str | None:
        """The path below the root, if the request is that of the browser that was let in; else None."""
        if not self._is_ours(request) or not request.path.startswith(self.root):
            return None
        if not _same(_cookie(request), self._session):
            return None
        if request.method not in ("GET", "HEAD") and request.header("origin") != self.origin:
            return None
        return request.path.removeprefix(self.root)

    def _is_ours(self, request: Request) -> bool:
        fetched = request.header("sec-fetch-site")
        return request.header("host") == self.authority and fetched in ("", "none", "same-origin")


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.header("cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
