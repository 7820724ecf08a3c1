"""Shares of a block: what costs every node much, an organisation does so often in one block and no more."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.context import Context, require
from hmchain.ledger.state import Table


class Lately(Record, frozen=True):
    """How often an organisation did something in the last block in which it did."""

    height: int
    count: int


def take(context: Context, lately: Table[Lately], most: int) -> None:
    """Count it as done by the sender's organisation; refuse (`too_many_at_once`) more of it in this block."""
    last = lately.get(context.state, context.sender.organisation)
    count = last.count + 1 if last is not None and last.height == context.height else 1
    require(count <= most, "too_many_at_once")
    lately.put(context.state, Lately(context.height, count), context.sender.organisation)
