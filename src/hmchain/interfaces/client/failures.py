"""Problems of a portal as errors of ours: with its code, and of the family that its status tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hmchain import decoding
from hmchain.errors import DataError, HMChainError, InputError, LedgerError, StudyError, UndecidedError


class PortalError(LedgerError):
    """A portal cannot be spoken to, or answers what no portal does."""

    code = "portal"


class NotSafeError(InputError):
    """A portal's address would send what is secret in clear."""

    code = "not_safe"


class NoSignerError(InputError):
    """Something is to be signed, and no key was given."""

    code = "no_signer"


class OtherMessageError(StudyError):
    """What a portal gives to be signed is not of this person, or of another network."""

    code = "other_message"


_FAMILIES: dict[int, type[HMChainError]] = {
    409: StudyError, 422: DataError, 500: LedgerError, 502: LedgerError, 503: LedgerError, 504: UndecidedError,
}  # fmt: skip


class _Problem(msgspec.Struct):
    code: str
    detail: str
    hint: str = ""


def of_reply(status: int, content: bytes) -> HMChainError:
    """The error that a reply tells of."""
    try:
        found = decoding.from_json(content, _Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return PortalError(
            f"the portal answers with status {status}, and says nothing of it", "is it a portal of ours?"
        )
    return of_code(status, found.code, found.detail, found.hint)


def of_code(status: int, code: str, detail: str, hint: str = "") -> HMChainError:
    """The error of a code, of the family that it has here, or else that a status tells."""
    family: Any = next((each for each in _known() if each.code == code), _FAMILIES.get(status, InputError))
    named = {"code": code, "__doc__": "What a portal told.", "__module__": "portal", "__init__": HMChainError.__init__}
    return type("RemoteError", (family,), named)(detail, hint)  # type: ignore[no-any-return]


def _known() -> Iterator[type[HMChainError]]:
    waiting: list[type[HMChainError]] = [HMChainError]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.__subclasses__()
