"""A state, verified whole against what the members signed before anybody reads from it.

State files are caches. Each record is hashed again (some 2 microseconds each), the sum is compared with the commitment
in a signed header, and what is read afterwards comes from the same snapshot of the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.errors import LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.beginning import log_begins_after
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.signers import Endorsement, Headers, NoHeaders, Witnesses
from hmchain.ledger.state import SnapshotError, State, StateError, UnreadableStateError
from hmchain.ledger.unreadable import UnreadableError

VALIDATORS, STATE = "validators", "state.db"
"""Where the embedded engine keeps the states of all, and a node its own."""


class NoStateError(LedgerError):
    """The ledger's directory holds blocks and no validator's state."""

    code = "no_state"


class DamagedStateError(LedgerError):
    """A state on disk is not the one that the members signed."""

    code = "damaged_state"


class StaleStateError(LedgerError):
    """A state on disk is one that was signed, and blocks were decided since."""

    code = "stale_state"


@dataclass(frozen=True)
class VerifiedState:
    """A state that was compared with what members signed."""

    state: State
    signed: Endorsement
    logged: int = 0
    """The last block that the log held when the state was read: this one's, or the next, which is just being done."""

    @property
    def words(self) -> str:
        """Words on who signed it, that the tip is not signed yet, or that another block follows."""
        more = f"; block {self.logged} follows it" if self.logged > self.state.height else ""
        return self.signed.words(self.state.height) + more

    @property
    def whole(self) -> bool:
        """True if all of it is signed, and nothing follows it."""
        return self.is_signed and self.state.height >= self.logged

    @property
    def is_signed(self) -> bool:
        """True if all of it is signed."""
        return bool(self.signed.names) and self.signed.height >= self.state.height


@contextmanager
def open_state(directory: Path, headers: Headers | None = None) -> Iterator[VerifiedState]:
    """The newest state in a ledger's directory, verified; another process may be writing it.

    `headers` gives CometBFT's signed headers, by default those that are kept beside the log. Raises `NoStateError`,
    `DamagedStateError` or `StaleStateError` with the way to mend it, `ProtocolError`, or another `LedgerError` for
    what cannot be read.
    """
    genesis_file.load(directory / genesis_file.FILE)  # a ledger that needs another program is not touched
    with opened(_newest(directory), directory, headers) as found:
        yield found


@contextmanager
def opened(path: Path, directory: Path, headers: Headers | None = None) -> Iterator[VerifiedState]:
    """One state file of a ledger's directory, verified. Raises as `open_state` does."""
    genesis = genesis_file.load(directory / genesis_file.FILE)
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
        logged = store.height  # asked for before the state is read: who writes has committed all of them but the last
    with closing(_opened(path)) as state:
        try:
            if not state.is_sound():
                raise damaged(path, "its records are not those that its own commitment is of")
            signed = _signed(path, directory, genesis, state, headers)
            if logged > state.height + 1:
                what = f"{path} is the state after block {state.height}, and the log goes on to block {logged}"
                raise StaleStateError(what, _mend(path))
            yield VerifiedState(state, signed, logged)
        except UnreadableStateError:
            raise
        except (StateError, sqlite3.DatabaseError) as error:
            raise damaged(path, "it cannot be read through") from error


def cut_off(directory: Path, store: BlockStore) -> str:
    """The state in a ledger's directory that knows more than the log beside it, in words; empty where none does.

    One that is damaged says nothing here: whoever reads it names it.
    """
    for path in state_files(directory):
        try:
            with closing(State.open_read_only(path)) as state:
                height, commitment = state.height, state.commitment()
            ends = store.height or log_begins_after(directory)
            if height <= ends or (path.name == STATE and _is_of_log(directory, store, height, commitment)):
                continue
        except LedgerError:
            continue
        else:
            told = f"the log ends at block {ends}, and {path} is of block {height}"
            return f"{told}: the last blocks were cut off, or that state was changed"
    return ""


def _is_of_log(directory: Path, store: BlockStore, height: int, commitment: bytes) -> bool:
    """True of the state that a node's log leads to: blocks that are not in it changed nothing."""
    if (last := store.last(height)) is not None:
        return last.block.header.state_commitment == commitment
    snapshot = SnapshotStore(directory / BEGINNING)
    if not snapshot.height:
        return beginning.commitment(genesis_file.load(directory / genesis_file.FILE)) == commitment
    with closing(State()) as scratch:
        try:
            snapshot.restore(scratch, commitment)
        except UnreadableError:
            raise
        except SnapshotError:
            return False
        return True


def state_files(directory: Path) -> list[Path]:
    """All states that a ledger's directory holds."""
    return sorted([*(directory / VALIDATORS).glob("*.db"), *directory.glob(STATE)])


def _newest(directory: Path) -> Path:
    heights = {}
    for path in state_files(directory):
        with closing(_opened(path)) as state:
            heights[path] = state.height
    if not heights:
        raise no_state(directory)
    return max(heights, key=lambda path: heights[path])


def _opened(path: Path) -> State:
    try:
        return State.open_read_only(path)
    except UnreadableStateError:
        raise
    except StateError as error:
        raise damaged(path, "it is no sound state database") from error


def _signed(path: Path, directory: Path, genesis: Genesis, state: State, headers: Headers | None) -> Endorsement:
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store:
        if state.height == genesis.height or state.is_new:
            return _founding(path, genesis, state)
        witnesses = Witnesses(genesis, state)
        if path.name != STATE:
            return _by_commit(path, store, witnesses, state)
        return _by_headers(path, store, witnesses, state, headers or _kept(directory))


def _founding(path: Path, genesis: Genesis, state: State) -> Endorsement:
    """Nothing was decided yet: the genesis is all there is to compare with; a node that just starts lacks even that."""
    if state.is_new:
        return Endorsement(genesis.height)
    if beginning.commitment(genesis) != state.commitment():
        raise damaged(path, "it is not the one that the genesis gives")
    return founders(genesis)


def founders(genesis: Genesis) -> Endorsement:
    """Those whose word the first state is."""
    names = tuple(member.organisation for member in genesis.members)
    return Endorsement(genesis.height, names, len(names))


def _by_commit(path: Path, store: BlockStore, witnesses: Witnesses, state: State) -> Endorsement:
    """On the embedded engine a block's own header holds the state that it gave, and the votes lie beside it."""
    stored = store.get(state.height)
    if stored is None:
        ends = f"which the log of blocks does not hold: that ends at block {store.height}"
        raise damaged(path, f"it is of block {state.height}, {ends}")
    header, _ = stored.check(store.path)
    if header.state_commitment != state.commitment():
        raise damaged(path, f"it is not the state that was signed at block {state.height}")
    signed = witnesses.of_commit(header, stored.commit)
    if signed is None:
        raise damaged(path, f"too few members signed block {state.height}, which it is of")
    return signed


def _by_headers(path: Path, store: BlockStore, witnesses: Witnesses, state: State, headers: Headers) -> Endorsement:
    """On CometBFT the next header holds it, or the block's own where the block changed nothing.

    The log has a say too: the state of a block is no state of the next one, which no header at hand may follow yet.
    """
    height, commitment = state.height, state.commitment().hex().upper()
    following, own = headers.get(height + 1), headers.get(height)
    unchanged = own is not None and own.header.app_hash.upper() == commitment
    if following is None and own is not None and not unchanged:
        following = headers.wait(height + 1)
    if following is not None and following.header.app_hash.upper() != commitment:
        raise damaged(path, f"it is not the state that the members signed after block {height}")
    logged = store.last(state.height)
    if logged is not None and logged.check(store.path)[0].state_commitment != state.commitment():
        raise damaged(path, f"it is not the state that block {logged.height} gave, the last in the log up to there")
    vouches = following or (own if unchanged else None)
    if vouches is not None:
        signed = witnesses.of_header(vouches, height)
        if signed is None:
            raise damaged(path, f"too few members signed header {vouches.header.height}, which it is compared with")
        return signed
    before = witnesses.of_header(own, height - 1) if own is not None else None
    return before or Endorsement(0)


def _kept(directory: Path) -> Headers:
    return Archive.load(directory) or NoHeaders()


def no_state(directory: Path) -> NoStateError:
    """The error for a bare copy of the blocks."""
    return NoStateError(f"{directory} holds no validator's state", "take it from a member's own ledger")


def damaged(path: Path, what: str) -> DamagedStateError:
    """The error for a state file that is not what was signed, with the way to mend it."""
    return DamagedStateError(f"{path} cannot be believed: {what}", _mend(path))


def _mend(path: Path) -> str:
    if path.name == STATE:
        return "`hmchain node start` executes the blocks that it lacks, or all of them (stop the node first if it runs)"
    return f"`hmchain ledger rebuild --dir {path.parent.parent}` puts it aside and executes the blocks again"
