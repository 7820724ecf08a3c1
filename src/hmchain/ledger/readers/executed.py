"""The state that a log of blocks leads to, executed here: for who has the blocks, and no state that could be believed.

Blocks that come with votes, or with signed headers beside them, are audited on the way. A node's log alone is executed
too; then the state is this disk's word, as its blocks are, and says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hmchain.canonical import encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.engines.cometbft.audit import require_whole
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import audit
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.signers import Endorsement, Witnesses
from hmchain.ledger.readers.states import VerifiedState, founders
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from hmchain.plain import Progress

_COMPARE = "compare it with another member's copy"


@contextmanager
def executed(directory: Path, progress: Progress | None = None) -> Iterator[VerifiedState]:
    """The state after the last block that can be executed; it lies in a folder of its own until the block ends.

    Raises `AuditError` for what does not hold, `PartialLogError` for a log that begins with a snapshot and has no
    signed headers, or with one that nothing anchors, or a `LedgerError` for what cannot be read.
    """
    genesis = genesis_file.load(directory / genesis_file.FILE)
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
        logged = store.height
        if not store.holds_votes and Archive.load(directory) is None:
            require_whole(directory)
            with _unaudited(genesis, store, progress) as state:
                yield VerifiedState(state, Endorsement(0) if logged else founders(genesis), logged)
            return
        with audit.replayed(directory, progress=progress, partial=True, alone=True) as (_, state):
            yield VerifiedState(state, _signers(directory, genesis, store, state), logged)


def _signers(directory: Path, genesis: Genesis, store: BlockStore, state: State) -> Endorsement:
    """The signers of a state that an audit has come to; it has counted their votes."""
    witnesses, archive, last = Witnesses(genesis, state), Archive.load(directory), store.last(state.height)
    if archive is not None:
        return witnesses.of_header(archive.last, archive.last.header.height - 1) or Endorsement(0)
    if last is None:
        return founders(genesis)
    return witnesses.of_commit(last.block.header, last.commit) or Endorsement(0)


@contextmanager
def _unaudited(genesis: Genesis, store: BlockStore, progress: Progress | None) -> Iterator[State]:
    with (
        tempfile.TemporaryDirectory(prefix="hmchain-") as scratch,
        closing(State(Path(scratch) / "state.db", durable=False)) as state,
    ):
        beginning.begin(state, genesis, store.path.parent)
        machine, last = Machine(state, genesis.chain_id), store.height
        for stored in store.blocks():
            header, _ = stored.check(store.path)
            same = encode(machine.execute(stored.block.input)) == stored.result_bytes
            if not same or state.commitment() != header.state_commitment:
                raise DamagedBlockError(f"executing block {stored.height} does not give what the log says", _COMPARE)
            machine.commit(stored.height)
            if progress:
                progress(stored.height, last)
        yield state
