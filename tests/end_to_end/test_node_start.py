"""What an operator sees of a node that does not come up, and folders in which one comes up nevertheless."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hmchain.application.site.node import NodeFolder
from support.cometbft_network import needs_cometbft
from support.ports import free_ports
from support.sites import Site, answer, hmchain, register, until

pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]


def alone(directory: Path) -> NodeFolder:
    """A node that is a network by itself, not started."""
    needs_cometbft()
    p2p, rpc = free_ports(2)
    listen = ("--address", f"127.0.0.1:{p2p}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}")
    folder = NodeFolder(directory)
    hmchain("node", "init", "alone", "--title", "Alone", *listen, "--dir", str(directory))
    file = directory.with_suffix(".json")  # beside it
    hmchain("network", "init", str(folder.introduction), "--chain", "one", "--output", str(file))
    hmchain("network", "join", str(file), "--dir", str(directory))
    return folder


@contextmanager
def started(folder: NodeFolder, said: Path) -> Iterator[Site]:
    command = [sys.executable, "-m", "hmchain", "node", "start", "--dir", str(folder.path)]
    with said.open("wb") as file:
        site = Site(folder, subprocess.Popen(command, stderr=file))
    try:
        yield site
    finally:
        assert site.stop() == 0


def test_what_keeps_a_node_from_coming_up_is_told(tmp_path: Path) -> None:
    folder, said = alone(tmp_path / "node"), tmp_path / "said"
    directory, port = str(folder.path), int(folder.settings().rpc_listen.rpartition(":")[2])
    assert "not running: start it" in hmchain("node", "status", "--dir", directory, status=6)
    with socket.create_server(("127.0.0.1", port)) as taken:
        with started(folder, said) as site:
            until(lambda: "address already in use" in said.read_text(), "the reason")
            shown = hmchain("node", "status", "--dir", directory, status=6)
            assert "start it" not in shown and f"process {site.process.pid} has it" in shown
            assert f"failed to listen on 127.0.0.1:{port}" in shown
            taken.close()
            until(lambda: site.status().running, "the node, once the port is free")
            assert not site.status().trouble
        assert not folder.runner()


def test_a_damaged_genesis_is_named_by_start_and_status(tmp_path: Path) -> None:
    folder, said = alone(tmp_path / "node"), tmp_path / "said"
    (folder.ledger / "genesis.json").write_text("{")
    with started(folder, said):
        until(lambda: "genesis.json is not a genesis file" in said.read_text(), "the reason")
        assert "genesis.json" in answer("node", "status", "--dir", str(folder.path), status=6)["trouble"]
    assert "hmchain network join" in said.read_text()
    hmchain("network", "join", str(folder.network), "--dir", str(folder.path))
    with started(folder, said) as site:
        until(lambda: site.status().running, "the node")


def test_a_node_runs_in_a_folder_with_a_long_path(tmp_path: Path) -> None:
    folder = alone(tmp_path / "/".join(["a-folder-with-a-long-name"] * 5))
    with started(folder, tmp_path / "said") as site:
        until(lambda: site.status().running, "the node")
        register(site, "d")


def test_an_agent_that_is_started_before_its_node_waits_for_it(tmp_path: Path) -> None:
    folder, said, agent_said = alone(tmp_path / "node"), tmp_path / "said", tmp_path / "agent"
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", str(folder.path)]
    for starts_later in (False, True):
        with agent_said.open("wb") as file:
            agent = subprocess.Popen(command, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            until(lambda: "waiting for the node" in agent_said.read_text(), "the agent")
            if starts_later:
                with started(folder, said):
                    until(lambda: "the agent of alone acts in one" in agent_said.read_text(), "the agent")
                    second = hmchain("node", "agent", "--dir", str(folder.path), status=2)
                    assert f"process {agent.pid} acts as the agent of alone already" in second
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(timeout=120) == 0
    told = folder.agent_log.read_text()
    assert re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  .+\n)+", told)
    assert told.count("waiting for the node") == 2 and "the node answers after" in told
