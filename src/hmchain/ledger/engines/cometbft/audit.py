"""Audit of one node's ledger: execute its blocks again from genesis, and compare the end with what the members signed.

CometBFT's header of a height carries the commitment of the state before it, so one signed header vouches for the state
that a log leads to. It does not vouch for the way there: times, results and refusals on the way are compared with the
header of each block, which names the one before it.

Who may sign follows from the log too: a member comes in by the votes of stewards, and their signatures are checked on
the way. So signers are counted by heads: who is jailed depends on votes that are not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.canonical import encode
from hmchain.errors import AuditError, LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import OK, BlockResult, Commit
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.beginning import log_begins_after
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, IndexCheck, StoredBlock
from hmchain.ledger.engines.cometbft.archive import Archive, check_inputs
from hmchain.ledger.engines.cometbft.light import SignedHeader, signers
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore, begins_after
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import SnapshotError, State
from hmchain.ledger.transition import Machine
from hmchain.ledger.unreadable import UnreadableError
from hmchain.plain import Progress


class NodeAuditError(AuditError):
    """A node's ledger is not what the members signed."""

    code = "node_audit"


class PartialLogError(LedgerError):
    """A log that begins after a snapshot cannot prove what is asked of it."""

    code = "partial_log"


@dataclass(frozen=True)
class NodeAudit:
    """The findings of an audit that holds."""

    chain_id: str
    genesis: bytes
    anchored: bool
    """True if the genesis was compared with a digest from elsewhere; else a wholly rewritten ledger would pass."""
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
    evidence: int = 0
    """Offences that the engine reported."""
    unsigned: tuple[str, ...] = ()
    """Of blocks at the end that no kept header follows: in words, also among what is not proven."""


_NOT_PROVEN = (
    "that what members say of their data is true",
    "anything, if a third of the members or more conspired",
    "what a reported offence was: the engine's evidence is in CometBFT's own store",
)


def verify(
    directory: Path,
    archive: Archive,
    anchor: bytes | None = None,
    progress: Progress | None = None,
) -> NodeAudit:
    """Audit the ledger in `directory` up to the last header of `archive`, which holds those of all its blocks.

    `anchor` is the genesis digest that was agreed on. A log that begins after a snapshot is held against the headers
    from there on. Raises `NodeAuditError`, `ArchiveError` or `LightProofError` for the first thing that does not hold,
    `PartialLogError` if nothing anchors the snapshot.
    """
    with audited(directory, archive, anchor, progress) as (found, _):
        return found


@contextmanager
def audited(
    directory: Path,
    archive: Archive,
    anchor: bytes | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[NodeAudit, State]]:
    """The same, with the state that the blocks led to."""
    genesis = genesis_file.load(directory / genesis_file.FILE)
    if anchor is not None and genesis.digest != anchor:
        found = f"the genesis is {genesis.digest.hex()}, not the one that was agreed on"
        raise NodeAuditError(found, "this is another chain's ledger")
    begins = begins_after(directory)
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store, _scratch() as state:
        store.freeze()
        archive.check(store)
        if begins:
            _restore_beginning(directory, genesis, archive.first, state)
        else:
            beginning.begin(state, genesis, directory)
        replay, index = _Replay(genesis, state, begins, archive), IndexCheck(store)
        last = archive.last.header.height - 1
        for stored in store.blocks(log_begins_after(directory) + 1, last):
            index.follow(stored.height, replay.follow(stored))
            if progress:
                progress(stored.height, last)
        unsigned = 0
        for stored in store.blocks(last + 1):
            index.follow(stored.height, replay.link(stored))
            unsigned += 1
        index.finish()
        yield replay.compare(archive.last, anchored=anchor is not None, unsigned=unsigned), state


@contextmanager
def audited_to_the_end(
    directory: Path, archive: Archive, anchor: bytes | None = None, progress: Progress | None = None
) -> Iterator[tuple[NodeAudit, State]]:
    """The same of a chain that goes on no more, up to the last block that its members decided.

    The header of that block is the last one in `archive`, with the votes for it; the state that it leads to is in none,
    and follows from executing it.
    """
    with audited(directory, archive, anchor, progress) as (found, state):
        last, machine = archive.last, Machine(state, found.chain_id)
        with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
            stored = store.get(last.header.height)
            _require(store.height <= last.header.height, last.header.height + 1, "no votes for it are at hand")
        check_inputs(last, stored)
        if stored is not None:
            archive.require_inputs(stored.block, state)
            same = encode(machine.execute(stored.block.input)) == stored.result_bytes
            _require(same, stored.height, "executing it gives other receipts")
            same = state.commitment() == stored.block.header.state_commitment
            _require(same, stored.height, "executing it gives another state")
        machine.commit(last.header.height)
        yield found, state


@contextmanager
def _scratch() -> Iterator[State]:
    with (
        tempfile.TemporaryDirectory(prefix="hmchain-audit-") as place,
        closing(State(Path(place) / "state.db", durable=False)) as state,
    ):
        yield state


def require_whole(directory: Path) -> None:
    """See that the log in `directory` begins with the genesis. Raises `PartialLogError`."""
    if begins := begins_after(directory):
        raise partial_log(begins, "shows nothing of what came before")


def partial_log(begins: int, cannot: str) -> PartialLogError:
    """The error for what a log that begins after a snapshot cannot do."""
    return PartialLogError(
        f"this node joined from a snapshot: its log begins after block {begins} and {cannot}",
        "`hmchain audit verify` proves what came after; for the rest ask a member with the whole log, or fetch it: "
        "stop the node, `hmchain node recover`, start it",
    )


def _restore_beginning(directory: Path, genesis: Genesis, signed: SignedHeader, state: State) -> None:
    """Take up the snapshot that a log begins with, if more than two thirds of the founders signed its commitment."""
    begins = begins_after(directory)
    _require(signed.header.height == begins + 1, begins, "the header is not the one after the snapshot")
    founders = {member.organisation: member.validator for member in genesis.members}
    if 3 * len(signers(signed, genesis.chain_id, founders)) <= 2 * len(founders):
        raise partial_log(begins, "too few founders signed there: the members have changed since the genesis")
    try:
        SnapshotStore(directory / BEGINNING).restore(state, bytes.fromhex(signed.header.app_hash))
    except UnreadableError:
        raise
    except SnapshotError as error:
        raise NodeAuditError(f"block {begins}: {error.what}", "compare it with another member's ledger") from error


class _Replay:
    """One pass over a log, from the state at its beginning."""

    def __init__(self, genesis: Genesis, state: State, begins: int, archive: Archive) -> None:
        self._genesis, self._machine, self._begins = genesis, Machine(state, genesis.chain_id), begins
        self._archive = archive
        first = archive.first.header.app_hash.upper()
        _require(first == state.commitment().hex().upper(), begins, "its members signed another state")
        self._previous = genesis.digest
        self._blocks = self._transactions = self._refused = self._evidence = 0

    def follow(self, stored: StoredBlock) -> BlockResult:
        """Execute one block, signatures and all, and compare with what was stored and with what was signed."""
        block, state = stored.block, self._machine.state
        self.link(stored)
        self._archive.require_inputs(block, state)
        result = self._machine.execute(block.input)
        _require(encode(result) == stored.result_bytes, stored.height, "executing it gives other receipts")
        same = state.commitment() == block.header.state_commitment
        _require(same, stored.height, "executing it gives another state")
        self._machine.commit(stored.height)
        self._blocks += 1
        self._transactions += len(block.transactions)
        self._refused += sum(receipt.code != OK for receipt in result.receipts)
        self._evidence += len(block.evidence)
        return result

    def link(self, stored: StoredBlock) -> BlockResult:
        """See that a block follows the one before it, and is stored as a node stores it; that is all of one at the end.

        Returns what is stored of its execution.
        """
        header = stored.block.header
        _require(header.previous == self._previous, stored.height, "it does not follow the one before it")
        _require(header.height == stored.height, stored.height, "it is stored under another height")
        decided = stored.commit == Commit(stored.height, 0, header.hash, (), ())
        _require(decided, stored.height, "what decided it is of another block")
        self._previous = header.hash
        return stored.result

    def compare(self, signed: SignedHeader, *, anchored: bool, unsigned: int) -> NodeAudit:
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
        commitment, tail = state.commitment(), _unsigned(height, unsigned)
        _require(commitment.hex().upper() == signed.header.app_hash.upper(), height, "its members signed another state")
        return NodeAudit(
            self._genesis.chain_id, self._genesis.digest, anchored, self._blocks, self._transactions, self._refused,
            height, tuple(sorted(found)), len(members), commitment, self._not_proven(tail), self._begins,
            self._evidence, tail,
        )  # fmt: skip

    def _not_proven(self, unsigned: tuple[str, ...]) -> tuple[str, ...]:
        if not self._begins:
            return (*unsigned, *_NOT_PROVEN)
        return (
            *unsigned,
            f"how the state at block {self._begins} came about, which founders signed: this log begins after it "
            "(`hmchain node recover` fetches the rest)",
            *_NOT_PROVEN,
        )


def _unsigned(height: int, count: int) -> tuple[str, ...]:
    return (f"the last {count} blocks, after {height - 1}: no header that is kept signs them",) if count else ()


def _require(condition: bool, height: int, what: str) -> None:
    if not condition:
        raise NodeAuditError(f"block {height}: {what}", "compare it with another member's ledger")
