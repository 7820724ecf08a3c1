"""Signed transactions: the envelope, its one encoding, and what makes it authentic.

Authentication depends on the bytes alone (the sender's public key travels in the envelope), so it can be done once, in
parallel and before any state is known. Whether that key may do what the body asks is for the contracts to say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hmchain.canonical import NotCanonicalError, Record, decode, decode_trusted, encode
from hmchain.keys import ED25519, PublicKey, SigningKey

TRANSACTION_BYTES_MAX = 64 << 10
NONCE_BYTES = 16
SIGNATURE_BYTES = 64

# The wire form is a two-element array (0x92) of the transaction and a 64-byte binary (0xc4 0x40), so the signed bytes
# are a slice of it: no second encoding is needed to check a signature.
_HEAD_BYTES = 1
_TAIL_BYTES = 2 + SIGNATURE_BYTES


class Transaction(Record, frozen=True):
    """What a sender signs."""

    chain_id: str
    """A transaction of one chain is worth nothing on another."""
    algorithm: str
    """The signature's algorithm; a field so that it can change by a vote."""
    sender: bytes
    """The sender's public key (32 bytes for Ed25519)."""
    nonce: bytes
    """16 random bytes, unique per key until `expires_ms`; not in sequence, so a lost transaction stalls nobody."""
    expires_ms: int
    """Block time after which it is refused; at most one hour ahead, so that nonces can be forgotten."""
    body: bytes
    """The encoding of one contract's transaction body."""


class SignedTransaction(Record, frozen=True):
    """The wire form."""

    transaction: Transaction
    signature: bytes


class Refusal(Exception):
    """A transaction is refused: `code` goes into its receipt; no text ever enters state.

    What it wrote is undone, unless the refusal itself is to be remembered (`kept`).
    """

    def __init__(self, code: str, *, kept: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.kept = kept


@dataclass(frozen=True, slots=True)
class Authentic:
    """A transaction whose form and signature hold."""

    transaction: Transaction
    digest: bytes
    """SHA-256 of the wire form: the transaction's name."""
    wire: bytes


@dataclass(frozen=True)
class Prepared:
    """A transaction that waits for its sender's signature."""

    transaction: Transaction
    """The meaning of what is signed; `contracts.decode_body` reads its body."""

    @property
    def message(self) -> bytes:
        """The bytes to sign: the transaction's one encoding."""
        return encode(self.transaction)

    def attach(self, signature: bytes) -> bytes:
        """The wire form. A signature that does not hold is refused by the ledger."""
        return encode(SignedTransaction(self.transaction, signature))


def sign(key: SigningKey, chain_id: str, body: bytes, nonce: bytes, expires_ms: int) -> bytes:
    """Return the wire form of `body` signed by `key`."""
    prepared = Prepared(Transaction(chain_id, ED25519, key.public.raw, nonce, expires_ms, body))
    return prepared.attach(key.sign(prepared.message))


def read(wire: bytes, chain_id: str) -> SignedTransaction:
    """Check size, form and chain of a wire transaction, and not yet its signature, which costs far more.

    Raises `Refusal` with code `oversized`, `malformed` or `wrong_chain`.
    """
    if len(wire) > TRANSACTION_BYTES_MAX:
        raise Refusal("oversized")
    try:
        signed = decode(wire, SignedTransaction)
    except NotCanonicalError:
        raise Refusal("malformed") from None
    transaction = signed.transaction
    if len(transaction.nonce) != NONCE_BYTES or len(signed.signature) != SIGNATURE_BYTES:
        raise Refusal("malformed")
    if transaction.chain_id != chain_id:
        raise Refusal("wrong_chain")
    return signed


def authenticate(wire: bytes, chain_id: str) -> Authentic:
    """Check size, form, chain and signature of a wire transaction.

    Raises `Refusal` with code `oversized`, `malformed`, `wrong_chain` or `bad_signature`.
    """
    signed = read(wire, chain_id)
    transaction = signed.transaction
    key = PublicKey(transaction.algorithm, transaction.sender)
    if not key.verify(signed.signature, wire[_HEAD_BYTES:-_TAIL_BYTES]):
        raise Refusal("bad_signature")
    return Authentic(transaction, transaction_digest(wire), wire)


def believed(wire: bytes, chain_id: str) -> Authentic:
    """A transaction of a stored block, whose signature was checked before, decoded without checking it again."""
    return Authentic(decode_trusted(wire, SignedTransaction).transaction, transaction_digest(wire), wire)


def transaction_digest(wire: bytes) -> bytes:
    """SHA-256 of the wire form (32 bytes)."""
    return hashlib.sha256(wire).digest()
