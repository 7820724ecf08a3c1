"""Disks that lose or change bytes: each damage is named or mended, nothing false is served, and the members' blocks
bring the node back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hmchain.ledger import proposer
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.engines.block_store import BlockStore
from support.cometbft_network import SCHEMA, eventually, signing_key
from support.hosted_network import HostedNetwork, HostedNode, hosted
from support.sampling import sampled

pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]

SIGNED = "priv_validator_state.json"
Harm = Callable[[Path], None]


def flip(path: Path) -> None:
    """One bit in each of 40 places."""
    data = bytearray(path.read_bytes())
    for number in range(1, 40) if data else ():
        data[len(data) * number // 40] ^= 0x10
    path.write_bytes(data)


def flip_once(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedNetwork]:
    """Four nodes with some blocks; the disk of `d` fails."""
    with hosted(tmp_path_factory.mktemp("disks")) as running:
        for name in "abcd" * 4:
            running.register(name)
        running.agreed()
        yield running


def back(network: HostedNetwork) -> None:
    """The node d has what the others have, and votes: three more blocks, one of them its own transaction."""
    eventually(lambda: network.height("d") >= network.height("a"), "d has all blocks")
    for name in "abd":
        network.register(name)
    network.agreed(least=network.height("a") - 1)


def stopped(network: HostedNetwork, *, dead: bool = False) -> HostedNode:
    """The node d, stopped; or dead in the middle of a block."""
    node = network.machines["d"]
    if dead:
        node.power_off()
    else:
        assert node.stop() == 0
    return node


@pytest.mark.parametrize("harm", sampled(2, [truncate, flip, empty]))
@pytest.mark.parametrize("file", ["state.db", "blocks.db"])
def test_3_state_or_log_is_made_anew_from_the_nodes_own_blocks(network: HostedNetwork, file: str, harm: Harm) -> None:
    node = stopped(network)
    whole = log_heights(node)
    harm(node.folder.ledger / file)
    said = len(node.said())
    node.start()
    back(network)
    if harm is not empty:  # SQLite takes an empty file for a new database
        assert str(Path("/srv/node/ledger", file)) in node.said()[said:]
    if (file, harm) != ("state.db", empty):  # of which nothing has to be put aside
        assert "all blocks are executed again" in node.said()[said:]
    assert log_heights(node)[: len(whole)] == whole
    assert node.hmchain("node", "audit").returncode == 0


def log_heights(node: HostedNode) -> list[int]:
    log = BlockStore(node.folder.ledger / "blocks.db", read_only=True)
    try:
        return [stored.height for stored in log.blocks()]
    finally:
        log.close()


@pytest.mark.parametrize("harm", sampled(2, [truncate, flip, empty]))
def test_3_the_address_book_is_only_a_memory(network: HostedNetwork, harm: Harm) -> None:
    node = stopped(network)
    book = node.folder.engine / "config" / "addrbook.json"
    assert book.exists()
    harm(book)
    node.start()
    back(network)


@pytest.mark.parametrize("harm", sampled(2, [truncate, flip, empty]))
def test_3_cometbfts_log_of_the_running_height_is_repaired(network: HostedNetwork, harm: Harm) -> None:
    for name in "abc":
        network.submit(name, RegisterDataset(f"{harm.__name__}-{name}", SCHEMA))
    node = stopped(network, dead=True)
    harm(node.folder.engine / "data" / "cs.wal" / "wal")
    node.start()
    back(network)


@pytest.mark.parametrize(
    ("database", "pattern", "harm"),
    sampled(
        2,
        [
            ("blockstore.db", "*.ldb", flip),
            ("blockstore.db", "*.ldb", truncate),
            ("state.db", "*.ldb", flip),
            ("state.db", "MANIFEST-*", flip_once),
            ("state.db", "MANIFEST-*", empty),
            ("blockstore.db", "CURRENT", empty),
            ("blockstore.db", "*.ldb", empty),
            ("tx_index.db", "MANIFEST-*", flip_once),
            ("evidence.db", "MANIFEST-*", truncate),
        ],
    ),
)
def test_3_damaged_blocks_are_named_and_fetched_from_the_others(
    network: HostedNetwork, database: str, pattern: str, harm: Harm
) -> None:
    node = stopped(network)
    node.start()  # what CometBFT finds in its journals when it starts goes into tables
    eventually(
        lambda: network.height("d") == network.height("a") and network.is_at_rest("d"), "nothing is left to write"
    )
    stopped(network)
    for path in (node.folder.engine / "data" / database).glob(pattern):  # it reads at its start from the latest alone
        harm(path)
    signed = (node.folder.engine / "data" / SIGNED).read_bytes()
    node.start()
    assert node.process is not None and node.process.wait(timeout=90) == 6
    assert "hmchain node recover" in node.said()
    status = node.hmchain("node", "status")
    assert status.returncode == 6 and "damage" in status.stdout and "hmchain node recover" in status.stdout
    assert "/srv/node/engine/data" in status.stdout
    recovered = node.hmchain("node", "recover")
    assert recovered.returncode == 0 and "damaged-" in recovered.stdout, recovered.stderr
    assert (node.folder.engine / "data" / SIGNED).read_bytes() == signed
    node.start()
    back(network)


def test_another_members_backup_brings_a_node_back(network: HostedNetwork) -> None:
    """It holds no key and no signature; what d itself signed stays with d."""
    donor, node = network.machines["a"], stopped(network)
    signed = (node.folder.engine / "data" / SIGNED).read_bytes()
    assert donor.stop() == 0
    made = donor.hmchain("node", "snapshot", "ledger.tar")
    assert made.returncode == 0, made.stderr
    donor.start()
    for path in [*node.folder.ledger.glob("*.db"), *(node.folder.engine / "data").glob("*.db/*")]:
        flip(path)
    shutil.copy2(donor.host.srv / "ledger.tar", node.host.srv)
    restored = node.hmchain("node", "restore", "ledger.tar")
    assert restored.returncode == 0, restored.stderr
    assert (node.folder.engine / "data" / SIGNED).read_bytes() == signed
    node.start()
    back(network)


@pytest.mark.parametrize("harm", sampled(2, [truncate, empty, Path.unlink]))
def test_a_lost_record_of_signatures_is_never_guessed(network: HostedNetwork, harm: Harm) -> None:
    """The node asks for a height, and signs nothing up to there; above it, it votes again."""
    node = stopped(network)
    harm(node.folder.engine / "data" / SIGNED)
    assert node.hmchain("network", "join", "network.json").returncode == 6  # this makes no new one either
    refused = node.hmchain("node", "start")
    assert refused.returncode == 6 and SIGNED in refused.stderr and "--signs-above" in refused.stderr
    assert SIGNED in node.hmchain("node", "status").stdout
    assert node.hmchain("node", "recover").returncode == 6
    height = network.height("a") + 2
    recovered = node.hmchain("node", "recover", "--signs-above", str(height))
    assert recovered.returncode == 0, recovered.stderr
    node.start()
    eventually(lambda: network.height("d") >= network.height("a"), "d has all blocks")
    while network.height("a") < height + 3:
        network.register("a")
    back(network)
    signed_by_d = [number for number in range(height - 1, network.height("a")) if _signed(network, number)]
    assert signed_by_d and min(signed_by_d) > height
    again = stopped(network).hmchain("node", "recover", "--signs-above", "5")
    assert again.returncode == 2 and "knows what it has signed" in again.stderr
    node.start()
    back(network)


def _signed(network: HostedNetwork, height: int) -> bool:
    """Whether d's vote is among those that decided a block."""
    address = proposer.address(signing_key("d", "validator").public.raw).hex().upper()
    votes = network.client("a").signed_header(height).commit.signatures
    return any(vote.validator_address == address and vote.signature for vote in votes)
