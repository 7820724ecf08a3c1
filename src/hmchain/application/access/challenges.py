"""Challenges: what somebody signs to sign in, made by this process, good once and for two minutes.

A challenge is random bytes, its end and an authenticator, so that a flood of questions fills no memory: what is
remembered is what was answered. What a person's key signs is a digest under a label of its own, so no signature of it
is one of a transaction or of anything else that keys sign here.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import msgspec

from hmchain.canonical import NotCanonicalError, Record, decode, digest, encode
from hmchain.clock import MINUTE_MS
from hmchain.decoding import from_json
from hmchain.errors import InputError
from hmchain.keys import Redacted
from hmchain.plain import printable

LIFE_MS = 2 * MINUTE_MS
S = TypeVar("S", bound=msgspec.Struct)
_RANDOM_BYTES, _END_BYTES, _TAG_BYTES = 16, 8, 16
_SIZE = _RANDOM_BYTES + _END_BYTES + _TAG_BYTES
_TEXT = "hmchain-sign-in:"
_TEXT_CHARACTERS_MAX = 2000


class ChallengeError(InputError):
    """What was signed is no challenge of this portal, or it was answered before, or too late."""

    code = "challenge"


def _refused() -> ChallengeError:
    return ChallengeError("this challenge was not made here, was answered, or is over", "begin again")


class Challenges(Redacted):
    """Makes challenges and takes each once. Threads may share it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._key, self._now_ms = secrets.token_bytes(32), now_ms
        self._spent: dict[bytes, int] = {}
        self._turn = Lock()

    def make(self, purpose: str, life_ms: int = LIFE_MS) -> bytes:
        """A new challenge for one purpose."""
        body = secrets.token_bytes(_RANDOM_BYTES) + (self._now_ms() + life_ms).to_bytes(_END_BYTES, "big")
        return body + self._tag(purpose, body)

    def spend(self, purpose: str, challenge: bytes) -> None:
        """Take a challenge. Raises `ChallengeError` if it is not of this purpose, was taken, or is over."""
        body = challenge[:-_TAG_BYTES]
        if len(challenge) != _SIZE or not hmac.compare_digest(self._tag(purpose, body), challenge[-_TAG_BYTES:]):
            raise _refused()
        now = self._now_ms()
        with self._turn:
            self._spent = {known: end for known, end in self._spent.items() if end >= now}
            if ends_ms(challenge) < now or challenge in self._spent:
                raise _refused()
            self._spent[challenge] = ends_ms(challenge)

    def sealed(self, purpose: str, value: msgspec.Struct) -> str:
        """Something that a browser keeps and brings back as it was: readable there, and signed by this process."""
        text = msgspec.json.encode(value).hex()
        return f"{text}.{self._tag(purpose, text.encode()).hex()}"

    def opened(self, purpose: str, sealed: str, kind: type[S]) -> S:
        """What was `sealed` for this purpose. Raises `ChallengeError`."""
        text, _, tag = sealed.partition(".")
        if not same_text(self._tag(purpose, text.encode()).hex(), tag):
            raise _refused()
        return from_json(bytes.fromhex(text), kind)

    def _tag(self, purpose: str, body: bytes) -> bytes:
        whole = hmac.digest(self._key, digest("hmchain challenge", purpose.encode(), body), "sha256")
        return whole[:_TAG_BYTES]


def same_text(known: str, given: str) -> bool:
    """Whether somebody gave the text that is known, compared in a time that does not tell how much of it is right."""
    return hmac.compare_digest(known.encode(), given.encode(errors="replace"))


def ends_ms(challenge: bytes) -> int:
    """When a challenge of this form is over."""
    return int.from_bytes(challenge[_RANDOM_BYTES : _RANDOM_BYTES + _END_BYTES], "big")


class SignIn(Record, frozen=True):
    """What a person's key signs to sign in."""

    origin: str
    """Of the portal, as browsers write it; a challenge that another page asked for names another one."""
    chain_id: str
    organisation: str
    person: str
    challenge: bytes
    expires_ms: int

    @property
    def message(self) -> bytes:
        """The bytes that are signed, 32 of them: no transaction is as short, and nothing else has this label."""
        return digest("hmchain sign-in", encode(self))

    @property
    def text(self) -> str:
        """It in a line, to carry to a key elsewhere."""
        return _TEXT + encode(self).hex()

    @property
    def words(self) -> str:
        """What whoever signs it asks for."""
        return printable(
            f"sign in as {self.organisation}/{self.person} at {self.origin}, to the network {self.chain_id}"
        )


def read_text(text: str) -> SignIn:
    """The challenge in a line that a page showed. Raises `ChallengeError`."""
    hint = "copy all of the line that the page shows: it begins with hmchain-sign-in:"
    digits = "".join(text.split()).removeprefix(_TEXT)
    try:
        if len(digits) <= _TEXT_CHARACTERS_MAX:
            return decode(bytes.fromhex(digits), SignIn)
    except (ValueError, NotCanonicalError) as error:
        raise ChallengeError("this is no challenge", hint) from error
    raise ChallengeError("this is no challenge", hint)
