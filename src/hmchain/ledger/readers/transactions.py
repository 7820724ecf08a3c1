"""Single transactions, decoded: found by the first digits of their digest, with sender and outcome."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.canonical import NotCanonicalError, Record, decode
from hmchain.errors import InputError
from hmchain.ledger import contracts
from hmchain.ledger.blocks import Receipt
from hmchain.ledger.engines.block_store import BlockStore, NoSuchTransactionError
from hmchain.ledger.transactions import Refusal, SignedTransaction, Transaction

MALFORMED = "malformed"
_HEX_DIGITS = "0123456789abcdef"


class BadPrefixError(InputError):
    """A prefix that cannot begin the digest of a transaction."""

    code = "bad_prefix"


class AmbiguousPrefixError(InputError):
    """Several transactions begin with what was typed."""

    code = "ambiguous_prefix"


@dataclass(frozen=True)
class TransactionLine:
    """One transaction in the list of its block."""

    digest: bytes
    kind: str
    organisation: str
    """Empty for a key that the ledger does not know."""
    code: str
    """`ok`, or the name of the refusal."""

    def __str__(self) -> str:
        return f"{self.digest.hex()}: {self.kind} by {self.organisation or 'an unknown key'}, {self.code}"


@dataclass(frozen=True)
class TransactionView:
    """One transaction, decoded."""

    digest: bytes
    height: int
    position: int
    time_ms: int
    kind: str
    organisation: str
    role: str
    receipt: Receipt
    expires_ms: int
    body: Record | None
    """None if it is malformed."""
    vouched: str
    """Whose signatures all of this rests on; empty where no header at hand says so (yet)."""

    def __str__(self) -> str:
        who = f"{self.organisation}'s {self.role}" if self.organisation else "an unknown key"
        return f"{self.digest.hex()}: {self.kind} by {who} in block {self.height}, {self.receipt.code}"


def find(store: BlockStore, prefix: str) -> bytes:
    """The one digest that begins with these hex digits.

    Raises `BadPrefixError`, `AmbiguousPrefixError` or `NoSuchTransactionError`.
    """
    text = prefix.lower()
    if not 1 <= len(text) <= 64 or any(letter not in _HEX_DIGITS for letter in text):
        raise BadPrefixError(f"{prefix!r} is not the start of a digest", "give up to 64 hex digits")
    whole = [text] if len(text) % 2 == 0 else [text + digit for digit in _HEX_DIGITS]
    found = [digest for start in whole for digest in store.find_prefix(bytes.fromhex(start))]
    if not found:
        raise NoSuchTransactionError(
            f"no transaction begins with {text}", "`hmchain ledger blocks --json` lists all digests"
        )
    if len(found) > 1:
        raise AmbiguousPrefixError(f"several transactions begin with {text}", "give more of its digits")
    return found[0]


def decoded(wire: bytes) -> tuple[Transaction | None, Record | None]:
    """A transaction's fields and body, None for what is malformed."""
    try:
        fields = decode(wire, SignedTransaction).transaction
    except NotCanonicalError:
        return None, None
    try:
        return fields, contracts.decode_body(fields.body)
    except Refusal:
        return fields, None


def kind_of(body: Record | None) -> str:
    """The name of a transaction's kind, or that it is malformed."""
    return MALFORMED if body is None else str(body.__struct_config__.tag)
