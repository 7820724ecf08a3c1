"""A node that forgot what it signed, and two nodes with the same keys: neither ever signs twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from hmchain.keys import SigningKey, save_key
from hmchain.ledger import proposer
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED
from hmchain.ledger.engines.cometbft.home import begin_record
from hmchain.ledger.state import State
from support.cometbft_network import eventually, signing_key
from support.hosted_network import HostedNetwork, HostedNode, hosted

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedNetwork]:
    with hosted(tmp_path_factory.mktemp("signatures")) as running:
        for name in "abcd" * 2:
            running.register(name)
        running.agreed()
        yield running


def signed_by_d(network: HostedNetwork, first: int) -> list[int]:
    """The heights from `first` on with d's vote among those that decided the block."""
    address = proposer.address(signing_key("d", "validator").public.raw).hex().upper()
    found = []
    for height in range(first, network.height("a")):
        votes = network.client("a").signed_header(height).commit.signatures
        if any(vote.validator_address == address and vote.signature for vote in votes):
            found.append(height)
    return found


def back(network: HostedNetwork, above: int) -> None:
    """The node d votes again, at no height up to `above`, and nobody has proven that it signed twice."""
    eventually(lambda: network.height("d") >= network.height("a"), "d has all blocks")
    stood_at = network.height("a") + 1  # where the former life may have voted last

    def votes() -> list[int]:
        network.register("a")
        return signed_by_d(network, above + 1)

    eventually(votes, "d votes again", 90)
    assert not [height for height in signed_by_d(network, stood_at + 1) if height <= above]
    network.agreed(least=network.height("a") - 1)
    state = network.state("a")
    assert not standings.standing(state, "d").tombstoned
    state.close()


def ends_as_a_twin(node: HostedNode) -> None:
    assert node.process is not None and node.process.wait(timeout=90) == 6
    assert "is signed with this node's key" in node.said() and "--signs-above" in node.said()
    status = node.hmchain("node", "status")
    assert status.returncode == 6 and "is signed with this node's key" in status.stdout


def test_a_lost_disk_does_not_forget_what_was_signed(network: HostedNetwork) -> None:
    """Keys and settings came back from a backup, and nothing else."""
    node = network.machines["d"]
    node.power_off()
    network.register("a")
    for lost in (node.folder.engine, node.folder.ledger):
        shutil.rmtree(lost)
    node.folder.network.rename(node.host.srv / "network.json")
    refused = node.hmchain("network", "join", "network.json")
    assert refused.returncode == 6 and "--signs-above" in refused.stderr and SIGNED in refused.stderr
    assert not node.folder.network.exists() and not node.folder.engine.exists()
    above = network.height("a") + 10
    joined = node.hmchain("network", "join", "network.json", "--signs-above", str(above))
    assert joined.returncode == 0, joined.stderr
    node.start()
    back(network, above)


def test_a_record_from_an_older_copy_is_found_out(network: HostedNetwork) -> None:
    """The folder of the day of `node init`, say: its record says that nothing was signed."""
    node = network.machines["d"]
    assert node.stop() == 0
    network.register("a")
    begin_record(node.folder.engine)
    node.start()
    ends_as_a_twin(node)
    assert json.loads((node.folder.engine / DATA / SIGNED).read_text())["step"] == 0  # it signed nothing
    above = network.height("a") + 10
    recovered = node.hmchain("node", "recover", "--signs-above", str(above))
    assert recovered.returncode == 0, recovered.stderr
    node.start()
    back(network, above)


def test_a_copy_of_the_whole_folder_signs_nothing_while_the_first_one_runs(network: HostedNetwork) -> None:
    node = network.machines["d"]
    assert node.stop() == 0
    shutil.copytree(node.folder.path, node.host.srv / "copy")
    copy = HostedNode("d", node.host, "/srv/copy")
    on_other_ports(copy)
    assert copy.hmchain("network", "join", "copy/network.json").returncode == 0
    record = (copy.folder.engine / DATA / SIGNED).read_bytes()
    node.start()
    eventually(lambda: network.height("d") >= network.height("a"), "d has all blocks")
    height = network.height("a")

    def votes() -> list[int]:
        network.register("a")
        return signed_by_d(network, height + 1)

    eventually(votes, "d votes")
    copy.start()
    ends_as_a_twin(copy)
    assert (copy.folder.engine / DATA / SIGNED).read_bytes() == record


def test_a_backup_on_a_second_machine_signs_nothing_while_the_first_one_runs(network: HostedNetwork) -> None:
    """Its keys were copied, its backup restored under another path; the first one was started again by mistake."""
    node = network.machines["d"]
    assert node.stop() == 0
    assert node.hmchain("node", "snapshot", "moved.tar").returncode == 0
    second = moved_to(HostedNode("d", node.host, "/srv/second"), node)
    node.start()
    network.register("a")
    refused = second.hmchain("network", "join", "network.json")
    assert refused.returncode == 6 and "--signs-above" in refused.stderr
    above = network.height("a") + 10
    for words in (["network", "join", "network.json", "--signs-above", str(above)], ["node", "restore", "moved.tar"]):
        answer = second.hmchain(*words)
        assert answer.returncode == 0, answer.stderr
    second.start()
    began = network.height("a")
    while network.height("a") < above:  # it has to notice before it may sign
        eventually(lambda: has_ended(second) or follows(second, network.height("a")), "the second one has all blocks")
        if has_ended(second):
            break
        network.register("a")
    assert network.height("a") < above
    ends_as_a_twin(second)
    assert json.loads((second.folder.engine / DATA / SIGNED).read_text())["step"] == 0
    assert signed_by_d(network, began)  # the first one voted on
    # Meant well: the first one is stopped for good, and the second one takes over.
    assert node.stop() == 0
    above = network.height("a") + 10
    assert second.hmchain("node", "recover", "--signs-above", str(above)).returncode == 0
    second.start()
    network.machines["d"] = second
    network.clients.pop("d").close()
    back(network, above)


def has_ended(node: HostedNode) -> bool:
    return node.process is not None and node.process.poll() is not None


def follows(node: HostedNode, height: int) -> bool:
    state = State.open_read_only(node.folder.state)
    try:
        return state.height >= height - 1
    finally:
        state.close()


def moved_to(second: HostedNode, first: HostedNode) -> HostedNode:
    """Keys and settings copied, with ports of its own and another key for connections, as `node init` there makes."""
    folder = second.folder
    folder.path.mkdir()
    shutil.copytree(first.folder.keys, folder.keys)
    for path in (first.folder.introduction, first.folder.toml):
        shutil.copy2(path, folder.path)
    on_other_ports(second)
    shutil.copy2(first.folder.network, second.host.srv / "network.json")
    return second


def on_other_ports(node: HostedNode) -> None:
    """With another key for connections too: other nodes take no second connection of one key."""
    node.folder.node_key.unlink()
    save_key(SigningKey.generate(), node.folder.node_key)
    node.change_settings({"0.0.0.0:26656": "0.0.0.0:26666", "127.0.0.1:26657": "127.0.0.1:26667"})
