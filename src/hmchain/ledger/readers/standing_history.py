"""Standings of all members over a ledger's life, by executing its blocks again: no state keeps what was before it.

Each block must give the state that the next header signs, so a history of other blocks than those is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.members import validators
from hmchain.ledger.state import State
from hmchain.ledger.transactions import believed
from hmchain.ledger.transition import Machine
from hmchain.plain import Progress

_AUDIT = "`hmchain audit verify` names the first thing that is wrong"


@dataclass(frozen=True)
class StandingThen:
    """How one member stood."""

    power: int
    consensus: int
    """0 to 10 000."""
    jailed: bool


@dataclass(frozen=True)
class StandingPoint:
    """How all members stood after a block."""

    height: int
    time_ms: int
    members: Mapping[str, StandingThen]


def point(state: State) -> StandingPoint:
    """How all members stand in a state."""
    found = {each.organisation: StandingThen(each.power, each.consensus, each.jailed) for each in validators(state, {})}
    return StandingPoint(state.height, standings.time_ms(state), found)


def history(directory: Path, points: int, progress: Progress | None = None) -> list[StandingPoint]:
    """At most about so many points over the whole log in a ledger's directory, the last block's among them.

    Signatures are not checked, nor what a snapshot begins with; what the last point is of can be compared with a state
    that was verified. Raises `DamagedBlockError` where a block does not give what its header says.
    """
    genesis = genesis_file.load(directory / genesis_file.FILE)
    with closing(BlockStore(directory / BLOCKS, read_only=True)) as store, closing(State()) as state:
        beginning.begin(state, genesis, directory)
        machine, count = Machine(state, genesis.chain_id), store.count_blocks()
        every, found = max(1, count // points), [point(state)]
        for number, stored in enumerate(store.blocks(), start=1):
            block = stored.block
            machine.execute(block.input, believed)
            if state.commitment() != block.header.state_commitment:
                raise DamagedBlockError(f"executing block {stored.height} does not give what the log says", _AUDIT)
            machine.commit(stored.height)
            if number % every == 0 or number == count:
                found.append(point(state))
            if progress and number % every == 0:
                progress(number, count)
        return found
