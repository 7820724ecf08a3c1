"""Four hospitals' machines: a node each, in folders of their own, on loopback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hmchain.application.node.opening import open_hospital
from hmchain.application.node.status import NodeStatus, node_status
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, find_binary
from hmchain.ledger.transactions import transaction_digest
from hmchain.records.pictures.prepared import Images
from support.ports import free_ports

NAMES = ("east", "north", "south", "west")


SCHEMA = Schema("image", 1, 16, 16, ("dark", "bright"))


WAIT_SECONDS = 120


def hmchain(*arguments: str, status: int = 0) -> str:
    """Run a command as an operator would; returns what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        assert main(list(arguments)) == status, printed.getvalue()
    return printed.getvalue()


def answer(*arguments: str, status: int = 0) -> Any:
    return json.loads(hmchain(*arguments, "--json", status=status))


def until(condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.1)


@dataclass
class Site:
    """One hospital's machine."""

    folder: NodeFolder
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "hmchain", "node", "start", "--dir", str(self.folder.path)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)

    def kill(self) -> None:
        """Power off: the command, the application and CometBFT, with no time for anything."""
        assert self.process is not None
        for process in [self.process.pid, *processes_of(self.folder.path)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(timeout=60)

    def status(self) -> NodeStatus:
        return node_status(self.folder)


def processes_of(folder: Path, program: str = "") -> list[int]:
    """Processes of a program whose command line names a folder, or something in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            named = any(word == str(folder) or word.startswith(f"{folder}/") for word in words)
            if named and words[0].endswith(program):
                found.append(int(path.parent.name))
    return found


@dataclass
class Consortium:
    """The four of them."""

    genesis: bytes
    sites: dict[str, Site] = field(default_factory=dict)

    def agree(self) -> bool:
        """Whether all nodes are at one height with one state."""
        found = {(status.state_height, status.commitment) for status in (s.status() for s in self.sites.values())}
        return len(found) == 1


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    try:
        find_binary()
    except CometBFTMissingError as missing:
        pytest.skip(str(missing))
    base = tmp_path_factory.mktemp("net")
    ports = free_ports(2 * len(NAMES))
    folders = {name: base / name for name in NAMES}
    for name, (p2p, rpc) in zip(NAMES, zip(ports[::2], ports[1::2], strict=True), strict=True):
        listen = ["--address", f"127.0.0.1:{p2p}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}"]
        hmchain("node", "init", name, "--title", name.title(), *listen, "--dir", str(folders[name]))
    members = [str(folder / "member.json") for folder in folders.values()]
    made = answer("network", "init", *members, "--chain", "four", "--output", str(base / "network.json"))
    consortium = Consortium(bytes.fromhex(made["genesis"]))
    try:
        for name, folder in folders.items():
            join = ("network", "join", str(base / "network.json"), "--dir", str(folder))
            assert "agreed on" in hmchain(*join, "--genesis", "00" * 32, status=2)
            hmchain(*join, "--genesis", made["genesis"])
            toml = folder / "node.toml"
            toml.write_text(toml.read_text().replace('objects = ""', f"objects = {json.dumps(str(base / 'objects'))}"))
            consortium.sites[name] = Site(NodeFolder(folder))
        for site in consortium.sites.values():
            site.start()
        until(lambda: all(site.status().running for site in consortium.sites.values()), "four running nodes")
        until(lambda: all(len(site.status().peers) == 3 for site in consortium.sites.values()), "connections")
        register(consortium.sites["north"], "of-the-first-block")
        yield consortium
    finally:
        for site in consortium.sites.values():
            if site.process is not None:
                site.kill()


def register(site: Site, dataset: str) -> bytes:
    """A steward announces a dataset; returns the transaction's digest once it is in a block."""
    with open_hospital(site.folder) as member:
        hospital = member.hospital
        wire = hospital.register(dataset, SCHEMA)
        member.require(wire)
        return transaction_digest(wire)


def images(count: int, seed: int) -> Images:
    labels = np.arange(count) % 2
    noise = np.random.default_rng(seed).integers(0, 80, (count, 16, 16, 1))
    return Images((noise + 120 * labels[:, None, None, None]).astype(np.uint8), labels)
