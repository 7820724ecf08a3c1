"""Blocks as their members signed them: who decided each, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.clock import utc
from hmchain.ledger.blocks import OK, Block, BlockResult, Commit, Event, Receipt
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import BlockStoreError, StoredBlock
from hmchain.ledger.readers.decisions import BlockDecision
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.transactions import TransactionLine, decoded, kind_of
from hmchain.ledger.state import State
from hmchain.ledger.transactions import transaction_digest

_AUDIT = "`hmchain audit verify` names the first thing that is wrong"


@dataclass(frozen=True)
class BlockView:
    """One block."""

    height: int
    time_ms: int
    hash: bytes
    previous: bytes
    proposer: str
    round: int
    """Voting rounds that failed before the one that decided."""
    signed: tuple[str, ...]
    not_signed: tuple[str, ...]
    evidence: tuple[str, ...]
    transactions: tuple[TransactionLine, ...]
    events: tuple[Event, ...]
    """Of its transactions, then of the block itself."""
    unsigned_events: tuple[Event, ...]
    """The block's own on CometBFT, whose headers do not hold them: this log's word, until an audit executes it."""
    state_commitment: bytes
    vouched: str
    """Whose signatures all of this rests on; empty where no header at hand says so (yet)."""

    @property
    def refused(self) -> int:
        """Transactions that were refused."""
        return sum(line.code != OK for line in self.transactions)

    def __str__(self) -> str:
        held = f"{len(self.transactions)} transactions, {self.refused} refused"
        return f"block {self.height}, {utc(self.time_ms)} UTC, by {self.proposer}: {held}"


def block_view(stored: StoredBlock, decision: BlockDecision, state: State, vouched: str) -> BlockView:
    """A stored block in full; `state` knows the members' keys. Raises `DamagedBlockError`."""
    block, commit, result = contents(stored)
    receipts = zip(block.transactions, result.receipts, strict=True)
    is_signed_whole = bool(commit.votes)  # the embedded engine's headers hold the block's own events too
    return BlockView(
        height=stored.height,
        time_ms=block.header.time_ms,
        hash=decision.hash,
        previous=decision.previous,
        proposer=decision.proposer,
        round=decision.round,
        signed=decision.signed,
        not_signed=decision.not_signed,
        evidence=tuple(str(item.__struct_config__.tag) for item in block.evidence),
        transactions=tuple(_line(wire, receipt, state) for wire, receipt in receipts),
        events=result.all_events if is_signed_whole else result.transaction_events,
        unsigned_events=() if is_signed_whole else result.events,
        state_commitment=block.header.state_commitment,
        vouched=vouched,
    )


def contents(stored: StoredBlock) -> tuple[Block, Commit, BlockResult]:
    """A block with as many receipts as transactions. Raises `DamagedBlockError`."""
    try:
        block, commit, result = stored.block, stored.commit, stored.result
    except BlockStoreError as error:
        raise DamagedBlockError(error.what, _AUDIT) from error
    if len(block.transactions) != len(result.receipts):
        raise DamagedBlockError(f"block {stored.height} has not a receipt for each transaction", _AUDIT)
    return block, commit, result


def _line(wire: bytes, receipt: Receipt, state: State) -> TransactionLine:
    fields, body = decoded(wire)
    sender = membership.credential(state, fields.sender) if fields else None
    organisation = sender.organisation if sender else ""
    return TransactionLine(transaction_digest(wire), kind_of(body), organisation, receipt.code)
