"""State sync: snapshots between two applications, and what a lying peer can do (attack 13)."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from hmchain.canonical import decode, encode
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft import snapshots
from hmchain.ledger.engines.cometbft.snapshots import (
    BEGINNING,
    Chunk,
    SnapshotStore,
    UnreadableSnapshotError,
    begins_after,
)
from hmchain.ledger.state import SnapshotError, State
from support.abci_chain import Chain
from support.ledger_network import genesis

OFFER, APPLY = abci.ResponseOfferSnapshot, abci.ResponseApplySnapshotChunk


@pytest.fixture
def giver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Its snapshots have several chunks; one is taken at every fifth block."""
    monkeypatch.setattr(snapshots, "CHUNK_BYTES_MAX", 2000)
    chain = Chain.found(tmp_path / "giver")
    chain.fill(15)
    return chain


@pytest.fixture
def taker(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "taker", genesis())


def offered(giver: Chain) -> abci.Snapshot:
    return giver.app.list_snapshots(abci.RequestListSnapshots()).snapshots[-1]


def chunks(giver: Chain) -> list[bytes]:
    offer = offered(giver)
    requests = [
        abci.RequestLoadSnapshotChunk(height=offer.height, format=offer.format, chunk=number)
        for number in range(offer.chunks)
    ]
    return [giver.app.load_snapshot_chunk(request).chunk for request in requests]


def offer_to(taker: Chain, offer: abci.Snapshot, app_hash: bytes) -> int:
    return taker.app.offer_snapshot(abci.RequestOfferSnapshot(snapshot=offer, app_hash=app_hash)).result


def apply_to(taker: Chain, number: int, chunk: bytes, sender: str = "peer") -> abci.ResponseApplySnapshotChunk:
    request = abci.RequestApplySnapshotChunk(index=number, chunk=chunk, sender=sender)
    return taker.app.apply_snapshot_chunk(request)


def of_chunks(pieces: list[bytes], height: int) -> abci.Snapshot:
    """What a liar offers: consistent in itself."""
    hashes = b"".join(hashlib.sha256(piece).digest() for piece in pieces)
    return abci.Snapshot(
        height=height, format=1, chunks=len(pieces), metadata=hashes, hash=hashlib.sha256(hashes).digest()
    )


def test_a_new_node_goes_on_from_a_snapshot(giver: Chain, taker: Chain) -> None:
    offers = giver.app.list_snapshots(abci.RequestListSnapshots()).snapshots
    assert [offer.height for offer in offers] == [10, 15]  # the last two
    pieces, app_hash = chunks(giver), giver.app.state.commitment()
    assert len(pieces) > 2
    assert offer_to(taker, offered(giver), app_hash) == OFFER.ACCEPT
    for number in reversed(range(len(pieces))):
        assert apply_to(taker, number, pieces[number]).result == APPLY.ACCEPT
    answer = taker.app.info(abci.RequestInfo())
    assert (answer.last_block_height, answer.last_block_app_hash) == (15, app_hash)
    used = giver.app.storage.blocks.get(15)
    assert used is not None
    request = giver.request(*used.block.transactions, giver.send.dataset("a", "next"))
    assert taker.decide(request) == giver.decide(request)  # it even knows which nonces are used up
    assert taker.reopen().state.height == 16
    assert (begins_after(taker.directory), begins_after(giver.directory)) == (15, 0)


def restored(giver: Chain, taker: Chain) -> bytes:
    """The taker begins with the giver's last snapshot; its commitment."""
    commitment = giver.app.state.commitment()
    offer_to(taker, offered(giver), commitment)
    for number, chunk in enumerate(chunks(giver)):
        apply_to(taker, number, chunk)
    return commitment


def test_the_state_that_a_log_begins_with_is_kept(giver: Chain, taker: Chain) -> None:
    commitment = restored(giver, taker)
    kept, state = SnapshotStore(taker.directory / BEGINNING), State()
    kept.restore(state, commitment)
    assert (state.height, state.commitment()) == (15, commitment)
    with pytest.raises(SnapshotError, match="does not match"):
        kept.restore(State(), bytes(32))


def test_a_damaged_or_endless_chunk_leaves_the_state_as_it_was(giver: Chain, taker: Chain) -> None:
    commitment, state = restored(giver, taker), State()
    kept, second = SnapshotStore(taker.directory / BEGINNING), taker.directory / BEGINNING / "15" / "1"
    whole, empty = second.read_bytes(), state.commitment()
    os.truncate(second, 1 << 30)
    tracemalloc.start()
    with pytest.raises(SnapshotError, match="is damaged"):
        kept.restore(state, commitment)
    assert tracemalloc.get_traced_memory()[1] < 5 * snapshots.CHUNK_FILE_BYTES_MAX
    tracemalloc.stop()
    second.write_bytes(b"damaged")
    with pytest.raises(SnapshotError, match="is damaged"):
        kept.restore(state, commitment)
    assert (state.height, state.commitment()) == (0, empty)
    second.write_bytes(whole)
    kept.restore(state, commitment)


def test_the_last_chunk_of_what_is_kept_is_missed_by_its_name(giver: Chain, taker: Chain) -> None:
    """All but the last are full: after a full one another is to follow, and nobody is accused of its content."""
    commitment = restored(giver, taker)
    kept, place = SnapshotStore(taker.directory / BEGINNING), taker.directory / BEGINNING / "15"
    last = place / str(len(chunks(giver)) - 1)
    last.unlink()
    with pytest.raises(UnreadableSnapshotError, match=f"15/{last.name} is missing"):
        kept.restore(State(), commitment)
    (place / "0").unlink()
    with pytest.raises(UnreadableSnapshotError, match="15/0 cannot be read"):
        kept.restore(State(), commitment)


def test_an_empty_block_that_tells_of_failed_turns_right_after_a_snapshot_is_logged(giver: Chain, taker: Chain) -> None:
    """Else the log alone would not lead from the snapshot to the state."""
    before = restored(giver, taker)
    request = giver.request(round_=2)
    assert taker.decide(request) == giver.decide(request)
    assert taker.app.state.commitment() != before and taker.app.storage.blocks.height == 16
    assert taker.reopen().state.height == 16


def test_a_log_that_was_lost_after_a_snapshot_is_noticed(giver: Chain, taker: Chain) -> None:
    restored(giver, taker)
    assert taker.reopen().state.height == 15  # nothing is lost where nothing came yet
    taker.decide(giver.request(giver.send.dataset("a", "next")))
    taker.app.close()
    (taker.directory / "blocks.db").write_bytes(b"")
    taker.app = taker.opened()
    assert taker.height == 0 and (taker.directory / "damaged-1" / "state.db").exists()


def test_a_damaged_state_takes_the_beginning_of_its_log_aside(giver: Chain, taker: Chain) -> None:
    """All blocks have to be executed again then, and from the first one on."""
    restored(giver, taker)
    taker.app.close()
    state = taker.directory / "state.db"
    state.write_bytes(state.read_bytes()[:5000])
    taker.app = taker.opened()
    assert taker.height == 0 and begins_after(taker.directory) == 0
    assert begins_after(taker.directory / "damaged-1") == 15


def test_peers_are_told_of_the_first_snapshot_that_is_kept(giver: Chain, taker: Chain) -> None:
    asked = [chain.app.query(abci.RequestQuery(path="snapshot")).value for chain in (giver, taker)]
    assert asked == [b"10", b"0"]


def test_13_corrupt_chunks_are_fetched_again_from_others(giver: Chain, taker: Chain) -> None:
    pieces, app_hash = chunks(giver), giver.app.state.commitment()
    offer_to(taker, offered(giver), app_hash)
    for bad in (pieces[0][:-1] + b"\xff", b"", pieces[1]):
        answer = apply_to(taker, 0, bad, "liar")
        assert answer.result == APPLY.RETRY
        assert (list(answer.refetch_chunks), list(answer.reject_senders)) == ([0], ["liar"])
    for number, piece in enumerate(pieces):
        assert apply_to(taker, number, piece).result == APPLY.ACCEPT
    assert taker.app.state.commitment() == app_hash


def test_13_a_forged_state_is_rejected_and_an_honest_one_taken_after_it(giver: Chain, taker: Chain) -> None:
    pieces, app_hash = chunks(giver), giver.app.state.commitment()
    first = decode(pieces[0], Chunk).pairs
    forgeries = [
        [encode(Chunk(((first[0][0], b"forged"), *first[1:]))), *pieces[1:]],
        [encode(Chunk((*first, first[-1]))), *pieces[1:]],  # a copy: LtHash alone could be made to cancel it
        pieces[1:],
        pieces[::-1],
    ]
    for forged in forgeries:
        assert offer_to(taker, of_chunks(forged, 15), app_hash) == OFFER.ACCEPT
        results = [apply_to(taker, number, piece).result for number, piece in enumerate(forged)]
        assert results[-1] == APPLY.REJECT_SNAPSHOT
        assert taker.app.state.is_new
    offer_to(taker, offered(giver), app_hash)
    assert {apply_to(taker, number, piece).result for number, piece in enumerate(pieces)} == {APPLY.ACCEPT}


def test_offers_that_contradict_themselves_are_rejected(giver: Chain, taker: Chain) -> None:
    app_hash = giver.app.state.commitment()
    for change in ({"chunks": 0}, {"chunks": 99_999}, {"metadata": b"x" * 32}, {"hash": bytes(32)}):
        offer = offered(giver)
        for name, value in change.items():
            setattr(offer, name, value)
        assert offer_to(taker, offer, app_hash) == OFFER.REJECT, change
    newer = offered(giver)
    newer.format = 2
    assert offer_to(taker, newer, app_hash) == OFFER.REJECT_FORMAT
    assert apply_to(taker, 0, b"").result == APPLY.ABORT


def test_a_node_with_a_state_takes_no_snapshot(giver: Chain, tmp_path: Path) -> None:
    assert offer_to(Chain.found(tmp_path / "other"), offered(giver), bytes(32)) == OFFER.ABORT


def test_chunks_that_are_not_there_are_empty(giver: Chain) -> None:
    for height, number, format_ in ((15, 99, 1), (3, 0, 1), (15, 0, 2)):
        request = abci.RequestLoadSnapshotChunk(height=height, format=format_, chunk=number)
        assert giver.app.load_snapshot_chunk(request).chunk == b""
