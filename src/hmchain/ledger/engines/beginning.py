"""Where a chain's blocks begin: with the state of its genesis, or with one that was carried over from a chain before.

The latter lies beside the genesis, in the folder `founding` of the ledger's directory, in the form of a snapshot; the
genesis names its commitment.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import refounding
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, SnapshotStore
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import SnapshotError, State

FOUNDING = "founding"
"""Where a ledger's directory holds the state that its chain was founded again with."""
BEFORE = "before"
"""Where it may hold the ledger of the chain before: what happened there is read and audited with it."""


def begin(state: State, genesis: Genesis, directory: Path) -> None:
    """Bring an empty state to where the chain begins, committed.

    Raises what `genesis.initialise` raises; of a chain that was founded again `RefoundingError` where somebody has not
    signed, and `SnapshotError` where the state in the ledger's `directory` is none, or not that of the genesis.
    """
    if genesis.before is None:
        genesis_file.initialise(state, genesis)
        state.commit(0)
        return
    genesis_file.require_protocol(genesis)
    refounding.require_signed(genesis)
    store = SnapshotStore(directory / FOUNDING)
    if store.height != genesis.height:
        raise SnapshotError(
            f"{directory / FOUNDING} does not hold the state that {genesis.chain_id} begins with",
            "fetch that folder from another member: the genesis says whether it is the right one",
        )
    store.restore(state, genesis.before.founding)


def commitment(genesis: Genesis) -> bytes:
    """The commitment of the state with which a chain begins. Raises what `genesis.initialise` raises."""
    if genesis.before is not None:
        return genesis.before.founding
    with closing(State()) as state:
        genesis_file.initialise(state, genesis)
        return state.commitment()


def holds(directory: Path, genesis: Genesis) -> bool:
    """Whether a ledger's directory holds a state that a chain which was founded again may begin with."""
    return SnapshotStore(directory / FOUNDING).height == genesis.height


def keep(state: State, directory: Path) -> None:
    """Keep a committed state as the one with which the chain in a ledger's directory begins."""
    SnapshotStore(directory / FOUNDING).take(state)


def log_begins_after(directory: Path) -> int:
    """The height after which the log in a ledger's directory begins: its chain's, or a later snapshot's."""
    return max(SnapshotStore(directory / name).height for name in (BEGINNING, FOUNDING))
