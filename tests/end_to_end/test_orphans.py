"""Whenever a node's command is killed, nothing of the node outlives it: the host's process table shows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hmchain.application.site import network
from support.cometbft_network import NAME, eventually, needs_cometbft, now_ms
from support.hosted_network import HostedNode
from support.namespaces import lan

pytestmark = [pytest.mark.network, pytest.mark.timeout(120)]

MOMENTS_SECONDS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
"""From before the first process is there until after both are (about a second on an idle machine)."""
LATER_SECONDS = (3, 5, 8, 12)
"""On a busy machine, where nothing has begun by then."""


def test_a_node_killed_at_any_moment_of_its_start_leaves_no_process(tmp_path: Path) -> None:
    needs_cometbft()
    with lan(tmp_path, ["a"]) as alone:
        node = HostedNode("a", alone.hosts["a"])
        node.join(network.found([node.make()], NAME, now_ms()))
        seen: set[int] = set()
        for moment in (*MOMENTS_SECONDS, *LATER_SECONDS):
            if moment in LATER_SECONDS and len(seen) > 1:
                break
            node.start()
            time.sleep(moment)
            seen.add(len(node.host.processes()))
            assert node.process is not None
            node.process.kill()
            node.process.wait(timeout=60)
            eventually(lambda: not node.host.processes(), f"all processes end (killed after {moment} s)", 60)
        node.start()  # and nothing is in the way of the next start
        eventually(lambda: len(node.host.processes()) == 3, "the command, the application and CometBFT", 60)
        assert node.stop() == 0
        assert not node.host.processes()
        assert len(seen) > 1, "every moment was the same: choose others"
