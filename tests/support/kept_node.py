"""One hospital's node that is stopped: its folder, with the headers that an audit has left beside the log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from hmchain.application.learning.study_request import study_content
from hmchain.application.site import network as network_file
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction, Network, Peer
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.canonical import digest
from hmchain.keys import SecretKey, SigningKey, WrappingKey, save_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RevokeRequest
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.engines.cometbft.home import node_id
from hmchain.records.objects import address_of
from support.abci_chain import Chain
from support.abci_headers import headers_of
from support.ledger_network import genesis, member, signing_key
from support.study_bed import SCHEMA, STUDY, make_spec

OBJECT = b"sealed"
NAME = address_of(OBJECT).hex()
DAY_MS = 86_400_000


def keyring(name: str) -> Keyring:
    seed = digest("test", name.encode())
    roles = [signing_key(name, role) for role in ("steward", "scientist", "agent", "validator")]
    wrapping = WrappingKey(seed * 2, seed)
    return Keyring(*roles, wrapping, SecretKey.generate(), wrapping)


def propose_study(chain: Chain) -> None:
    """All four hospitals publish a dataset, a's scientist asks for a study of them, all allow it, and b revokes it.

    In ten blocks.
    """
    for name in "abcd":
        published = PublishVersion("brain", 1, bytes(32), 512)
        chain.block(chain.send(name, RegisterDataset("brain", SCHEMA)), chain.send(name, published))
    spec = make_spec(tuple("abcd"))
    content = study_content(spec, chain.clock.ms + 2 * DAY_MS)
    asked = (CreateRequest(STUDY), SaveDraft(STUDY, content), SubmitRequest(STUDY, content.digest))
    chain.block(*(chain.send("a", body, "scientist") for body in asked))
    yes = ApproveRequest(STUDY, 1, content.digest, "brain", chain.clock.ms + DAY_MS)
    for names in ("a", "b", "cd"):
        chain.block(*(chain.send(name, yes) for name in names))
    chain.block(chain.send("a", ProposeUnderPermit(spec, STUDY), "scientist"))
    chain.block(chain.send("b", RevokeRequest(STUDY, 1, content.digest, "brain", "consent", b"")))


def begin_with_snapshot(
    node: Path,
    fill: Callable[[Chain], None] = lambda chain: chain.fill(5),
    after: Callable[[Chain], object] = lambda chain: chain.fill(3, first=5),
) -> None:
    """Have a node's log begin after block 5, or what fills five or ten, where it joined from a snapshot."""
    folder, giver = NodeFolder(node), Chain.found(node.parent / "giver")
    fill(giver)
    shutil.rmtree(folder.ledger)
    taker = Chain.from_snapshot(folder.ledger, giver)
    after(taker)
    _keep(taker, giver.height)
    giver.app.close()


def _keep(chain: Chain, begins: int = 0) -> None:
    """Leave beside a log what an audit keeps, and stop the node."""
    genesis_file.save(chain.founding, chain.directory / "genesis.json")
    Archive(headers_of(chain)[begins:]).save(chain.directory)
    chain.app.close()


def make_node(place: Path, fill: Callable[[Chain], None] = lambda chain: chain.fill(6)) -> Path:
    """Hospital a's node, stopped, its headers kept by an audit; other files stand for what an audit cannot check."""
    folder = NodeFolder(place)
    folder.write_settings(NodeSettings(organisation="a", title="A", address="a.example.org:26656"))
    keyring("a").save(folder.keys)
    node_key = SigningKey.generate()
    save_key(node_key, folder.node_key)
    network_file.save(Introduction(member("a"), node_id(node_key.public), "a.example.org:26656"), folder.introduction)
    peers = tuple(Peer(name, name * 40, f"{name}.example.org:26656") for name in "abcd")
    network_file.save(Network(genesis(), peers), folder.network)
    chain = Chain.found(folder.ledger)
    fill(chain)
    _keep(chain)
    for place, content in {
        f"objects/{NAME[:2]}/{NAME}": OBJECT, f"hospitals/a/cache/{NAME}": OBJECT, "engine/data/blockstore.db/1": b"x",
        "engine/data/priv_validator_state.json": b"{}", "hospitals/a/agent.db": b"x",
        "hospitals/a/vault/vault.db": b"x", "hospitals/a/records/ab/cd": b"x", "hospitals/a/catalogue.db": b"x",
        "hospitals/a/cards/mri-1.html": b"x",
        "node.log": b"x", "ledger/snapshots/5/0": b"x", "node.lock": b"1", "strange": b"x",
    }.items():  # fmt: skip
        (folder.path / place).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / place).write_bytes(content)
    return folder.path
