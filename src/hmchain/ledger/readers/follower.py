"""A reader that stays: it verifies a state once, keeps a copy of its own, and goes on by executing signed blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from hmchain.canonical import encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.logs import DamagedBlockError, SignedLog
from hmchain.ledger.readers.signers import Headers, Signed, Witnesses
from hmchain.ledger.readers.states import open_state
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine

_AUDIT = "`hmchain audit verify` names the first thing that is wrong; a node executes its blocks anew when it starts"


class Follower:
    """The ledger in a directory as somebody sees it who reads for days; no file's change reaches what was verified.

    A block is executed here before it counts, and must give what its log says; what no header signs yet is followed all
    the same, and `signed` says up to where the copy is signed.
    """

    def __init__(self, directory: Path, store: BlockStore, genesis: Genesis, copy: State, signed: Signed) -> None:
        self.state, self.signed = copy, signed
        self._directory, self._store, self._genesis = directory, store, genesis
        self._machine = Machine(copy, genesis.chain_id)

    def advance(self, headers: Headers | None = None) -> int:
        """Take up the blocks that were logged since, and give how many; `headers` as in `open_state`.

        Raises `DamagedBlockError` for a block that is not what was signed, or does not give what it says: the copy is
        then as it was after the block before.
        """
        count, last = 0, None
        log = SignedLog(self._directory, self._store, self._genesis, self._witnesses(), headers)
        for stored in self._store.blocks(self.state.height + 1):
            vouched = log.signed(stored)
            self._execute(stored)
            self.signed, last, count = vouched or self.signed, stored, count + 1
        if last is None and self.signed.height < self.state.height:  # the tip may be signed by now
            last = self._store.last(self.state.height)
            self.signed = (log.signed(last) if last is not None else None) or self.signed
        return count

    def _witnesses(self) -> Witnesses:
        return Witnesses(self._genesis, self.state)

    def _execute(self, stored: StoredBlock) -> None:
        result = self._machine.execute(stored.block.input)
        same = self.state.commitment() == stored.block.header.state_commitment
        if not same or encode(result) != stored.result_bytes:
            self._machine.rollback()
            raise DamagedBlockError(f"executing block {stored.height} does not give what the log says", _AUDIT)
        self._machine.commit(stored.height)


@contextmanager
def follow(directory: Path, headers: Headers | None = None) -> Iterator[Follower]:
    """Verify the newest state in a ledger's directory, and follow the ledger from there. Raises as `open_state`."""
    genesis = genesis_file.load(directory / "genesis.json")
    with ExitStack() as stack:
        copy = stack.enter_context(closing(State()))
        with open_state(directory, headers) as found:
            if not found.state.is_new:
                copy.restore(found.state.snapshot(), found.state.height, found.state.commitment())
            signed = found.signed
        store = stack.enter_context(closing(BlockStore(directory / BLOCKS, read_only=True)))
        yield Follower(directory, store, genesis, copy, signed)
