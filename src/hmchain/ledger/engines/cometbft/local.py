"""A whole network on this machine, over loopback: for trials, demonstrations and tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.chain import SNAPSHOT_BLOCKS
from hmchain.ledger.engines.cometbft.home import HomeSettings, StateSync, Timing, begin_record, node_id, write_home
from hmchain.ledger.engines.cometbft.process import NodeFiles, NodeProcess, app_socket, find_binary
from hmchain.ledger.engines.cometbft.storage import STATE
from hmchain.ledger.genesis import Genesis

LOOPBACK = "127.0.0.1"


class LocalNode(NodeProcess):
    """One organisation's node."""

    def __init__(self, organisation: str, files: NodeFiles, rpc_port: int, p2p_port: int, key: SigningKey) -> None:
        super().__init__(files)
        self.organisation = organisation
        self.rpc_port, self.p2p_port, self.node_key = rpc_port, p2p_port, key

    @property
    def rpc_url(self) -> str:
        """Where its CometBFT answers."""
        return f"http://{LOOPBACK}:{self.rpc_port}"

    @property
    def peer(self) -> str:
        """The address by which other nodes dial it."""
        return f"{node_id(self.node_key.public)}@{LOOPBACK}:{self.p2p_port}"

    @property
    def state(self) -> Path:
        """Its state database."""
        return self.files.directory / STATE


class LocalNetwork:
    """Nodes of `organisations` (default: all members that `validator_keys` names), each in its folder of `directory`.

    As a context manager it starts them all, and stops them at the end. Raises `CometBFTMissingError`.
    """

    def __init__(
        self,
        directory: Path,
        genesis: Genesis,
        validator_keys: Mapping[str, SigningKey],
        *,
        timing: Timing | None = None,
        snapshot_blocks: int = SNAPSHOT_BLOCKS,
        log_level: str = "error",
    ) -> None:
        find_binary()
        self.genesis = genesis
        self._directory, self._keys = directory, dict(validator_keys)
        self._timing, self._snapshot_blocks, self._log_level = timing or Timing(), snapshot_blocks, log_level
        founders = [member.organisation for member in genesis.members if member.organisation in self._keys]
        self.nodes = {
            name: self._node(name, *ports) for name, ports in zip(founders, _free_ports(founders), strict=True)
        }
        for name in founders:
            self.write_home(name)

    def add(self, organisation: str, validator_key: SigningKey, state_sync: StateSync | None = None) -> LocalNode:
        """Make another node, not started: a member's that joined later, or one that fetches a snapshot."""
        self._keys[organisation] = validator_key
        ((rpc_port, p2p_port),) = _free_ports([organisation])
        self.nodes[organisation] = self._node(organisation, rpc_port, p2p_port)
        self.write_home(organisation, state_sync=state_sync)
        return self.nodes[organisation]

    def write_home(
        self, organisation: str, *, peers: Sequence[str] | None = None, state_sync: StateSync | None = None
    ) -> None:
        """Write CometBFT's home of one node; it dials `peers` (default: all other organisations' nodes)."""
        node = self.nodes[organisation]
        dialled = [name for name in self.nodes if name != organisation] if peers is None else peers
        settings = HomeSettings(
            moniker=organisation,
            app=node.files.app,
            rpc_listen=f"{LOOPBACK}:{node.rpc_port}",
            p2p_listen=f"{LOOPBACK}:{node.p2p_port}",
            peers=tuple(self.nodes[name].peer for name in dialled),
            timing=self._timing,
            log_level=self._log_level,
            state_sync=state_sync,
        )
        if not node.files.home.exists():
            begin_record(node.files.home)
        write_home(node.files.home, self.genesis, self._keys[organisation], node.node_key, settings)

    def _node(self, organisation: str, rpc_port: int, p2p_port: int) -> LocalNode:
        place = self._directory / organisation
        files = NodeFiles(
            directory=place,
            genesis=place / genesis_file.FILE,
            home=place / "engine",
            app=_app_address(place),
            log=place / "node.log",
            snapshot_blocks=self._snapshot_blocks,
        )
        place.mkdir(parents=True, exist_ok=True)
        genesis_file.save(self.genesis, files.genesis)
        return LocalNode(organisation, files, rpc_port, p2p_port, SigningKey.generate())

    def start(self) -> None:
        """Start all nodes, side by side."""
        self._each(NodeProcess.start)

    def stop(self) -> None:
        """Stop all nodes, side by side."""
        self._each(NodeProcess.stop)

    def _each(self, act: Callable[[NodeProcess], None]) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(act, self.nodes.values()))

    def __enter__(self) -> LocalNetwork:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _app_address(place: Path) -> str:
    """A socket in the node's folder; a port where its path would be longer than a socket's may be."""
    if address := app_socket(place):
        return address
    ((port, _),) = _free_ports([place.name])
    return f"tcp://{LOOPBACK}:{port}"


def _free_ports(names: Sequence[str]) -> list[tuple[int, int]]:
    """Two ports a node that nobody listens at now; they are held open together, so that all differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2 * len(names))]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        ports = [each.getsockname()[1] for each in sockets]
    return list(zip(ports[::2], ports[1::2], strict=True))
