"""Deeds of a key: every transaction that it signed, for somebody whose key was stolen, and for an auditor.

There is no index of senders: whoever asks has the whole log compared with what members signed anyway, and a key's bytes
are looked for in a block before anything of it is decoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hmchain.canonical import Record
from hmchain.ledger.engines.block_store import BlockStore, StoredBlock
from hmchain.ledger.readers.blocks import contents
from hmchain.ledger.readers.transactions import decoded, kind_of
from hmchain.ledger.transactions import transaction_digest


@dataclass(frozen=True)
class KeyDeed:
    """One transaction that a key signed, whatever became of it."""

    key: bytes
    digest: bytes
    height: int
    time_ms: int
    """Of its block."""
    kind: str
    code: str
    """`ok`, or the name of the refusal."""
    body: Record | None
    """None if it is malformed."""

    def __str__(self) -> str:
        return f"block {self.height}: {self.kind}, {self.code}"


def deeds(store: BlockStore, keys: Collection[bytes], since: int = 1) -> Iterator[KeyDeed]:
    """All that these keys signed from block `since` on, in the order of the ledger.

    Raises `DamagedBlockError`.
    """
    for stored in store.blocks(since):
        if any(key in stored.block_bytes for key in keys):
            yield from _of_block(stored, keys)


def _of_block(stored: StoredBlock, keys: Collection[bytes]) -> Iterator[KeyDeed]:
    block, _, result = contents(stored)
    for wire, receipt in zip(block.transactions, result.receipts, strict=True):
        fields, body = decoded(wire)
        if fields is not None and fields.sender in keys:
            yield KeyDeed(
                fields.sender, transaction_digest(wire), stored.height, block.header.time_ms, kind_of(body),
                receipt.code, body,
            )  # fmt: skip
