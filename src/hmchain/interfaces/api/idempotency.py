"""Writes that are asked for twice and done once: a client that lost the answer asks again with the same key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hmchain.application.access.permissions import Scope
from hmchain.application.jobs.answers import Answer
from hmchain.errors import InputError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.uploads import Upload
from hmchain.plain import plain

HEADER = "Idempotency-Key"
AGAIN = "Idempotent-Replayed"
KEY = "[A-Za-z0-9_-]{1,64}"
_JSON = "application/json"


class BadKeyError(InputError):
    """A key is of other letters, or too long."""

    code = "bad_key"


def takes_key(method: str, scope: Scope, is_private: bool) -> bool:
    """Whether a route keeps its answers by keys."""
    return scope in (Scope.HOSPITAL, Scope.NETWORK) and not is_private and method != "GET"


def once(
    request: Request, scope: Scope, is_private: bool, given: Mapping[str, Any], make: Callable[[], Response]
) -> Response:
    """The answer to a write, made now, or given before to the same person for the same request and key.

    Nothing is kept of sessions, tokens and one's own keys (`own`, `public`), of what is `private`, and of reads. Raises
    `BadKeyError`, and what `Answers.once` raises.
    """
    call: Call = request.state.call
    key = request.headers.get(HEADER)
    if key is None or not takes_key(request.method, scope, is_private):
        return make()
    if not re.fullmatch(KEY, key):
        raise BadKeyError(f"{HEADER} is no key", "1 to 64 letters of A-Z, a-z, 0-9, - and _, new for each request")
    if call.who is None or call.site.is_read_only:
        return make()
    made: list[Response] = []

    def answer() -> Answer:
        made.append(make())
        return Answer(made[0].status_code, bytes(made[0].body))

    found = call.site.answers.once(call.who.name, key, _asked(request, given), answer)
    if made:
        return made[0]
    headers = {"Cache-Control": "private, no-cache", AGAIN: "true"}
    return Response(found.content, found.status, headers, _JSON)


def _asked(request: Request, given: Mapping[str, Any]) -> bytes:
    """The digest of all that is asked for."""
    whole = hashlib.sha256(f"{request.method} {request.url.path}\n{request.url.query}\n".encode())
    for name, value in sorted(given.items()):
        if isinstance(value, Upload):
            with value.path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        elif isinstance(value, msgspec.Struct):
            whole.update(name.encode() + msgspec.json.encode(plain(value)))
    return whole.digest()
