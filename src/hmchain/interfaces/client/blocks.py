"""Blocks and transactions, as flows."""

from __future__ import annotations

from hmchain.interfaces.client.flows import Flow, read
from hmchain.ledger.readers.blocks import BlockView
from hmchain.ledger.readers.transactions import TransactionView


def blocks(first: int | None = None, limit: int = 20) -> Flow[list[BlockView]]:
    """The blocks from a height on, or the last ones."""
    return read("/blocks", list[BlockView], from_=first, limit=limit)


def transaction(digest: str) -> Flow[TransactionView]:
    """One transaction."""
    return read(f"/transactions/{digest}", TransactionView)
