"""Real CometBFT networks on loopback: agreement, crashes at every step, silence, idleness, state sync."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

import pytest
from cometbft_network import PATIENCE_SECONDS, RunningNetwork, eventually, needs_cometbft, running, signing_key

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.contracts import standings
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import process
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine

pytestmark = pytest.mark.timeout(180)


def replayed(path: Path, founding: Genesis) -> tuple[int, bytes]:
    """Height and commitment of a bare state machine that has played a node's log of blocks."""
    state = State()
    genesis_file.initialise(state, founding)
    machine = Machine(state, founding.chain_id)
    machine.commit(0)
    store = BlockStore(path, read_only=True)
    for stored in store.blocks():
        assert machine.execute(stored.block.input) == stored.result
        machine.commit(stored.height)
    store.close()
    return state.height, state.commitment()


SUPERVISOR = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
from cometbft_network import running
with running(Path({place!r}), "a") as network:
    node = network.node("a")
    print(node.app.pid, node.engine.pid, flush=True)
    time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that end soon are started again soon."""
    monkeypatch.setattr(process, "_PAUSE_SECONDS", (0.2, 0.4))


def foretold(network: RunningNetwork) -> tuple[int, list[str]]:
    """The next height, and the addresses of the proposers of its rounds as one node's state elects them."""
    state = network.state("a")
    try:
        height = state.height + 1
        validators = standings.validators_at(state, height)
    finally:
        state.close()
    addresses = {entry.id: entry.address.hex().upper() for entry in validators}
    return height, [addresses[name] for name in proposer.proposers_of_rounds(validators, 9)]


def test_four_nodes_agree_and_the_log_gives_the_same_state(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        expected = {}
        for name in "abcdabcdab":
            network.register(name)
            height, turns = foretold(network)
            expected[height] = turns
        network.register("c")
        network.register("d")
        # Whose turn it is follows from the ledger alone: even ties are broken as CometBFT breaks them.
        for height, turns in expected.items():
            decided_in = network.client("a").block(height + 1).block.last_commit.round
            assert network.client("a").block(height).block.header.proposer_address == turns[decided_in]
        last = network.agreed(least=10)
        assert len({network.app_hash(name, last) for name in "abcd"}) == 1
        commitment = network.commitment("a")[1]
        founding = network.nodes.genesis
        logs = [network.node(name).files.directory / "blocks.db" for name in "abcd"]
    assert {replayed(path, founding)[1] for path in logs} == {commitment}


def test_1_kill_9_of_either_process_or_both_replays_to_the_same_state(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        network.register("a")
        node = network.node("d")
        for victims in ([node.app], [node.engine], [node.app, node.engine]):
            starts = node.engine.starts
            network.kill(*victims)
            for name in "abc":
                network.register(name)
            eventually(lambda before=starts: node.engine.starts > before, "CometBFT starts again")
            network.agreed(least=network.height("a") - 1)
        assert network.register("d").height > 0


def test_1_2_kill_9_at_each_abci_step_replays_to_the_same_state(tmp_path: Path) -> None:
    orders: list[Path] = []
    with running(tmp_path, prepare=lambda network: orders.append(network.use_crashing_app("d"))) as network:
        senders = cycle("abc")
        node, order = network.node("d"), orders[0]
        steps = ["before prepare_proposal", "after process_proposal", "after work_ahead", "before finalize_block",
                 "after finalize_block", "before log", "after log", "after commit"]  # fmt: skip
        for step in steps:
            order.write_text(step)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while order.exists():
                assert time.monotonic() < deadline, f"never came to crash {step}"
                network.register(next(senders))
            network.register(next(senders))
            network.agreed(least=network.height("a") - 1)
        assert node.app.starts == len(steps) + 1
        assert network.register("d").height > 0


def test_8_one_of_four_silent_and_back(tmp_path: Path) -> None:
    with running(tmp_path, asleep="d") as network:
        for name in "abcabc":
            network.register(name)
        network.agreed("abc", least=6)
        network.node("d").start()
        network.agreed(least=network.height("a") - 1)
        assert network.register("d").height > 0


def test_nothing_is_left_behind_by_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    needs_cometbft()
    script = SUPERVISOR.format(here=str(Path(__file__).parent), place=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        supervisor.kill()
    assert len(pids) == 2
    eventually(lambda: not any(is_alive(pid) for pid in pids), "application and CometBFT end")


def test_an_idle_chain_stays_idle(tmp_path: Path) -> None:
    with running(tmp_path, timing=Timing(empty_blocks=700)) as network:
        network.register("a")
        height = network.agreed(least=network.height("a"))
        commitment = network.commitment("a")[1]
        time.sleep(3)
        assert 2 <= network.height("a") - height <= 6  # those of the interval
        network.agreed(least=height + 1)
        assert network.commitment("a")[1] == commitment


def test_6_a_twin_with_the_same_key_ends_the_validator(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        network.register("a")
        network.nodes.add("twin", signing_key("d", "validator")).start()
        senders = cycle("abc")

        def is_tombstoned() -> bool:
            network.register(next(senders))
            state = network.state("a")
            try:
                return standings.standing(state, "d").tombstoned
            finally:
                state.close()

        eventually(is_tombstoned, "the double sign is on the ledger")
        for name in "abc":
            network.register(name)
        ended = proposer.address(signing_key("d", "validator").public.raw).hex().upper()
        validators = [entry.address for entry in network.client("a").validators()]
        assert len(validators) == 3 and ended not in validators
        network.agreed("abc", least=network.height("a") - 1)
