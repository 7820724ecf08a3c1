"""The ledger as a hospital's agent and people use it where CometBFT decides the blocks.

Reading is local: the state is the hospital's own node's, opened read-only at one height and renewed between steps, so
that nobody sees a block half done. Writing goes through the node's RPC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hmchain.errors import LedgerError
from hmchain.ledger.blocks import Block, BlockResult, Event
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.engines.embedded import RefusedError
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transactions import transaction_digest

_POLL_SECONDS = 0.01


class OtherChainError(LedgerError):
    """A node belongs to another chain than the one that is asked for."""

    code = "other_chain"


class CometLedger:
    """One chain through its members' nodes (see `application.consortium.Ledger`).

    `states` names the state database of each hospital whose agent runs here; the first one is followed. A transaction
    that is in no block after `patience_seconds` is no longer waited for. Raises `NoEndpointError`, `OtherChainError`,
    `StateError`.
    """

    def __init__(
        self,
        client: RpcClient,
        genesis: Genesis,
        states: Mapping[str, Path],
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        patience_seconds: float = 30.0,
    ) -> None:
        self.genesis = genesis
        self._client = client
        self._clock_ms, self._patience = clock_ms, patience_seconds
        chain = client.status().node_info.network
        if chain != genesis.chain_id:
            raise OtherChainError(f"the node is of chain {chain}, not {genesis.chain_id}", "name this network's node")
        self._paths = dict(states)
        self._states = {name: State.open_read_only(path) for name, path in self._paths.items()}
        self._time_ms = 0
        self._seen = self.state.height
        self._waiting: dict[bytes, float] = {}

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> str:
        """The chain's name."""
        return self.genesis.chain_id

    @property
    def height(self) -> int:
        """Height of the last block that `produce_block` returned."""
        return self._seen

    @property
    def state(self) -> State:
        """The state of the node that is followed."""
        return next(iter(self._states.values()))

    def state_of(self, organisation: str) -> State:
        """The state of one hospital's own node."""
        return self._states[organisation]

    def now_ms(self) -> int:
        """The time the next block would have, as nearly as a clock tells."""
        return max(self._clock_ms(), self._time_ms + 1)

    @property
    def waiting(self) -> bool:
        """Whether transactions that were sent from here are in no block yet."""
        return bool(self._waiting)

    def events(self, first: int) -> list[tuple[int, Event]]:
        """Events of all blocks from height `first` on."""
        found: list[tuple[int, Event]] = []
        for height in range(first, self._seen + 1):
            _, result = self._decided(height)
            found += [(height, event) for receipt in result.receipts for event in receipt.events]
            found += [(height, event) for event in result.events]
        return found

    # -- writing -------------------------------------------------------------------------------------------------------

    def submit(self, wire: bytes) -> bytes:
        """Hand a transaction to the node and return its digest. Raises `RefusedError`, `NoEndpointError`."""
        answer = self._client.broadcast(wire)
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
        """The next block that the node has executed; waits for it only while transactions of ours wait too."""
        while not self._renewed():
            self._forget_late()
            if not self._waiting:
                return None
            time.sleep(_POLL_SECONDS)
        self._seen += 1
        block, result = self._decided(self._seen)
        self._time_ms = block.header.time_ms
        for receipt in result.receipts:
            self._waiting.pop(receipt.transaction, None)
        return block, result

    def _renewed(self) -> bool:
        """Whether the followed state is past the last block that was seen; opens the states anew if it grew."""
        if self.state.height > self._seen:
            return True
        first, path = next(iter(self._paths.items()))
        fresh = State.open_read_only(path)
        if fresh.height <= self._seen:
            fresh.close()
            return False
        self._replace(first, fresh)
        for name, other in list(self._paths.items())[1:]:
            self._replace(name, State.open_read_only(other))
        return True

    def _replace(self, name: str, fresh: State) -> None:
        self._states[name].close()
        self._states[name] = fresh

    def _forget_late(self) -> None:
        now = time.monotonic()
        self._waiting = {digest: until for digest, until in self._waiting.items() if until > now}

    def _decided(self, height: int) -> tuple[Block, BlockResult]:
        raise NotImplementedError

    def close(self) -> None:
        """Release states and connections."""
        for state in self._states.values():
            state.close()
        self._client.close()
