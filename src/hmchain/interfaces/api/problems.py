"""Errors as clients get them: problem details (RFC 9457) made of our own error codes.

`type` is the code in `docs/errors.md`, `title` what its family says, `detail` the words and `hint` the way out that the
command line shows.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from hmchain.errors import (
    AuditError,
    DataError,
    HMChainError,
    InputError,
    KeyMaterialError,
    LedgerError,
    StorageError,
    StudyError,
    UndecidedError,
)

KIND = "application/problem+json"
ERRORS_PAGE = "/v1/errors#"
"""Where a code is explained."""

_FAMILIES: tuple[tuple[type[HMChainError], int], ...] = (
    (InputError, 400), (DataError, 422), (StorageError, 503), (KeyMaterialError, 409), (LedgerError, 503),
    (AuditError, 409), (StudyError, 409), (UndecidedError, 504),
)  # fmt: skip
_CODES = {
    "not_signed_in": 401, "not_allowed": 403, "second_factor": 403, "read_only": 403, "foreign_page": 403,
    "sign_in_refused": 401, "sign_in_again": 403,
    "too_many": 429, "child_busy": 429, "too_many_streams": 429, "too_many_waiting": 429, "too_many_jobs": 429,
    "refused": 409, "contrary": 409, "other_request": 409, "same_under_way": 409,
    "not_joined": 409, "persons_missing": 403, "too_large": 413,
}  # fmt: skip
_NOT_FOUND = (
    "unknown_", "no_such_", "no_study", "no_organisation", "no_route", "no_policy", "no_consent", "no_document",
    "no_people_change", "no_invitation", "no_ballot", "no_bar_here",
    "no_incident_document", "object_missing", "nothing_to_trace", "nothing_to_erase", "nothing_offered",
)  # fmt: skip
TITLES = {
    400: "What was given cannot be used", 401: "Nobody is signed in", 403: "Not allowed", 404: "There is no such thing",
    405: "Not that way", 406: "No such form", 409: "It stands otherwise", 412: "It has changed",
    413: "It is too large", 415: "No such form", 422: "The data cannot be used", 421: "It has another name",
    428: "Say what you saw",
    429: "Too many at once", 500: "That went wrong", 503: "Not possible now", 504: "Not decided yet",
}  # fmt: skip


class Problem(msgspec.Struct, frozen=True):
    """A problem, as it is sent."""

    type: str
    """Where the code is explained."""
    title: str
    status: int
    detail: str
    code: str
    """As `docs/errors.md` has it."""
    hint: str = ""
    """The way out."""
    retry_after: int | None = None
    """Seconds to wait, where waiting helps."""


def status_of(error: HMChainError) -> int:
    """The HTTP status of an error: by its code, else by its family."""
    if (found := _CODES.get(error.code)) is not None:
        return found
    if error.code.startswith(_NOT_FOUND):
        return 404
    return next((status for family, status in _FAMILIES if isinstance(error, family)), 500)


def problem(error: HMChainError) -> Problem:
    """The problem that an error is. It carries public words only, as every error of ours."""
    return of(status_of(error), error.code, error.what, error.hint, getattr(error, "retry_after", None))


def of(status: int, code: str, detail: str, hint: str = "", retry_after: int | None = None) -> Problem:
    """A problem of a status."""
    return Problem(ERRORS_PAGE + code, TITLES.get(status, "A problem"), status, detail, code, hint, retry_after)


def response(found: Problem, **headers: str) -> Response:
    """A problem as a response."""
    if found.retry_after is not None:
        headers["Retry-After"] = str(found.retry_after)
    if found.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="hmchain"'
    content = msgspec.json.encode(found)
    return Response(content, found.status, {"Cache-Control": "no-store", **headers}, KIND)


def described() -> dict[str, Any]:
    """The schema of a problem."""
    _, components = msgspec.json.schema_components([Problem])
    return dict(components["Problem"])
