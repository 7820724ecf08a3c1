"""Four real nodes on one machine, each as `hmchain node start` runs it, with keys that are the same each time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hmchain.application.node import home, joining
from hmchain.application.site import network
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.keys import SecretKey, SigningKey, WrappingKey, save_key
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.engines.cometbft.home import begin_record, node_id
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError

NAMES = ("east", "north", "south", "west")
_ROLES = ("steward", "scientist", "agent", "validator")
_STARTING_SECONDS, _LOOK_SECONDS = 180.0, 0.1


def signing_key(name: str, role: str) -> SigningKey:
    """The key of a hospital's office."""
    return SigningKey(digest("benchmark key", name.encode(), role.encode()))


def ports(count: int) -> list[int]:
    """So many ports that are free now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _make(folder: NodeFolder, name: str, p2p: int, rpc: int) -> Introduction:
    """What `hmchain node init` does."""
    address = f"127.0.0.1:{p2p}"
    folder.write_settings(
        NodeSettings(
            organisation=name, title=name.title(), address=address, p2p_listen=address, rpc_listen=f"127.0.0.1:{rpc}"
        )
    )
    seed = digest("benchmark", name.encode())
    offices = {role: signing_key(name, role) for role in _ROLES}
    wrapping = WrappingKey(seed * 2, seed)
    Keyring(*offices.values(), wrapping, SecretKey(seed), wrapping).save(folder.keys)
    begin_record(folder.engine)
    node_key = signing_key(name, "node")
    save_key(node_key, folder.node_key)
    keys = (key.public.raw for key in offices.values())
    introduction = Introduction(Member(name, name.title(), *keys, wrapping.public), node_id(node_key.public), address)
    network.save(introduction, folder.introduction)
    return introduction


def make(directory: Path, names: Sequence[str] = NAMES) -> list[NodeFolder]:
    """The folders of nodes that have joined one network, and were not started."""
    folders, free = [NodeFolder(directory / name) for name in names], ports(2 * len(names))
    introductions = [
        _make(folder, folder.path.name, *free[2 * number : 2 * number + 2]) for number, folder in enumerate(folders)
    ]
    made = network.found(introductions, "benchmark", now_ms())
    network.save(made, directory / "network.json")
    for folder in folders:
        joining.adopt(folder, made)
        home.make_home(folder)
    return folders


@contextmanager
def running(folders: Sequence[NodeFolder]) -> Iterator[list[RpcClient]]:
    """The nodes, started, after their first block; they end with the block."""
    with ExitStack() as held:
        clients = []
        for folder in folders:
            log = held.enter_context((folder.path / "start.log").open("wb"))
            command = [sys.executable, "-m", "hmchain", "node", "start", "--dir", str(folder.path)]
            process = held.enter_context(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
            held.callback(process.terminate)
            clients.append(held.enter_context(RpcClient([folder.settings().rpc_url])))
        deadline = time.monotonic() + _STARTING_SECONDS
        for folder, client in zip(folders, clients, strict=True):
            while not _has_block(client):
                if time.monotonic() > deadline:
                    raise SystemExit(f"{folder.path} made no block: {(folder.path / 'start.log').read_text()}")
                time.sleep(_LOOK_SECONDS)
        yield clients


def _has_block(client: RpcClient) -> bool:
    try:
        return client.status().sync_info.latest_block_height >= 1
    except (NoEndpointError, RpcError):
        return False
