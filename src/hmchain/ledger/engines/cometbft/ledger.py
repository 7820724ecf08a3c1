"""The ledger as a hospital's agent and people use it where CometBFT decides the blocks.

Reading is local, between blocks, so that nobody sees one half done. Writing goes through the node's RPC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hmchain.clock import now_ms
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft.rpc import RpcClient, RpcError
from hmchain.ledger.engines.cometbft.storage import STATE
from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transactions import transaction_digest

_POLL_SECONDS = 0.01


class OtherChainError(LedgerError):
    """A node belongs to another chain than the one that is asked for."""

    code = "other_chain"


class Source(Protocol):
    """Where states and blocks are read: files as they stand, or what was verified of them (`readers.follower`)."""

    @property
    def state(self) -> State:
        """The state that is followed."""

    def state_of(self, organisation: str) -> State:
        """The state of one hospital's own node."""

    def next(self) -> StoredBlock | None:
        """The next block that was logged, or None for now; the state is then not older than it."""

    def close(self) -> None:
        """Release files."""


class CometLedger:
    """One chain through its members' nodes (see `engines.ledger.Ledger`).

    A transaction that is in no block after `patience_seconds` is no longer waited for, and none once `is_lost` says
    that the node ended, which kept them in memory. Raises `NoEndpointError` and `OtherChainError`; whoever made client
    and source closes them then.
    """

    def __init__(
        self,
        client: RpcClient,
        genesis: Genesis,
        source: Source,
        *,
        clock_ms: Callable[[], int] = now_ms,
        patience_seconds: float = 30.0,
        is_lost: Callable[[], bool] = lambda: False,
    ) -> None:
        self.genesis, self.chain_id = genesis, genesis.chain_id
        self._client, self._source = client, source
        self._clock_ms, self._patience, self._is_lost = clock_ms, patience_seconds, is_lost
        chain = client.status().node_info.network
        if chain != self.chain_id:
            raise OtherChainError(f"the node is of chain {chain}, not {self.chain_id}", "name this network's node")
        self._waiting: dict[bytes, float] = {}

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of the node that is followed."""
        return self._source.state

    def state_of(self, organisation: str) -> State:
        """The state of one hospital's own node."""
        return self._source.state_of(organisation)

    def now_ms(self) -> int:
        """The time the next block would have, as nearly as a clock tells; never one that the members have behind them.

        What is over stays so where a clock was set back, for whoever was started again since, too.
        """
        return max(self._clock_ms(), self.genesis.time_ms + 1, standings.time_ms(self.state) + 1)

    @property
    def waiting(self) -> bool:
        """True while transactions that were sent from here are in no block yet."""
        return bool(self._waiting)

    # -- writing -------------------------------------------------------------------------------------------------------

    def submit(self, wire: bytes) -> bytes:
        """Hand a transaction to the node and return its digest. Raises `RefusedError`, `NoEndpointError`."""
        try:
            answer = self._client.broadcast(wire)
        except RpcError as error:
            if "mempool is full" not in error.what:
                raise
            raise RefusedError("mempool_full") from error
        if answer.code:
            raise RefusedError(answer.log or str(answer.code))
        digest = transaction_digest(wire)
        self._waiting[digest] = time.monotonic() + self._patience
        return digest

    def submit_many(self, wires: Sequence[bytes]) -> list[bytes | RefusedError]:
        """Hand over many: digests, or errors in place of what is refused."""
        answers: list[bytes | RefusedError] = []
        for wire in wires:
            try:
                answers.append(self.submit(wire))
            except RefusedError as error:
                answers.append(error)
        return answers

    def produce_block(self) -> tuple[Block, BlockResult] | None:
        """The next block that is not empty, once the node has it; None if none of ours is to be expected."""
        try:
            stored = self._next()
        except LedgerError:
            self._waiting.clear()  # what the node had not put into a block may be lost with it
            raise
        if stored is None:
            return None
        block, result = stored.block, stored.result
        for receipt in result.receipts:
            self._waiting.pop(receipt.transaction, None)
        return block, result

    def _next(self) -> StoredBlock | None:
        """The next block that is not empty; None once nothing is waited for any more."""
        while (stored := self._source.next()) is None:
            now = time.monotonic()
            self._waiting = {digest: until for digest, until in self._waiting.items() if until > now}
            if self._waiting and self._is_lost():
                self._waiting.clear()
            if not self._waiting:
                return None
            time.sleep(_POLL_SECONDS)
        return stored

    def close(self) -> None:
        """Release files and connections."""
        self._source.close()
        self._client.close()


class StoredStates:
    """The files of nodes that run in the same hands, as they stand: in a trial of all on one machine.

    `directories` names the folder of each node whose hospital acts here, as `storage.NodeStorage` keeps it; the first
    one is followed. A block is given once all have it, so that whoever acts next acts on it; a node that has not got it
    after `patience_seconds` is not waited for again before it caught up. Raises `StateError` and `BlockStoreError`.
    """

    def __init__(self, directories: Mapping[str, Path], *, patience_seconds: float = 2.0) -> None:
        self._patience, self._late = patience_seconds, frozenset[str]()
        self._paths = {name: directory / STATE for name, directory in directories.items()}
        self._states = {name: State.open_read_only(path) for name, path in self._paths.items()}
        self._log = next(iter(directories.values())) / BLOCKS
        self._blocks = BlockStore(self._log, read_only=True)
        self._seen = self.state.height

    @property
    def state(self) -> State:
        """The state of the node that is followed."""
        return next(iter(self._states.values()))

    def state_of(self, organisation: str) -> State:
        """The state of one hospital's own node."""
        return self._states[organisation]

    def next(self) -> StoredBlock | None:
        """The first block after the last one that was seen; empty blocks are not logged."""
        if self.state.height <= self._seen:
            self._renew()
        # A block is logged before its state is committed, so up to the state's height the log is whole.
        found = next(self._blocks.blocks(self._seen + 1, self.state.height), None)
        if found is not None:
            found.check(self._log)  # disks lie, and what is read here is acted on
            self._await_others(found.height)
        self._seen = found.height if found is not None else max(self._seen, self.state.height)
        return found

    def _await_others(self, height: int) -> None:
        """Wait until all nodes but those that are late have a block."""
        until = time.monotonic() + self._patience
        while (behind := self._behind(height)) - self._late and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            self._renew()
        self._late = behind

    def _behind(self, height: int) -> frozenset[str]:
        return frozenset(name for name, state in self._states.items() if state.height < height)

    def _renew(self) -> None:
        """Read the states as they are now."""
        for name, path in self._paths.items():
            fresh = State.open_read_only(path)
            self._states[name].close()
            self._states[name] = fresh

    def close(self) -> None:
        """Release files."""
        for state in self._states.values():
            state.close()
        self._blocks.close()
