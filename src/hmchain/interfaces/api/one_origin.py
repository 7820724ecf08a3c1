"""One origin: a portal answers under its own name, and does what its own pages ask for, and no other page in a browser.

A name in the Host header that is not ours is another site's that points here (DNS rebinding). What changes something
comes from no other site's page (Origin, Sec-Fetch-Site), and where a cookie says who asks, it brings along what only
pages of that session know. A program with a token has no cookie, and needs neither.
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hmchain.application.access.challenges import same_text
from hmchain.application.access.settings import PortalSettings
from hmchain.canonical import digest
from hmchain.interfaces.api import problems
from hmchain.interfaces.api.logs import PREFIX
from hmchain.records.sources.http import is_loopback

CSRF_HEADER = "x-csrf"
SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
_BY_ADDRESS = ("/healthz", "/readyz", "/metrics")
"""What programs ask for by whatever name or address; a browser that was led here brings no cookie of ours."""
_COOKIES = "set_cookies"
_BYTES = 32
_MASKED = re.compile(f"[0-9a-f]{{{4 * _BYTES}}}")
_HTTPS_ONLY = "max-age=31536000"


class OneOrigin:
    """An application that is asked under one origin alone."""

    def __init__(self, app: ASGIApp, settings: PortalSettings, organisation: str) -> None:
        self._app, self._settings, self._name = app, settings, cookie_name(settings, organisation)
        url = urlsplit(settings.address)
        self._hosts = {url.netloc}
        if is_loopback(url.hostname or ""):
            port = f":{url.port}" if url.port else ""
            self._hosts |= {f"{host}{port}" for host in ("localhost", "127.0.0.1", "[::1]")}
        self._scheme, self._origins = url.scheme, {f"{url.scheme}://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        self._see_through_proxy(scope, headers)
        state["session"] = secret = _cookie(headers, self._name)
        state["csrf"] = csrf_of(secret)
        state[_COOKIES] = []
        if (wrong := self._wrong(scope, headers, state)) is not None:
            status, what, hint = wrong
            await problems.response(problems.of(status, "foreign_page", what, hint))(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for each in state[_COOKIES]:
                    answer.append("Set-Cookie", each)
                if self._settings.is_https:
                    answer["Strict-Transport-Security"] = _HTTPS_ONLY
            await send(message)

        await self._app(scope, receive, sent)

    def _see_through_proxy(self, scope: Scope, headers: Headers) -> None:
        """People come by our own origin; from where, a proxy that is trusted says, and nobody else."""
        scope["scheme"] = self._scheme
        peer = scope["client"][0] if scope.get("client") else ""
        if peer and peer == self._settings.trusted_proxy:
            lines = headers.getlist("x-forwarded-for")  # some proxies add a line of their own behind the client's
            last = ",".join(lines).rpartition(",")[2].strip()
            scope["client"] = (last or peer, 0)

    def _wrong(self, scope: Scope, headers: Headers, state: dict[str, object]) -> tuple[int, str, str] | None:
        if headers.get("host", "").lower() not in self._hosts and scope["path"] not in _BY_ADDRESS:
            return 421, "this portal has another name", f"it is at {self._settings.address}"
        if scope["method"] in SAFE:
            return None
        origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
        if (origin is not None and origin not in self._origins) or fetched not in (None, "same-origin", "none"):
            return 403, "another site's page asks for this", f"do it at {self._settings.address}"
        known, given = str(state["csrf"]), unmasked(headers.get(CSRF_HEADER, ""))
        is_by_cookie = bool(known) and "authorization" not in headers
        if is_by_cookie and scope["path"].startswith(f"{PREFIX}/") and not same_text(known, given):
            return 403, "this was sent by no page of yours", f"send {CSRF_HEADER.title()} as the page has it"
        return None


def cookie_name(settings: PortalSettings, organisation: str) -> str:
    """The name of the session's cookie: browsers send one to every port of a machine, so each portal has its own."""
    return f"{'__Host-' if settings.is_https else ''}hmchain-{organisation}"


def csrf_of(secret: str) -> str:
    """What only pages of a session know, which follows from its secret; nothing where there is none."""
    return digest("hmchain form of a session", secret.encode()).hex() if secret else ""


def masked(known: str) -> str:
    """What only pages of a session know, in other letters each time: how well a page packs tells nothing of it."""
    raw = bytes.fromhex(known)
    mask = secrets.token_bytes(len(raw))
    return (mask + _mixed(raw, mask)).hex()


def unmasked(given: str) -> str:
    """The same as it was; what was given, where it is not masked."""
    if not _MASKED.fullmatch(given):
        return given
    raw = bytes.fromhex(given)
    return _mixed(raw[:_BYTES], raw[_BYTES:]).hex()


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def cookie(settings: PortalSettings, name: str, value: str, *, seconds: int | None = None, lax: bool = False) -> str:
    """A cookie that no script reads; `lax` for one that another site's answer brings back, none is sent otherwise."""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    secure = "; Secure" if settings.is_https else ""
    return f"{name}={value}; Path=/; HttpOnly; SameSite={'Lax' if lax else 'Strict'}{secure}{age}"


def _cookie(headers: Headers, name: str) -> str:
    """A cookie of ours, whatever others of the same host, or of one above it, are like."""
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(name, "")
