"""The audit of a node's ledger, against headers that its members signed and headers that they did not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from abci_chain import Chain, address
from ledger_network import CHAIN, signing_key
from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.audit import NodeAuditError, PartialLogError, verify
from hmchain.ledger.engines.cometbft.light import (
    BlockId,
    Commit,
    Header,
    LightProofError,
    Parts,
    Signature,
    SignedHeader,
)
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, Chunk

NONE = BlockId("", Parts(0, ""))
WHEN = "2026-01-01T00:00:00.25Z"


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain.found(tmp_path)
    chain.fill(3)
    chain.block()
    chain.fill(2, first=3)
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    yield chain
    chain.app.close()


def signed_header(chain: Chain, names: str = "abcd", **changes: object) -> SignedHeader:
    """The header after the chain's last block, signed by some."""
    header = Header(
        light.Version(11, 1), CHAIN, chain.height + 1, WHEN, NONE, "", "", "", "", "",
        chain.app.state.commitment().hex().upper(), "", "", "",
    )  # fmt: skip
    header = replace(header, **changes)
    block = BlockId(light.header_hash(header).hex().upper(), Parts(1, "AB" * 32))
    commit = Commit(header.height, 0, block, ())
    votes = []
    for name in names:
        vote = Signature(2, address(name).hex().upper(), WHEN, None)
        signature = signing_key(name, "validator").sign(light.vote_bytes(CHAIN, commit, vote))
        votes.append(replace(vote, signature=signature))
    return SignedHeader(header, replace(commit, signatures=tuple(votes)))


def test_a_sound_ledger_holds(chain: Chain) -> None:
    found = verify(chain.directory, signed_header(chain, "acd"), chain.founding.digest)
    assert (found.anchored, found.blocks, found.transactions, found.signers) == (True, 5, 5, ("a", "c", "d"))
    assert found.commitment == chain.app.state.commitment()
    assert not verify(chain.directory, signed_header(chain)).anchored


def test_it_holds_up_to_an_earlier_header_too(chain: Chain) -> None:
    signed = signed_header(chain)
    chain.fill(2, first=9)
    assert verify(chain.directory, signed).blocks == 5


def test_another_genesis_than_the_agreed_one_is_found_first(chain: Chain) -> None:
    with pytest.raises(NodeAuditError, match="not the one that was agreed on"):
        verify(chain.directory, signed_header(chain), bytes(32))


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE blocks SET result = x'929090' WHERE height = 2", "block 2: executing it gives other receipts"),
        ("DELETE FROM blocks WHERE height = 6", "members signed another state"),
        ("DELETE FROM blocks WHERE height = 1", "block 2: it does not follow the one before it"),
        ("DELETE FROM blocks", "members signed another state"),
    ],
)
def test_what_was_changed_afterwards_is_named(chain: Chain, sql: str, finding: str) -> None:
    signed = signed_header(chain)
    with closing(sqlite3.connect(chain.directory / "blocks.db")) as database:
        database.execute(sql)
        database.commit()
    with pytest.raises(NodeAuditError, match=finding):
        verify(chain.directory, signed)


def test_two_thirds_of_the_members_must_have_signed(chain: Chain) -> None:
    with pytest.raises(NodeAuditError, match="only 2 of 4 members"):
        verify(chain.directory, signed_header(chain, "ab"))
    with pytest.raises(NodeAuditError, match="only 1 of 4 members"):
        verify(chain.directory, signed_header(chain, "aaaa"))
    with pytest.raises(NodeAuditError, match="only 2 of 4 members"):
        verify(chain.directory, signed_header(chain, "abxyz"))


def test_a_header_of_another_state_or_chain_vouches_for_nothing(chain: Chain) -> None:
    with pytest.raises(NodeAuditError, match="members signed another state"):
        verify(chain.directory, signed_header(chain, app_hash="00" * 32))
    with pytest.raises(LightProofError, match="belongs to chain other"):
        verify(chain.directory, signed_header(chain, chain_id="other"))
    moved = signed_header(chain)
    moved = replace(moved, header=replace(moved.header, app_hash="00" * 32))
    with pytest.raises(LightProofError, match="another block"):
        verify(chain.directory, moved)


# -- a log that begins after a snapshot --------------------------------------------------------------------------------


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[tuple[Chain, SignedHeader]]:
    """A node that joined from a snapshot at block 5, and the header that holds its commitment."""
    giver = Chain.found(tmp_path / "giver")
    giver.fill(5)
    (offer,) = giver.app.storage.snapshots.offers()
    beginning = signed_header(giver)
    taker = Chain(tmp_path / "taker", giver.founding, giver.send)
    taker.app.offer_snapshot(abci.RequestOfferSnapshot(snapshot=offer, app_hash=giver.app.state.commitment()))
    taker.app.apply_snapshot_chunk(
        abci.RequestApplySnapshotChunk(index=0, chunk=giver.app.storage.snapshots.chunk(5, 0))
    )
    taker.fill(3, first=5)
    genesis_file.save(taker.founding, taker.directory / "genesis.json")
    yield taker, beginning
    taker.app.close()
    giver.app.close()


def test_what_came_after_a_snapshot_is_proven_from_its_signed_commitment_on(joined: tuple[Chain, SignedHeader]) -> None:
    taker, beginning = joined
    found = verify(taker.directory, signed_header(taker), taker.founding.digest, beginning=beginning)
    assert (found.begins, found.blocks, found.transactions) == (5, 3, 3)
    assert "block 5" in found.not_proven[0] and "node recover" in found.not_proven[0]


def test_a_snapshot_that_nothing_anchors_proves_nothing(joined: tuple[Chain, SignedHeader]) -> None:
    taker, beginning = joined
    with pytest.raises(PartialLogError, match=r"begins after block 5 .*node recover"):
        verify(taker.directory, signed_header(taker))
    few = replace(beginning, commit=replace(beginning.commit, signatures=beginning.commit.signatures[:2]))
    with pytest.raises(PartialLogError, match="too few founders"):
        verify(taker.directory, signed_header(taker), beginning=few)
    with pytest.raises(NodeAuditError, match="not the one after the snapshot"):
        verify(taker.directory, signed_header(taker), beginning=signed_header(taker))


def test_another_snapshot_than_the_signed_one_is_found(joined: tuple[Chain, SignedHeader]) -> None:
    taker, beginning = joined
    (file,) = (taker.directory / BEGINNING / "5").iterdir()
    content = decode(file.read_bytes(), Chunk)
    file.write_bytes(encode(Chunk(content.pairs[:-1])))
    with pytest.raises(NodeAuditError, match="does not match its commitment"):
        verify(taker.directory, signed_header(taker), beginning=beginning)
