"""A question of a browser, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hmchain.plain import plain

HTML, JSON, PNG, SVG = "text/html; charset=utf-8", "application/json", "image/png", "image/svg+xml"
CSS, JS = "text/css; charset=utf-8", "text/javascript; charset=utf-8"

ISOLATED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""What keeps an answer apart from all other pages: none may hold it, frame it or take it for something else."""
PROTECTED = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    **ISOLATED,
}
"""What every answer says: nothing is kept, nothing runs or loads but the portal's own, no other page may hold it."""


@dataclass(frozen=True)
class Request:
    """What a browser asks."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """By names in lower case."""
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """A header, or nothing."""
        return self.headers.get(name, "")

    def field(self, name: str, default: str = "") -> str:
        """The last value of a form's field."""
        return (self.form.get(name) or [default])[-1]

    def asked(self, name: str, default: str = "") -> str:
        """The last value of what stands after the question mark."""
        return (self.query.get(name) or [default])[-1]


@dataclass(frozen=True)
class Response:
    """What the portal answers."""

    status: int
    body: bytes = b""
    kind: str = HTML
    more: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""

    @property
    def headers(self) -> dict[str, str]:
        """All headers."""
        return {"Content-Type": self.kind, "Content-Length": str(len(self.body)), **PROTECTED, **self.more}


def page(text: str, status: int = 200) -> Response:
    """A page."""
    return Response(status, text.encode())


def values(found: object) -> Response:
    """Values for a script."""
    return Response(200, json.dumps(plain(found)).encode(), JSON)


def go_to(path: str, more: Mapping[str, str] | None = None) -> Response:
    """Have the browser ask for another page instead."""
    return Response(303, more={"Location": path, **(more or {})})
