"""The files of one node: the state, the log of the blocks that changed it, snapshots.

State and log are only a cache of CometBFT's blocks. If one is damaged both are put aside, and CometBFT, told that the
application is at height 0, plays all blocks again. The log has the embedded engine's form, with empty commits: the
signatures are in CometBFT's own store.
"""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from hmchain import files, sqlite
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import BlockInput, BlockResult, Commit, Receipt, make_block, make_header
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore
from hmchain.ledger.engines.validator import DivergenceError
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State, StateError

STATE, SNAPSHOTS = "state.db", "snapshots"

logger = logging.getLogger(__name__)


class NodeStorage:
    """The files of one node in `directory`. Raises `LedgerError` for what can be neither opened nor replaced."""

    def __init__(self, directory: Path, genesis: Genesis) -> None:
        files.make_folder(directory)
        self.directory, self._genesis, self._chain_id = directory, genesis, genesis.chain_id
        self.snapshots = SnapshotStore(directory / SNAPSHOTS)
        self._beginning = SnapshotStore(directory / BEGINNING)
        try:
            self._open()
        except LedgerError as error:
            self._put_aside(error.what)
            self._open()

    def _open(self) -> None:
        self.state = State(self.directory / STATE)
        self._reader: State | None = None
        try:
            self.blocks = BlockStore(self.directory / BLOCKS)
            self._check()
        except LedgerError:
            self.state.close()
            raise

    def _check(self) -> None:
        """Raise `LedgerError` if log or records are damaged, or do not give the commitment that was logged."""
        self.blocks.check()
        if not self.state.is_sound():
            raise StateError("its records do not match its commitment")
        if self.state.is_new:
            return
        # A block that is not in the log changed nothing, so the last one that is there tells the state, or none is.
        stored, commitment = self.blocks.last(self.state.height), self.state.commitment()
        if stored is None:
            self._check_beginning(commitment)
        elif stored.block.header.state_commitment != commitment:
            raise StateError(f"the state is not the one that block {stored.height} gave, the last in the log")

    def _check_beginning(self, commitment: bytes) -> None:
        """Raise `StateError` or `SnapshotError` if an empty log cannot be whole: the state is not its beginning's."""
        if self._beginning.height:
            with closing(State()) as scratch:
                self._beginning.restore(scratch, commitment)
        elif beginning.commitment(self._genesis) != commitment:
            raise StateError("the log of blocks is empty, and the state is not the one of the genesis")

    def _put_aside(self, reason: str) -> None:
        kept = files.free_name(self.directory / "damaged")
        kept.mkdir()
        names = [name + suffix for name in (STATE, BLOCKS) for suffix in ("", *sqlite.LOG_SUFFIXES)]
        for name in (*names, BEGINNING):
            path = self.directory / name
            if path.exists():
                path.rename(kept / path.name)
        logger.error("%s; kept in %s, and all blocks are executed again", reason, kept)

    def begin_here(self) -> None:
        """The state came from a snapshot: keep it, since the log begins after it."""
        self._beginning.take(self.state)
        self.renew()

    def log(self, inputs: BlockInput, result: BlockResult, commitment: bytes) -> None:
        """Make a decided block durable, before its state; one that was logged before must have given the same.

        Raises `DivergenceError`, `LedgerFullError`, `BlockStoreError`.
        """
        stored, last = self.blocks.get(inputs.height), self.blocks.get(self.blocks.height)
        if not inputs.transactions and not inputs.evidence and stored is None:
            before = last.block.header.state_commitment if last else self.committed().commitment()
            if (last is not None and last.height > inputs.height) or before == commitment:
                return  # it changed nothing
        if stored is not None:
            if stored.block.header.state_commitment != commitment:
                raise DivergenceError(
                    f"block {inputs.height} gives another state than before", "this version is not the one that ran it"
                )
            return
        previous = last.block.header.hash if last else self._genesis.digest
        header = make_header(self._chain_id, inputs, 0, previous, result, commitment)
        self.blocks.append(make_block(header, inputs), Commit(inputs.height, 0, header.hash, (), ()), result)

    def committed(self) -> State:
        """The committed state, to read from between two blocks."""
        if self._reader is None:
            self._reader = State.open_read_only(self.directory / STATE)
        return self._reader

    def renew(self) -> None:
        """A block was committed: readers see it from now on."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def receipt(self, digest: bytes) -> tuple[int, Receipt] | None:
        """Height and receipt of a transaction that is in a block, or None."""
        located = self.blocks.located(digest)
        return (located[0].height, located[0].result.receipts[located[1]]) if located else None

    def close(self) -> None:
        """Close all files."""
        self.renew()
        self.state.close()
        self.blocks.close()
