"""Views as responses: JSON as `--json` prints it, with an entity tag by which a client asks whether it has changed."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hmchain.plain import plain

TAG_DIGITS = 32


def answered(request: Request, view: Any, status: int = 200) -> Response:
    """A view as a response; without its body where whoever reads has it already (RFC 9110, 13.1.2)."""
    content = msgspec.json.encode(plain(view))
    headers = {"Cache-Control": "private, no-cache"}
    if request.method in ("GET", "HEAD") and status == 200:
        headers["ETag"] = tag = f'"{hashlib.sha256(content).hexdigest()[:TAG_DIGITS]}"'
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
    return Response(content, status, headers, "application/json")


def file(content: bytes, name: str, media: str = "application/octet-stream") -> Response:
    """A file for the reader to keep. A stranger may have chosen what is in it: no browser opens it as a page of ours.

    `name` is ours, of letters that a header may have.
    """
    headers = {
        "Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f'attachment; filename="{name}"',
    }  # fmt: skip
    return Response(content, 200, headers, media)


def _has(given: str, tag: str) -> bool:
    return given.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in given.split(","))
