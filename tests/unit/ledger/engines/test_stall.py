"""A CometBFT that is left behind by its peers is started again, and no other (decision 0026)."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hmchain.ledger.engines.cometbft.answers import ConsensusState
from hmchain.ledger.engines.cometbft.home import HomeSettings, config_toml
from hmchain.ledger.engines.cometbft.stall import StallWatch, left_behind_at

MEMBERS = {name: name * 40 for name in "abc"}
PREVOTE, COMMIT = 4, 8


def consensus(height: int, peers: dict[str, int], step: int = PREVOTE) -> dict[str, Any]:
    """What `dump_consensus_state` says; `peers` are heights by name, 0 of one that said none yet."""
    told = [
        {"node_address": f"{MEMBERS.get(name, name * 40)}@h:1", "peer_state": {"round_state": {"height": str(at)}}}
        for name, at in peers.items()
    ]
    return {"round_state": {"height": str(height), "round": 0, "step": step}, "peers": told}


@pytest.mark.parametrize(
    ("peers", "step", "stands"),
    [
        ({"a": 8, "b": 8, "c": 8}, PREVOTE, 7),
        ({"a": 8, "b": 8, "c": 7}, PREVOTE, 7),
        ({"a": 8, "b": 8, "c": 0}, PREVOTE, 7),
        ({"a": 8, "b": 7, "c": 7}, PREVOTE, 0),
        ({"a": 7, "b": 7, "c": 7}, PREVOTE, 0),
        ({"a": 8, "b": 7}, PREVOTE, 0),
        ({}, PREVOTE, 0),
        ({"a": 8, "b": 8, "c": 8}, COMMIT, 0),  # the block is fetched or executed
        ({"a": 7, "b": 7, "x": 99, "y": 99, "z": 99}, PREVOTE, 0),  # strangers
    ],
)
def test_a_node_is_left_behind_if_most_members_have_the_block_that_it_waits_for(
    peers: dict[str, int], step: int, stands: int
) -> None:
    state = msgspec.convert(consensus(7, peers, step), ConsensusState, strict=False)
    assert left_behind_at(state, frozenset(MEMBERS.values())) == stands


class Engine(httpx.BaseTransport):
    """A CometBFT at a height, with all members at another."""

    def __init__(self, height: int, others: int) -> None:
        self.height, self.others, self.syncs = height, others, False
        self.looks = threading.Semaphore(0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        question = json.loads(request.read())
        sync = {
            "latest_block_height": str(self.height - 1), "latest_block_time": "", "latest_app_hash": "",
            "catching_up": self.syncs,
        }  # fmt: skip
        status = {"node_info": {"id": "d" * 40, "network": "n"}, "sync_info": sync,
                  "validator_info": {"address": "", "voting_power": "1"}}  # fmt: skip
        others = dict.fromkeys(MEMBERS, self.others)
        found = status if question["method"] == "status" else consensus(self.height, others)
        self.looks.release()
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": question["id"], "result": found})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    peers = tuple(f"{node}@{name}:1" for name, node in MEMBERS.items())
    settings = HomeSettings("d", "unix:///app.sock", "127.0.0.1:1", "127.0.0.1:2", peers)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(config_toml(settings))
    return tmp_path


def test_a_node_that_stands_still_behind_the_others_starts_again_until_that_helps(home: Path) -> None:
    engine, starts, helped = Engine(7, 8), [0], threading.Event()

    def restart() -> None:
        starts[0] += 1
        if starts[0] == 2:
            engine.height = 8
            helped.set()

    watch = StallWatch(home, restart, look_seconds=0.001, patience_seconds=(0.0, 0.0), transport=engine)
    watch.start()
    assert helped.wait(30), f"{starts[0]} starts"
    look(engine, 20)
    watch.stop()
    assert starts == [2]


def test_a_node_that_syncs_blocks_is_left_alone(home: Path) -> None:
    engine, starts = Engine(7, 8), [0]
    engine.syncs = True

    def restart() -> None:
        starts[0] += 1

    watch = StallWatch(home, restart, look_seconds=0.001, patience_seconds=(0.0, 0.0), transport=engine)
    watch.start()
    look(engine, 20)
    watch.stop()
    assert starts == [0]


def look(engine: Engine, times: int) -> None:
    """Wait until it was asked so often."""
    while engine.looks.acquire(blocking=False):
        pass
    for number in range(times):
        assert engine.looks.acquire(timeout=30), f"asked {number} times"
