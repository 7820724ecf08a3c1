"""Real CometBFT networks on loopback: agreement, crashes at every step, silence, idleness, state sync."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from itertools import cycle, pairwise
from pathlib import Path

import pytest

from hmchain.application.node import folder_audit
from hmchain.application.node.folder_audit import FolderDefectError
from hmchain.interfaces.report.reader import ReportReader
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer, protocols
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import archive, process
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import audit
from hmchain.ledger.state import State
from hmchain.ledger.transactions import transaction_digest
from hmchain.ledger.transition import Machine
from support.cometbft_network import (
    PATIENCE_SECONDS,
    SCHEMA,
    RunningNetwork,
    eventually,
    needs_cometbft,
    running,
    signing_key,
)
from support.paths import APPS, TESTS

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]


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
from support.cometbft_network import running
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
    monkeypatch.setattr(process, "PAUSE_SECONDS", (0.2, 0.4))


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


def test_a1_the_headers_of_real_blocks_hold_what_the_log_says(tmp_path: Path) -> None:
    """Times, turns, votes, results: what the audit compares is what CometBFT signs, also of blocks without a node."""
    with running(tmp_path / "nodes") as network:
        client, log = network.client("a"), network.node("a").files.directory
        network.register("b")
        _keep(client, log)  # the last header's votes are another node's view of them later
        network.node("d").stop()
        for name in "abcab":
            network.register(name)
        kept = _keep(client, log)
        found = audit.verify(log, network.nodes.genesis.digest)
        assert found.height == kept.last.header.height and found.transactions == 6
        assert any(len(entry.commit.signatures) > len([v for v in entry.commit.signatures if v.block_id_flag == COMMIT])
                   for entry in map(kept.get, range(1, found.height)) if entry)  # fmt: skip
    whole = folder_audit.verify(tmp_path, log, ReportReader(), network.nodes.genesis.digest)
    checked = {name for finding in whole.checked for name in finding.files}
    assert {f"nodes/{name}/{file}" for name in "bcd" for file in ("blocks.db", "state.db")} <= checked
    with closing(sqlite3.connect(tmp_path / "nodes" / "c" / "blocks.db")) as db:
        db.execute("UPDATE transactions SET position = 7")
        db.commit()
    with pytest.raises(FolderDefectError, match=r"the index in .*/c/blocks\.db"):
        folder_audit.verify(tmp_path, log, ReportReader())


def _keep(client: RpcClient, log: Path) -> archive.Archive:
    def height() -> int:
        return client.status().sync_info.latest_block_height

    return archive.keep(log, height, client.signed_header, lambda done, of: None)


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
    """Two nodes die while they found the chain, then one at each step of a block: its application, then both."""
    orders: dict[str, Path] = {}

    def prepare(network: RunningNetwork) -> None:
        for name, step in (("c", "before init_chain"), ("d", "after init_chain")):
            orders[name] = network.use_crashing_app(name)
            orders[name].parent.mkdir(parents=True, exist_ok=True)
            orders[name].write_text(step)

    with running(tmp_path, prepare=prepare) as network:
        assert not any(order.exists() for order in orders.values())
        senders = cycle("abc")
        node, order = network.node("d"), orders["d"]
        steps = ["before prepare_proposal", "after process_proposal", "after execute_optimistically",
                 "before finalize_block", "after finalize_block", "before log", "after log", "after commit",
                 "before info", "after info"]  # fmt: skip
        for number, step in enumerate(steps):
            order.write_text(step)
            if "info" in step:
                network.kill(node.app)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while order.exists():
                assert time.monotonic() < deadline, f"never came to crash {step}"
                network.register(next(senders))
            if number % 2:
                network.kill(node.engine)
            network.register(next(senders))
            network.agreed(least=network.height("a") - 1)
        assert node.app.starts == 1 + len(steps) + 2 + 1  # twice more to come to info; once when it founded the chain
        assert network.register("d").height > 0


FAIL_POINTS = 11
"""Places in CometBFT 0.38 where it ends itself if $FAIL_TEST_INDEX says so (`fail.Fail`), in the order of one block of
one validator: after each of its two votes is in its log; before and after the block, the end of its height, what
executing it gave and the new state are stored; and after the application's commit."""


@pytest.mark.parametrize("both", [False, True], ids=["cometbft", "both"])
def test_1_2_cometbft_dies_at_each_of_its_own_fail_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    """One validator decides, and a node without a vote executes every block itself: a wrong hash would stop it."""
    with running(tmp_path, "a") as network:
        node = network.node("a")
        for index in range(FAIL_POINTS):
            # Else the first block to come to the point is one that CometBFT makes by itself, at every start again.
            eventually(lambda: network.is_at_rest("a"), f"all is decided before {index}")
            node.engine.kill()
            monkeypatch.setenv("FAIL_TEST_INDEX", str(index))
            node.engine.start()
            wire, died = network.wire("a", RegisterDataset(f"at-{index}", SCHEMA)), f"*** fail-test {index} ***"

            def is_sent(wire: bytes = wire, died: str = died) -> bool:
                return died in node.files.log.read_text() or network.client("a").broadcast(wire).code == 0

            eventually(is_sent, "CometBFT takes a transaction")
            eventually(lambda died=died: died in node.files.log.read_text(), f"it comes to fail point {index}")
            if both:
                network.kill(node.app)
            monkeypatch.delenv("FAIL_TEST_INDEX")
            digest = transaction_digest(wire)
            found = eventually(lambda digest=digest: network.client("a").find(digest), f"the block after {index}")
            assert found.tx_result.code == 0
        network.nodes.add("observer", signing_key("observer", "validator")).start()
        network.agreed(least=network.height("a"))
        commitment = network.commitment("observer")[1]
    for name in ("a", "observer"):
        log = network.node(name).files.directory / "blocks.db"
        assert replayed(log, network.nodes.genesis)[1] == commitment


def test_14_a_node_of_another_version_is_refused_and_halts_nobody(tmp_path: Path) -> None:
    """It stops before it votes, its log says why; with the right version it catches up from what it had."""
    with running(tmp_path) as network:
        for name in "abcd":
            network.register(name)
        node = network.node("d")
        node.stop()
        right = node.app
        command = node.files.app_command(str(APPS / "other_version_app.py"))
        node.app = SupervisedProcess("the application of another version", command, node.files.log)
        node.app.start()
        told = f"end-to-end follows protocol {protocols.FOUNDING}, and this program knows 5"
        eventually(lambda: told in node.files.log.read_text(), "the refusal")
        for name in "abc":
            network.register(name)
        assert network.commitment("d")[0] < network.agreed("abc", least=network.height("a") - 1)
        node.app.stop()
        node.app = right
        node.start()
        network.agreed(least=network.height("a") - 1)
        assert network.register("d").height > 0


def test_8_one_of_four_silent_and_back(tmp_path: Path) -> None:
    with running(tmp_path, asleep="d") as network:
        for name in "abcabc":
            network.register(name)
        network.agreed("abc", least=6)
        network.node("d").start()
        network.agreed(least=network.height("a") - 1)
        assert network.register("d").height > 0


def test_three_go_on_as_two_while_the_third_is_on_announced_maintenance(tmp_path: Path) -> None:
    """Unannounced, two of three are not more than two thirds, and the network stands still."""
    with running(tmp_path, "abc") as network:
        network.register("a")
        told = network.submit("c", AnnounceMaintenance(0, 3_600_000))
        included = network.client("c").wait_for(told)
        assert included.tx_result.code == 0
        network.agreed(least=included.height + 1)  # the block after, which still needs all three
        network.node("c").stop()
        for name in "abab":
            network.register(name)
        network.node("c").start()
        eventually(lambda: network.height("c") >= network.height("a") - 1, "what it missed")
        back = network.submit("c", Unjail())
        assert network.client("c").wait_for(back).tx_result.code == 0
        network.register("b")
        network.agreed(least=network.height("a") - 1)
        state = network.state("a")
        entry = standings.standing(state, "c")
        state.close()
        assert (entry.power, entry.offences) == (1000, 0)


def test_nothing_is_left_behind_by_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    needs_cometbft()
    script = SUPERVISOR.format(here=str(TESTS), place=str(tmp_path))
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
        eventually(lambda: network.height("a") >= height + 5, "blocks of the interval")
        times = [
            datetime.fromisoformat(network.client("a").block(height + number).block.header.time)
            for number in range(1, 6)
        ]
        pauses = [(after - before).total_seconds() for before, after in pairwise(times[1:])]
        assert min(pauses) > 0.6, pauses  # and none besides
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
