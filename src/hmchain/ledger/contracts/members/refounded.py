"""What a state remembers of chains before this one, that it was carried over from (see `ledger/refounding`)."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.blocks import Height
from hmchain.ledger.state import State, Table


class Refounded(Record, frozen=True):
    """A founding again: it stands in the place of a block that nobody decided."""

    height: Height
    chain_id: str
    """Of the chain that ended before it."""
    left_out: tuple[str, ...]
    """Its members that were lost, in order of name."""


_REFOUNDED = Table("refounded", Refounded)


def put(state: State, entry: Refounded) -> None:
    """Remember a founding again."""
    _REFOUNDED.put(state, entry, entry.height)


def foundings(state: State) -> list[Refounded]:
    """All that the state has been through, the first one first."""
    return _REFOUNDED.all(state)


def begins_after(state: State) -> int:
    """The height after which this chain's blocks begin: 0 unless it was founded again."""
    known = foundings(state)
    return known[-1].height if known else 0
