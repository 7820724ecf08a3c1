"""Ledgers as commands read them: with a running node's headers, else with those that are kept beside the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.node import joining, reading
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder, NodeSettings, NotJoinedError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.cometbft.answers import NodeInfo, Status, SyncInfo, ValidatorInfo
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.audit import NoVotesError
from hmchain.ledger.readers.proof_files import OutcomeFile
from support.abci_chain import Chain
from support.abci_headers import headers_of
from support.ledger_network import member


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeFolder]:
    """A stopped node whose headers nobody has kept; no port 1 answers."""
    folder = NodeFolder(tmp_path / "node")
    address = "a.example.org:26656"
    folder.write_settings(NodeSettings(organisation="a", title="A", address=address, rpc_listen="127.0.0.1:1"))
    chain = Chain.found(folder.ledger)
    chain.fill(3)
    genesis_file.save(chain.founding, folder.ledger / genesis_file.FILE)
    yield folder
    chain.app.close()


def test_a_node_without_a_ledger_says_what_brings_one(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "node")
    folder.write_settings(NodeSettings(organisation="a", title="A", address="a.example.org:26656"))
    with pytest.raises(NotJoinedError), reading.open_ledger(folder.ledger):
        pass
    folder.network.write_text("{}")
    with pytest.raises(network_file.NetworkFileError), reading.verified_state(folder.ledger):
        pass


def first_transaction(ledger: Path) -> str:
    with reading.open_ledger(ledger) as reader:
        return reader.blocks(first=1, limit=3)[0].transactions[0].digest.hex()


def test_a_stopped_node_proves_with_the_headers_that_are_kept(node: NodeFolder, tmp_path: Path) -> None:
    digest, file = first_transaction(node.ledger), tmp_path / "proof.json"
    chain = Chain.found(tmp_path / "twin")
    chain.fill(3)
    Archive(headers_of(chain)).save(node.ledger)
    chain.app.close()
    made = reading.prove(node.ledger, digest)
    assert isinstance(made, OutcomeFile)
    file.write_bytes(proof_files.to_json(made))
    proven = proof_files.proven(proof_files.check(file, made.genesis.digest, None))
    assert proven.transaction.digest.hex() == digest


def test_a_node_whose_headers_nobody_kept_must_run_to_prove(node: NodeFolder) -> None:
    with pytest.raises(NoEndpointError, match=r"127\.0\.0\.1:1"):
        reading.prove(node.ledger, first_transaction(node.ledger))


def test_a_copy_of_a_node_s_log_says_that_votes_are_missing(node: NodeFolder) -> None:
    node.toml.unlink()
    with pytest.raises(NoVotesError, match="no votes that a proof could show"):
        reading.prove(node.ledger, first_transaction(node.ledger))


def test_blocks_of_a_stopped_node_say_that_no_header_vouches_for_them(node: NodeFolder) -> None:
    with reading.open_ledger(node.ledger) as ledger:
        assert {block.vouched for block in ledger.blocks()} == {""}
        assert ledger.verified.words == "signed by nobody that could be asked: start the node, or audit it"


class OtherNode(RpcClient):
    """Whatever answers at this node's port: another member's node, which must not be asked for anything."""

    def status(self) -> Status:
        node = NodeInfo("another", "net")
        return Status(node, SyncInfo(1, "", "", False), ValidatorInfo("", 1))


def test_another_node_at_the_port_is_not_asked_for_headers(
    node: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = joining.init(NodeFolder(tmp_path / "made"), node.settings())
    network_file.save(own, node.introduction)
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "bc"]
    network_file.save(network_file.found([own, *others], "net", 5), node.network)
    monkeypatch.setattr(reading, "RpcClient", OtherNode)
    with node.held(), reading.signed_headers(node.ledger) as headers:
        assert headers is None
