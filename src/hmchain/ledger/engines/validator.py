"""One validator of the embedded engine: its key, its own state, and how that state comes back after any accident.

A state is only a cache of the blocks: one that is missing, damaged or diverged is put aside and replayed from genesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hmchain import files, sqlite
from hmchain.errors import LedgerError
from hmchain.keys import SigningKey
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.chain import InvalidBlockError, Tip, check_block, is_timely
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.proposer import Validators, address
from hmchain.ledger.state import State, StateError
from hmchain.ledger.transactions import authenticate
from hmchain.ledger.transition import Authenticator, Machine


class DivergenceError(LedgerError):
    """A stored block does not give the state that was signed."""

    code = "divergence"


class Behaviour(Enum):
    """What a validator does; all but the first are faults that can be injected."""

    HONEST = "honest"
    SILENT = "silent"
    """Neither proposes nor votes."""
    INVALID_BLOCK = "invalid block"
    """As proposer, signs a block whose state gives itself the best reputation."""
    EQUIVOCATE = "equivocate"
    """Votes for two different blocks in one round."""
    WITHHOLD_VOTES = "withhold votes"
    """As proposer, leaves one honest validator's vote out of the last commit."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A state that was put aside and rebuilt from the blocks."""

    validator: str
    reason: str
    kept_at: Path
    """Where the damaged database lies now, for whoever wants to know what happened."""


class Validator:
    """One validator in this process."""

    def __init__(self, name: str, key: SigningKey | None, path: Path, genesis: Genesis, store: BlockStore) -> None:
        self.name = name
        self.key = key
        """By which it signs; None if the key that has its power is not in this process."""
        self._held = {address(key.public.raw): key} if key else {}
        self.behaviour = Behaviour.HONEST
        self.recoveries: list[Recovery] = []
        self._path = path
        self._genesis = genesis
        self._store = store
        self.machine = self._opened()
        self.follow()

    @property
    def state(self) -> State:
        """Its own state."""
        return self.machine.state

    @property
    def awake(self) -> bool:
        """Whether it takes part in voting at all."""
        return self.key is not None and self.behaviour is not Behaviour.SILENT

    def hold(self, key: SigningKey) -> None:
        """Have another key ready, for when its owner's power is handed over to it."""
        self._held[address(key.public.raw)] = key

    def sign_as(self, place: bytes) -> None:
        """Sign with the key of this address from now on."""
        self.key = self._held.get(place)

    def sign(self, message: bytes) -> bytes:
        """Sign as this validator; empty if its key is not in this process."""
        return self.key.sign(message) if self.key else b""

    def agrees(self, tip: Tip, block: Block, validators: Validators, authenticator: Authenticator, now_ms: int) -> bool:
        """Check a block and execute it on the own state, uncommitted; whether everything is as its header says."""
        if not is_timely(block.header, now_ms):
            return False
        try:
            check_block(tip, block, validators)
        except InvalidBlockError:
            return False
        return self.executes(block, authenticator) is not None

    def executes(self, block: Block, authenticator: Authenticator = authenticate) -> BlockResult | None:
        """Execute a block on the own state, uncommitted; None if its header says otherwise."""
        result = self.machine.execute(block.input, authenticator)
        header = block.header
        agreed = result.root == header.receipts_root and self.state.commitment() == header.state_commitment
        return result if agreed else None

    def follow(self) -> None:
        """Execute the stored blocks that this state has not seen; rebuild it if they do not fit.

        Raises `DivergenceError` if even a rebuilt state does not follow, `StateError` if it cannot be written.
        """
        if self._replayed() is None:
            return
        self._rebuild("it does not lead to the state that was signed")
        diverged = self._replayed()
        if diverged is not None:
            raise DivergenceError(
                f"{self.name} gets another state from block {diverged} than was signed",
                "run `hmchain audit verify` to see what is wrong with the stored blocks",
            )

    def close(self) -> None:
        """Close the state."""
        self.state.close()

    def _replayed(self) -> int | None:
        """Execute what is missing; the height at which this failed, or None."""
        for stored in self._store.blocks(self.state.height + 1):
            if self.executes(stored.block) is None:
                self.machine.rollback()
                return stored.height
            self.machine.commit(stored.height)
        return None

    # -- damage ----------------------------------------------------------------------------------------------------

    def _opened(self) -> Machine:
        """The state in its file, or a fresh one in its place if that file is damaged."""
        if not self._path.exists():
            sqlite.remove_logs(self._path)
        try:
            state = State(self._path)
        except StateError as error:
            return self._replaced(error.what)
        if state.is_new:
            return self._founded(state)
        damage = self._damage(state)
        if damage is None:
            return Machine(state, self._genesis.chain_id)
        state.close()
        return self._replaced(damage)

    def _damage(self, state: State) -> str | None:
        """What is wrong with a state that opened, or None.

        Raises `BlockStoreError` if it has seen blocks that the log has lost.
        """
        try:
            if not state.is_sound():
                return "its records do not match its commitment"
        except StateError as error:
            return error.what
        if state.height > max(self._store.height, self._genesis.height):
            raise BlockStoreError(
                f"the log of blocks ends at height {self._store.height}, and {self.name} has executed {state.height}",
                "blocks were lost: restore blocks.db from a copy, or from another member",
            )
        stored = self._store.get(state.height)
        expected = stored.block.header.state_commitment if stored else beginning.commitment(self._genesis)
        return None if state.commitment() == expected else "it is not the state that was signed"

    def _rebuild(self, reason: str) -> None:
        self.state.close()
        self.machine = self._replaced(reason)

    def _replaced(self, reason: str) -> Machine:
        """Put the damaged file aside and begin anew."""
        kept_at = files.free_name(self._path.with_suffix(".damaged"))
        self._path.rename(kept_at)
        sqlite.remove_logs(self._path)
        self.recoveries.append(Recovery(self.name, reason, kept_at))
        return self._founded(State(self._path))

    def _founded(self, state: State) -> Machine:
        beginning.begin(state, self._genesis, self._store.path.parent)
        return Machine(state, self._genesis.chain_id)
