"""A real network on loopback for tests: n nodes, each an application and a CometBFT process, with fixed keys.

Everything is bounded in time. Where the CometBFT program is missing, tests are skipped.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hmchain.canonical import Record, digest, encode
from hmchain.keys import SigningKey, WrappingKey
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft.answers import IncludedTransaction
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.local import LocalNetwork, LocalNode
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, SupervisedProcess, find_binary
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError
from hmchain.ledger.genesis import SALT_BYTES, found
from hmchain.ledger.state import State
from hmchain.ledger.transactions import sign
from support.paths import APPS

NAME = "end-to-end"
PATIENCE_SECONDS = 90.0
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
_ROLES = ("steward", "scientist", "agent", "validator")


def needs_cometbft() -> None:
    """Skip the test where there is no CometBFT."""
    try:
        find_binary()
    except CometBFTMissingError as error:
        pytest.skip(str(error))


def signing_key(name: str, role: str) -> SigningKey:
    return SigningKey(digest("test key", name.encode(), role.encode()))


def member(name: str) -> Member:
    wrapping = WrappingKey(digest("test", name.encode()) * 2, digest("test", name.encode()))
    return Member(name, name.upper(), *(signing_key(name, role).public.raw for role in _ROLES), wrapping.public)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until `condition` gives something true, and return it; nodes that do not answer yet are asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = condition()
        except (NoEndpointError, RpcError):
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass(repr=False)
class RunningNetwork:
    """Started nodes, and someone who writes to them."""

    nodes: LocalNetwork
    clients: dict[str, RpcClient] = field(default_factory=dict)
    sent: int = 0

    @property
    def chain(self) -> str:
        return self.nodes.genesis.chain_id

    @property
    def names(self) -> list[str]:
        return list(self.nodes.nodes)

    def node(self, name: str) -> LocalNode:
        return self.nodes.nodes[name]

    def client(self, name: str) -> RpcClient:
        if name not in self.clients:
            self.clients[name] = RpcClient([self.node(name).rpc_url])
        return self.clients[name]

    # -- writing -----------------------------------------------------------------------------------------------------

    def wire(self, name: str, body: Record, role: str = "steward") -> bytes:
        return sign(signing_key(name, role), self.chain, encode(body), os.urandom(16), now_ms() + 600_000)

    def submit(self, name: str, body: Record, *, through: str | None = None, role: str = "steward") -> bytes:
        """Send a transaction through a node (default: its sender's) and return its digest."""
        wire = self.wire(name, body, role)
        answer = self.client(through or name).broadcast(wire)
        assert answer.code == 0, answer.log
        return sha256(wire).digest()

    def register(self, name: str, *, through: str | None = None) -> IncludedTransaction:
        """Register a new dataset and wait until it is in a block."""
        self.sent += 1
        through = through or name
        transaction = self.submit(name, RegisterDataset(f"d{self.sent}", SCHEMA), through=through)
        found = self.client(through).wait_for(transaction, seconds=PATIENCE_SECONDS)
        assert found.tx_result.code == 0, found.tx_result.log
        return found

    # -- looking -----------------------------------------------------------------------------------------------------

    def height(self, name: str) -> int:
        return self.client(name).status().sync_info.latest_block_height

    def app_hash(self, name: str, height: int) -> str:
        """The commitment after block `height - 1`, which the header of `height` carries."""
        return self.client(name).block(height).block.header.app_hash

    def state(self, name: str) -> State:
        """A node's committed state; to be closed."""
        return State.open_read_only(self.node(name).state)

    def commitment(self, name: str) -> tuple[int, bytes]:
        state = self.state(name)
        try:
            return state.height, state.commitment()
        finally:
            state.close()

    def agreed(self, names: Sequence[str] | None = None, least: int = 1) -> int:
        """Wait until these nodes' states are at one height, at least `least`, with one commitment; the height."""

        def same() -> int:
            found = {self.commitment(name) for name in names or self.names}
            heights = {height for height, _ in found}
            if len(heights) == 1 and len(found) > 1:
                raise AssertionError(f"a fork: at height {heights} the states are {found}")
            return min(heights) if len(found) == 1 and min(heights) >= least else 0

        return int(eventually(same, f"one state on {names or self.names} from height {least} on"))

    def is_at_rest(self, name: str) -> bool:
        """Whether a node has a block and nothing is left to decide: the last header has the state's commitment."""
        height, commitment = self.commitment(name)
        return height > 0 and height == self.height(name) and self.app_hash(name, height).lower() == commitment.hex()

    # -- harming -----------------------------------------------------------------------------------------------------

    @staticmethod
    def kill(*processes: SupervisedProcess) -> None:
        """kill -9; whoever supervises starts them again."""
        for process in processes:
            if (pid := process.pid) is not None:
                with suppress(ProcessLookupError):  # its supervisor has seen its end meanwhile
                    os.kill(pid, signal.SIGKILL)

    def use_crashing_app(self, name: str) -> Path:
        """Give a node, not started yet, an application that kills itself where the returned file tells it to."""
        node = self.node(name)
        command = node.files.app_command(str(APPS / "crashing_app.py"))
        node.app = SupervisedProcess("the crashing application", command, node.files.log)
        return node.files.directory / "crash-at"


@contextmanager
def running(
    directory: Path,
    names: str = "abcd",
    *,
    parameters: Parameters | None = None,
    timing: Timing | None = None,
    prepare: Callable[[RunningNetwork], object] = lambda network: None,
    asleep: str = "",
    snapshot_blocks: int = 1000,
) -> Iterator[RunningNetwork]:
    """A network of `names`, all started but those `asleep`, after its first block; stopped at the end.

    What the nodes had to say is printed, so that pytest shows it with a failure.
    """
    needs_cometbft()
    founding = found(NAME, now_ms(), (member(name) for name in names), os.urandom(SALT_BYTES), parameters)
    keys = {name: signing_key(name, "validator") for name in names}
    nodes = LocalNetwork(directory, founding, keys, timing=timing, snapshot_blocks=snapshot_blocks)
    network = RunningNetwork(nodes)
    prepare(network)
    try:
        for name in names:
            if name not in asleep:
                network.node(name).start()
        awake = [name for name in names if name not in asleep]
        eventually(lambda: all(network.height(name) >= 1 for name in awake), "the first block")
        yield network
    finally:
        nodes.stop()
        for name, node in nodes.nodes.items():
            print(f"--- {name}\n{node.files.log.read_text()[-4000:]}" if node.files.log.exists() else f"--- {name}")
        for client in network.clients.values():
            client.close()
