"""A network whose nodes run as `hmchain node start`, each on a host of its own (see `namespaces`), with fixed keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from hmchain.application.node import home, joining
from hmchain.application.site import network
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction, Network
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.canonical import digest
from hmchain.keys import SecretKey, WrappingKey, save_key
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft.home import begin_record, node_id
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.state import State
from support.cometbft_network import NAME, RunningNetwork, eventually, member, needs_cometbft, now_ms, signing_key
from support.namespaces import Host, Lan, lan

_FOLDER = "/srv/node"
_PORT = 26656


class _FromHost(httpx.HTTPTransport):
    """Connects as if this process ran on a host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._host.entered():
            return super().handle_request(request)


class HostedNode:
    """One hospital's machine, with its node in `place`, below `/srv`."""

    def __init__(self, name: str, host: Host, place: str = _FOLDER) -> None:
        self.name, self.host = name, host
        self.place = place
        self.folder = NodeFolder(host.srv / Path(place).name)
        self.process: subprocess.Popen[bytes] | None = None

    def make(self) -> Introduction:
        """What `hmchain node init` does, with keys that are the same in every run."""
        settings = NodeSettings(organisation=self.name, title=self.name.upper(), address=f"{self.host.address}:{_PORT}")
        seed = digest("test", self.name.encode())
        roles = [signing_key(self.name, role) for role in ("steward", "scientist", "agent", "validator")]
        wrapping = WrappingKey(seed * 2, seed)
        Keyring(*roles, wrapping, SecretKey(seed), wrapping).save(self.folder.keys)
        begin_record(self.folder.engine)
        node_key = signing_key(self.name, "node")
        save_key(node_key, self.folder.node_key)
        introduction = Introduction(member(self.name), node_id(node_key.public), settings.address)
        network.save(introduction, self.folder.introduction)
        self.folder.write_settings(settings)
        return introduction

    def change_settings(self, lines: Mapping[str, str]) -> None:
        """Replace lines of `node.toml`."""
        text = self.folder.toml.read_text("utf-8")
        for old, new in lines.items():
            assert old in text
            text = text.replace(old, new)
        self.folder.toml.write_text(text, "utf-8")

    def join(self, made: Network) -> None:
        joining.adopt(self.folder, made)
        home.make_home(self.folder)

    def start(self) -> None:
        command = [sys.executable, "-m", "hmchain", "node", "start", "--dir", self.place]
        self.process = self.host.popen(*command, log=self.host.srv / "start.log")

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=120)

    def power_off(self) -> None:
        """End everything at once."""
        self.host.power_off()
        if self.process is not None:
            self.process.wait(timeout=120)

    def hmchain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command on its machine, for this node."""
        return self.give(*arguments, "--dir", self.place)

    def give(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give a command on its machine."""
        command = self.host.command(sys.executable, "-m", "hmchain", *arguments)
        wide = {**os.environ, "COLUMNS": "400"}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=wide)

    def said(self) -> str:
        """What its processes printed or logged."""
        logs = [self.host.srv / "start.log", self.folder.log]
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())


class HostedNetwork(RunningNetwork):
    """Nodes on hosts; what `RunningNetwork` can do, over the hosts' own loopback."""

    chain = ""
    """Known once the network is founded."""

    def __init__(self, switch: Lan) -> None:
        self.switch = switch
        self.machines = {name: HostedNode(name, host) for name, host in switch.hosts.items()}
        self.clients: dict[str, RpcClient] = {}
        self.sent = 0

    @property
    def names(self) -> list[str]:
        return list(self.machines)

    def client(self, name: str) -> RpcClient:
        if name not in self.clients:
            url = self.machines[name].folder.settings().rpc_url
            self.clients[name] = RpcClient([url], transport=_FromHost(self.switch.hosts[name]))
        return self.clients[name]

    def state(self, name: str) -> State:
        return State.open_read_only(self.machines[name].folder.state)


@contextmanager
def hosted(
    directory: Path,
    names: str = "abcd",
    *,
    parameters: Parameters | None = None,
    guests: str = "",
    settings: Mapping[str, str] | None = None,
) -> Iterator[HostedNetwork]:
    """A network of `names`, all started, after its first block; nothing of it is left at the end.

    `guests` are hosts with a node that has not joined; `settings` are lines of `node.toml` and what replaces them.

    What the nodes had to say is printed, so that pytest shows it with a failure.
    """
    needs_cometbft()
    with lan(directory, names + guests) as switch:
        made = HostedNetwork(switch)
        introductions = {name: machine.make() for name, machine in made.machines.items()}
        founding = network.found([introductions[name] for name in names], NAME, now_ms(), parameters)
        made.chain = founding.genesis.chain_id
        try:
            for machine in made.machines.values():
                machine.change_settings(settings or {})
                network.save(founding, machine.host.srv / "network.json")
            for name in names:
                made.machines[name].join(founding)
                made.machines[name].start()
            eventually(lambda: all(made.height(name) >= 1 for name in names), "the first block")
            yield made
        finally:
            for name, machine in made.machines.items():
                print(f"--- {name}\n{machine.said()[-4000:]}")
            for client in made.clients.values():
                client.close()
