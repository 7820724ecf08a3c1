"""Audit of one node's ledger: execute its blocks again from genesis, and compare the end with what the members signed.

CometBFT's header of a height carries the commitment of the state before it, so one signed header vouches for the whole
log that leads there. Who may sign follows from the log too: a member comes in by the votes of stewards, and their
signatures are checked on the way. So signers are counted by heads: who is jailed depends on votes that are not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.canonical import encode
from hmchain.errors import AuditError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts import membership, standings
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft.light import SignedHeader, signers
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore, begins_after
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import SnapshotError, State
from hmchain.ledger.transition import Machine

Progress = Callable[[int, int], None]


class NodeAuditError(AuditError):
    """A node's ledger is not what the members signed."""

    code = "node_audit"


class PartialLogError(AuditError):
    """A log that begins after a snapshot cannot prove what is asked of it."""

    code = "partial_log"


@dataclass(frozen=True)
class NodeAudit:
    """What an audit found to hold."""

    chain_id: str
    genesis: bytes
    anchored: bool
    """Whether the genesis was compared with a digest from elsewhere; else a wholly rewritten ledger would pass."""
    blocks: int
    """Blocks that changed the state: those with transactions or evidence, and a few that tell of failed turns."""
    transactions: int
    refused: int
    signed_height: int
    """Height of the header that vouches for the state."""
    signers: tuple[str, ...]
    members: int
    commitment: bytes
    not_proven: tuple[str, ...]
    begins: int = 0
    """The height after which the log begins; its state was signed by founders. 0 for a whole log."""


_NOT_PROVEN = (
    "that what members say of their data is true",
    "anything, if a third of the members or more conspired",
    "votes of single blocks, other than those of the signed header (CometBFT's own store keeps them)",
)


def verify(
    directory: Path,
    signed: SignedHeader,
    anchor: bytes | None = None,
    progress: Progress | None = None,
    beginning: SignedHeader | None = None,
) -> NodeAudit:
    """Audit the ledger in `directory` up to the header `signed`, a recent one of any member's node.

    `anchor` is the genesis digest that was agreed on. For a log that begins after a snapshot, `beginning` is the header
    after the snapshot's height, which holds its commitment. Raises `NodeAuditError` or `LightProofError` for the first
    thing that does not hold, `PartialLogError` if nothing anchors the snapshot.
    """
    with audited(directory, signed, anchor, progress, beginning) as (found, _):
        return found


@contextmanager
def audited(
    directory: Path,
    signed: SignedHeader,
    anchor: bytes | None = None,
    progress: Progress | None = None,
    beginning: SignedHeader | None = None,
) -> Iterator[tuple[NodeAudit, State]]:
    """As `verify`; gives the state that was reached too, to be read until the context ends."""
    genesis = genesis_file.load(directory / "genesis.json")
    if anchor is not None and anchor != genesis.digest:
        raise NodeAuditError("the genesis is not the one that was agreed on", "this is another network's ledger")
    store = BlockStore(directory / BLOCKS, read_only=True)
    with tempfile.TemporaryDirectory(prefix="hmchain-audit-") as scratch:
        state = State(Path(scratch) / "state.db", durable=False)
        try:
            if begins := begins_after(directory):
                _restore_beginning(directory, genesis, beginning, state)
            else:
                genesis_file.initialise(state, genesis)
            replay = _Replay(genesis, state, begins)
            last = signed.header.height - 1
            for stored in store.blocks(begins + 1, last):
                replay.follow(stored)
                if progress:
                    progress(stored.height, last)
            yield replay.compare(signed, anchored=anchor is not None), state
        finally:
            state.close()
            store.close()


def require_whole(directory: Path) -> None:
    """See that the log in `directory` begins with the genesis. Raises `PartialLogError`."""
    if begins := begins_after(directory):
        raise _partial(begins, "shows nothing of what came before")


def _partial(begins: int, cannot: str) -> PartialLogError:
    return PartialLogError(
        f"this node joined from a snapshot: its log begins after block {begins} and {cannot}",
        "`hmchain node audit` proves what came after; for the rest ask a member with the whole log, or fetch it: stop "
        "the node, `hmchain node recover`, start it",
    )


def _restore_beginning(directory: Path, genesis: Genesis, signed: SignedHeader | None, state: State) -> None:
    """Take up the snapshot that a log begins with, if more than two thirds of the founders signed its commitment."""
    begins = begins_after(directory)
    if signed is None:
        raise _partial(begins, "shows nothing of what came before")
    _require(signed.header.height == begins + 1, begins, "the header is not the one after the snapshot")
    founders = {member.organisation: member.validator for member in genesis.members}
    if 3 * len(signers(signed, genesis.chain_id, founders)) <= 2 * len(founders):
        raise _partial(begins, "too few founders signed there: the members have changed since the genesis")
    try:
        SnapshotStore(directory / BEGINNING).restore(state, bytes.fromhex(signed.header.app_hash))
    except SnapshotError as error:
        raise NodeAuditError(f"block {begins}: {error.what}", "compare it with another member's ledger") from error


class _Replay:
    """One pass over a log, from the state at its beginning."""

    def __init__(self, genesis: Genesis, state: State, begins: int) -> None:
        self._genesis, self._machine, self._begins = genesis, Machine(state, genesis.chain_id), begins
        if not begins:
            self._machine.commit(0)
        self._previous = genesis.digest
        self._blocks = self._transactions = self._refused = 0

    def follow(self, stored: StoredBlock) -> None:
        """Execute one block, signatures and all, and compare with what was stored."""
        block, state = stored.block, self._machine.state
        _require(block.header.previous == self._previous, stored.height, "it does not follow the one before it")
        _require(block.header.height == stored.height, stored.height, "it is stored under another height")
        result = self._machine.execute(block.input)
        _require(encode(result) == stored.result_bytes, stored.height, "executing it gives other receipts")
        same = state.commitment() == block.header.state_commitment
        _require(same, stored.height, "executing it gives another state")
        self._machine.commit(stored.height)
        self._previous = block.header.hash
        self._blocks += 1
        self._transactions += len(block.transactions)
        self._refused += sum(receipt.code != OK for receipt in result.receipts)

    def compare(self, signed: SignedHeader, *, anchored: bool) -> NodeAudit:
        """Hold the state that was reached against the one that the members signed."""
        state, height = self._machine.state, signed.header.height
        members = {member.organisation: member.validator for member in membership.active_members(state)}
        keys = standings.voting_keys(state, height)  # one that was just replaced may have signed still
        members = {name: keys.get(name, key) for name, key in members.items()}
        found = signers(signed, self._genesis.chain_id, members)
        if 3 * len(found) <= 2 * len(members):
            raise NodeAuditError(
                f"only {len(found)} of {len(members)} members signed header {height}",
                "audit again when more nodes are up, or against another member's header",
            )
        commitment = state.commitment()
        _require(commitment.hex().upper() == signed.header.app_hash.upper(), height, "its members signed another state")
        return NodeAudit(
            self._genesis.chain_id, self._genesis.digest, anchored, self._blocks, self._transactions, self._refused,
            height, tuple(sorted(found)), len(members), commitment, self._not_proven(), self._begins,
        )  # fmt: skip

    def _not_proven(self) -> tuple[str, ...]:
        if not self._begins:
            return _NOT_PROVEN
        return (
            f"how the state at block {self._begins} came about, which founders signed: this log begins after it "
            "(`hmchain node recover` fetches the rest)",
            *_NOT_PROVEN,
        )


def _require(condition: bool, height: int, what: str) -> None:
    if not condition:
        raise NodeAuditError(f"block {height}: {what}", "compare it with another member's ledger")
