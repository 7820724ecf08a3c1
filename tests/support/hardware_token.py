"""A token as PKCS#11 has them: its key never leaves it, it signs bytes within a session, and counts what it signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hmchain.application.node.meaning import Meaning, meaning
from hmchain.errors import KeyMaterialError
from hmchain.keys import PublicKey, Redacted, SigningKey


class TokenError(KeyMaterialError):
    """The token does not do this."""

    code = "token"


class Token(Redacted):
    """The device."""

    def __init__(self, key: SigningKey, pin: str) -> None:
        self._key, self._pin, self._open = key, pin, False
        self.signed = 0

    def login(self, pin: str) -> None:
        """C_Login."""
        if pin != self._pin:
            raise TokenError("CKR_PIN_INCORRECT")
        self._open = True

    def public_value(self) -> bytes:
        """CKA_EC_POINT of the key pair."""
        return self._key.public.raw

    def sign(self, data: bytes) -> bytes:
        """C_Sign with CKM_EDDSA."""
        if not self._open:
            raise TokenError("CKR_USER_NOT_LOGGED_IN")
        self.signed += 1
        return self._key.sign(data)


@dataclass
class TokenSigner:
    """A `Signer` with a screen: it shows what the very bytes mean, and the person says yes or no."""

    token: Token
    agrees: Callable[[Meaning], bool]
    shown: list[str] = field(default_factory=list)

    @property
    def public(self) -> PublicKey:
        return PublicKey("ed25519", self.token.public_value())

    def sign(self, message: bytes) -> bytes:
        found = meaning(message)
        self.shown.append(found.words)
        if not self.agrees(found):
            raise TokenError("the person said no")
        return self.token.sign(message)
