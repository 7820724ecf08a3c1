"""A node that joins from a snapshot: from whom it takes it, what it refuses, and what its log can prove."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft.home import StateSync
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.ledger.engines.cometbft.snapshots import begins_after
from support.cometbft_network import RunningNetwork, eventually, running, signing_key
from support.hosted_network import HostedNetwork, HostedNode, hosted
from support.paths import APPS

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def log_heights(directory: Path) -> list[int]:
    log = BlockStore(directory / "blocks.db", read_only=True)
    try:
        return [stored.height for stored in log.blocks()]
    finally:
        log.close()


# -- who gives what ----------------------------------------------------------------------------------------------------


def giving(dishonest: str, dishonesty: str, network: RunningNetwork) -> None:
    """Let all nodes give snapshots in many chunks, and some of them cheat."""
    for name in network.names:
        node = network.node(name)
        command = node.files.app_command(str(APPS / "giving_app.py"))
        node.app = SupervisedProcess("the giving application", command, node.files.log)
        if name in dishonest:
            (node.files.directory / "dishonesty").write_text(dishonesty)


def settled(network: RunningNetwork) -> int:
    """The height once no block comes any more by itself."""
    height = 0
    while height != network.height("a"):
        height = network.height("a")
        time.sleep(1)
    return height


def joins(network: RunningNetwork) -> str:
    """A new node joins from a snapshot and follows; what it had to say."""
    for name in "abcdabcdabcd":
        network.register(name)
    while settled(network) % 5 < 4:  # the light client needs two headers after any snapshot, a forged one's too
        network.register("a")
    trusted = network.client("a").block(3)
    urls = (network.node("a").rpc_url, network.node("b").rpc_url)
    sync = StateSync(urls, 3, trusted.block_id.hash)
    node = network.nodes.add("observer", signing_key("observer", "validator"), sync)
    node.start()
    eventually(lambda: node.state.exists() and begins_after(node.files.directory), "the snapshot", 90)
    for name in "abcd":
        network.register(name)
    network.agreed(least=network.height("a") - 1)
    heights, begins = log_heights(node.files.directory), begins_after(node.files.directory)
    assert begins >= 10 and heights and min(heights) > begins  # it played none of the beginning
    whole = log_heights(network.node("a").files.directory)
    assert heights == [height for height in whole if height > begins]
    return node.files.log.read_text(errors="replace")


def test_13_corrupt_chunks_are_refused_and_taken_from_another_node(tmp_path: Path) -> None:
    """Three of four give corrupt chunks: each is caught by the first, and the honest one gives all."""
    with running(tmp_path, snapshot_blocks=5, prepare=lambda made: giving("bcd", "corrupt", made)) as network:
        said = joins(network)
    assert "is not the one that was offered" in said


def test_13_a_forged_snapshot_is_refused_and_the_true_one_taken(tmp_path: Path) -> None:
    with running(tmp_path, snapshot_blocks=5, prepare=lambda made: giving("d", "forged", made)) as network:
        said = joins(network)
    assert "the snapshot does not match its commitment" in said


# -- the operator's commands -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedNetwork]:
    """Four nodes that answer on the network, a snapshot every five blocks, and a guest that has not joined."""
    settings = {"127.0.0.1:26657": "0.0.0.0:26657", "snapshot_blocks = 1000": "snapshot_blocks = 5"}
    with hosted(tmp_path_factory.mktemp("joining"), guests="g", settings=settings) as running:
        for name in "abcd" * 3:
            running.register(name)
        yield running


def rpc(network: HostedNetwork, *names: str) -> list[str]:
    return [word for name in names for word in ("--rpc", f"{network.machines[name].host.address}:26657")]


def block(network: HostedNetwork) -> str:
    """What a member reads out: HEIGHT:HASH."""
    return str(json.loads(network.machines["a"].hmchain("node", "status", "--json").stdout)["block"])


def join(node: HostedNode, *words: str) -> tuple[int, str]:
    answer = node.hmchain("network", "join", "network.json", "--from-snapshot", *words)
    return answer.returncode, answer.stderr


def test_what_cannot_be_trusted_is_refused_before_anything_is_kept(network: HostedNetwork) -> None:
    guest, trust = network.machines["g"], block(network)
    height, _, digest = trust.partition(":")
    wrong = f"{height}:{'0' * 63}1"
    both = rpc(network, "a", "b")
    for words, status, told in (
        ([*both], 2, "no block to trust"),
        (["--trust", "5", *both], 2, "HEIGHT:HASH"),
        (["--trust", wrong, *both], 2, f"is {digest}, not {'0' * 63}1"),
        (["--trust", f"9{height}:{digest}", *both], 6, "cannot answer commit"),
        (["--trust", trust, *rpc(network, "a")], 2, "two servers are needed"),
        (["--trust", trust, *rpc(network, "a", "a")], 2, "two servers are needed"),
        (["--trust", trust, *rpc(network, "a", "g")], 6, "refuses connections"),
    ):
        found = join(guest, *words)
        assert found[0] == status and told in found[1], (words, found)
        assert not guest.folder.network.exists() and not guest.folder.state_sync.exists()


def test_a_node_whose_servers_tell_another_story_later_ends_and_says_so(network: HostedNetwork) -> None:
    """CometBFT compares with the trusted block once more; the file stands for servers that changed their mind."""
    guest, trust = network.machines["g"], block(network)
    assert join(guest, "--trust", trust, *rpc(network, "a", "b")) == (0, "")
    kept = guest.folder.state_sync.read_text()
    guest.folder.state_sync.write_text(kept.replace(trust.partition(":")[2].upper(), "0" * 63 + "1"))
    guest.start()
    assert guest.process is not None and guest.process.wait(timeout=120) == 6
    assert "the snapshot did not come" in guest.said() and "--from-snapshot" in guest.said()
    assert "the snapshot did not come" in guest.hmchain("node", "status").stdout


def test_a_guest_joins_from_a_snapshot_and_proves_what_came_after(network: HostedNetwork) -> None:
    guest = network.machines["g"]
    assert join(guest, "--trust", block(network), *rpc(network, "a", "b")) == (0, "")
    guest.start()
    eventually(lambda: begins_after(guest.folder.ledger), "the snapshot", 90)
    for name in "abcd":
        network.register(name)
    network.agreed(least=network.height("a") - 1)
    begins = begins_after(guest.folder.ledger)
    assert begins >= 10 and min(log_heights(guest.folder.ledger)) > begins
    audit = guest.hmchain("node", "audit", "--json")
    assert audit.returncode == 0, audit.stderr
    found = json.loads(audit.stdout)
    assert found["begins"] == begins and str(begins) in found["not_proven"][0] and "node recover" in audit.stdout
    assert f"begins after block {begins}" in guest.hmchain("node", "status").stdout
    offline = guest.give("audit", "verify", "node/ledger")
    assert offline.returncode == 6 and "begins after block" in offline.stderr and "node recover" in offline.stderr
    exported = guest.hmchain("node", "export-ledger", "part.zip")
    assert exported.returncode == 0 and f"snapshot after block {begins}" in exported.stderr, exported.stderr
    audited = guest.give("audit", "verify", "part.zip", "--genesis", found["genesis"], "--json")
    part = json.loads(audited.stdout)
    assert audited.returncode == 6 and part["holds"] is None and part["begins_after"] == begins, audited.stderr
    assert guest.give("network", "status", "part.zip").returncode == 0
    again = join(guest, "--trust", block(network), *rpc(network, "a", "b"))
    assert again[0] == 2 and "has blocks already" in again[1]


def test_a_guest_comes_back_and_a_damaged_one_fetches_the_whole_log(network: HostedNetwork) -> None:
    """A state that came from a snapshot cannot be made anew from CometBFT's blocks alone: the node says so."""
    guest = network.machines["g"]
    assert guest.stop() == 0
    network.register("a")
    guest.start()
    network.register("b")
    network.agreed(least=network.height("a") - 1)
    assert guest.stop() == 0
    data = bytearray(guest.folder.state.read_bytes())
    for number in range(1, 40):
        data[len(data) * number // 40] ^= 0x10
    guest.folder.state.write_bytes(data)
    guest.start()
    assert guest.process is not None and guest.process.wait(timeout=120) == 6
    assert "hmchain node recover" in guest.said()
    assert guest.hmchain("node", "recover").returncode == 0
    guest.start()
    network.register("c")
    eventually(lambda: network.height("g") >= network.height("a") - 1, "all blocks", 60)
    network.agreed(least=network.height("a") - 1)
    assert begins_after(guest.folder.ledger) == 0
    found = json.loads(guest.hmchain("node", "audit", "--json").stdout)
    assert found["begins"] == 0 and found["blocks"] >= 16
