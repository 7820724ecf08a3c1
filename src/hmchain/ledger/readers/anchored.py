"""The log of an organisation's security events, as far as the ledger knows it.

The state knows the last anchor alone. Whose log is examined could have made another one and anchored that; so all
anchors count that stand in the blocks, as their senders signed them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts.members import anchors, membership
from hmchain.ledger.contracts.members.anchors import Anchor, AnchorLog, Loss, RestoreLog
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.readers.blocks import contents
from hmchain.ledger.readers.succession import ledgers
from hmchain.ledger.readers.transactions import decoded
from hmchain.ledger.state import State

_TAGS = (b"anchor_log", b"restore_log")
"""What a block has in it that says something of a log."""


@dataclass(frozen=True)
class AnchoredLog:
    """What the ledger knows of a log."""

    organisation: str
    anchors: tuple[Anchor, ...]
    """Those that the log has to fit, in their order: none of events that were said to be lost since."""
    losses: tuple[Loss, ...]
    """What its steward said was lost."""

    @property
    def last(self) -> Anchor | None:
        """The last anchor, if there is one."""
        return self.anchors[-1] if self.anchors else None

    @property
    def heads(self) -> Mapping[int, bytes]:
        """The links that a log must have to be the one that was anchored, by the numbers of their lines."""
        return {each.size: each.head for each in self.anchors}


def anchored(state: State, store: BlockStore, organisation: str) -> AnchoredLog:
    """All that a ledger says of the log of an organisation. Raises `DamagedBlockError`.

    What a log of blocks has that begins with a snapshot, begins there; the last anchor is the state's.
    """
    return state.made(("anchored log", organisation), anchors.TABLES, lambda: _anchored(state, store, organisation))


def _anchored(state: State, store: BlockStore, organisation: str) -> AnchoredLog:
    found: list[Anchor] = []
    for anchor, kept in _said(state, store, organisation):
        found = [each for each in found if kept is None or each.size <= kept]
        found.append(anchor)
    last = anchors.anchor(state, organisation)
    if last is not None and (last.height, last.size) not in [(each.height, each.size) for each in found]:
        found.append(last)
    return AnchoredLog(organisation, tuple(found), tuple(anchors.losses(state, organisation)))


def _blocks(store: BlockStore) -> Iterator[StoredBlock]:
    """The blocks of a log, after those of the chains that it was founded again from, where they lie beside it."""
    for directory in ledgers(store.path.parent)[:-1]:
        with closing(BlockStore(directory / BLOCKS, read_only=True)) as before:
            yield from before.blocks()
    yield from store.blocks()


def _said(state: State, store: BlockStore, organisation: str) -> Iterator[tuple[Anchor, int | None]]:
    """Each anchor, and of one after a loss how many events before it count still."""
    for stored in _blocks(store):
        if stored.height > state.height or not any(tag in stored.block_bytes for tag in _TAGS):
            continue
        block, _, result = contents(stored)
        for wire, receipt in zip(block.transactions, result.receipts, strict=True):
            fields, body = decoded(wire)
            if fields is None or receipt.code != OK or not isinstance(body, AnchorLog | RestoreLog):
                continue
            sender = membership.credential(state, fields.sender)
            if sender is not None and sender.organisation == organisation:
                time_ms = block.header.time_ms
                made = Anchor(organisation, body.size, body.head, time_ms, stored.height)
                yield made, body.kept if isinstance(body, RestoreLog) else None
