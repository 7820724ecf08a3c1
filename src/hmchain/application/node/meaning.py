"""The meaning of a transaction, read from the very bytes that are signed: one place, for every way of signing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from hmchain.application.node import sent
from hmchain.canonical import NotCanonicalError, Record, decode
from hmchain.errors import InputError
from hmchain.ledger import contracts
from hmchain.ledger.transactions import Refusal, Transaction
from hmchain.plain import printable


class UnreadableTransactionError(InputError):
    """The bytes are no transaction that this program can read: nobody can say what a signature of them means."""

    code = "unreadable_transaction"


@dataclass(frozen=True)
class Meaning:
    """What whoever signs these bytes asks for."""

    words: str
    """In a line, whatever stands in the names."""
    fields: tuple[tuple[str, str], ...]
    """All of it: every field of the body, digests and keys in hex."""
    chain_id: str
    sender: bytes
    """The public key whose signature it waits for."""
    expires_ms: int
    body: Record


def meaning(message: bytes) -> Meaning:
    """The meaning of the bytes that are signed (`Prepared.message`). Raises `UnreadableTransactionError`."""
    try:
        transaction = decode(message, Transaction)
        body = contracts.decode_body(transaction.body)
    except (NotCanonicalError, Refusal) as error:
        raise UnreadableTransactionError("this is no transaction", "sign nothing that cannot be read") from error
    fields = (("kind", str(body.__struct_config__.tag)), *fields_of(body))
    return Meaning(
        printable(sent.words(body)), fields, transaction.chain_id, transaction.sender, transaction.expires_ms, body
    )  # fmt: skip


def fields_of(value: Record, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Every field by its name, those of records in it behind a dot."""
    found: list[tuple[str, str]] = []
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, Record):
            tag = inner.__struct_config__.tag
            found += [(prefix + name, str(tag))] if tag else []
            found += fields_of(inner, f"{prefix}{name}.")
        else:
            found.append((prefix + name, _text(inner)))
    return tuple(found)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Record):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)
