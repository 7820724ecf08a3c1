"""Two steps to the ledger: a route says what is to be signed, and who has the key signs it elsewhere.

A route runs the very service that a command runs. Where that comes to the signature, this signer has none to give: what
is to be signed goes back to the person, with its meaning, and nothing was sent. A service that sends several says so of
all at once. Asking again gives other transactions; only what is signed counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.governance.policies.words import in_full
from hmchain.application.governance.signing import SignatureElsewhere
from hmchain.application.node.meaning import meaning
from hmchain.keys import PublicKey


@dataclass(frozen=True)
class KeyElsewhere:
    """Holder of no key: what is to be signed goes back to the person."""

    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """Raise `SignatureElsewhere`."""
        raise SignatureElsewhere(message)


@dataclass(frozen=True)
class ToSign:
    """What whoever signs these bytes asks for; `POST /v1/transactions` sends them once they are signed."""

    message: bytes
    words: str
    """In a line."""
    fields: tuple[tuple[str, str], ...]
    """Every field of it."""
    sentences: tuple[str, ...]
    """What a policy in it says."""
    chain_id: str
    sender: bytes
    """The key that it waits for."""
    expires_ms: int
    """It counts for nothing afterwards."""
    more: tuple[ToSign, ...] = ()
    """What the same person signs with it, to be sent after it, in this order."""


@dataclass(frozen=True)
class Unsigned:
    """What came of a job that goes on only once something is signed and sent: the same is asked for again then."""

    to_sign: ToSign


def to_sign(message: bytes, *more: bytes) -> ToSign:
    """The meaning of what is to be signed, read from its bytes. Raises `UnreadableTransactionError`."""
    found = meaning(message)
    return ToSign(
        message, found.words, found.fields, in_full(found.body), found.chain_id, found.sender, found.expires_ms,
        tuple(map(to_sign, more)),
    )  # fmt: skip


__all__ = ["KeyElsewhere", "SignatureElsewhere", "ToSign", "Unsigned", "to_sign"]
