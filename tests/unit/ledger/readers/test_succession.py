"""An audit follows a chain that was founded again through the ledgers of before, to the first genesis."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hmchain.canonical import encode
from hmchain.errors import HMChainError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft.audit import PartialLogError
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.readers import audit, proof_files
from hmchain.ledger.readers.blocks import contents
from hmchain.ledger.readers.ledger import open_ledger
from hmchain.ledger.readers.replay import AnchorMismatchError, TrustedHeader
from hmchain.ledger.readers.succession import SuccessionError, ledger_of
from support.ledger_network import Network, Sender, signing_key, validator_keys
from support.refounded_chain import refound


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Founded three times: `again` goes on from `first`, and `third` from that."""
    place = tmp_path_factory.mktemp("made")
    first = Network.found(place / "first")
    first.fill(5)
    again = refound(first, place / "again")
    again.block(again.send.dataset("a", "between"))
    third = refound(again, place / "third", "b")
    third.block(third.send.dataset("a", "last"))
    for network in (first, again, third):
        network.ledger.close()
    shutil.copytree(place / "first", place / "again" / "before")
    shutil.copytree(place / "again", place / "third" / "before")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def digest_of(place: Path) -> bytes:
    return genesis_file.load(place / genesis_file.FILE).digest


def test_every_genesis_on_the_way_is_an_anchor(made: Path) -> None:
    for name in ("first", "again", "third"):
        report = audit.verify(made / "third", digest_of(made / name))
        assert report.anchored and digest_of(made / name).hex() in report.anchor
        assert [line.startswith("test-") for line in report.checked[:2]] == [True, True]
        assert not [line for line in report.not_proven if "not beside" in line]


def block_of(place: Path, height: int) -> TrustedHeader:
    """A block as an auditor noted it."""
    with closing(BlockStore(place / BLOCKS, read_only=True)) as store:
        stored = store.get(height)
        assert stored is not None
        return TrustedHeader(height, contents(stored)[0].header.hash)


@pytest.mark.parametrize(("name", "height"), [("first", 3), ("first", 5), ("again", 7), ("third", 9)])
def test_a_block_of_every_chain_on_the_way_is_an_anchor(made: Path, name: str, height: int) -> None:
    known = block_of(made / name, height)
    assert audit.verify(made / "third", trusted=known).anchored
    with pytest.raises(AnchorMismatchError, match=f"block {height} is not the trusted one"):
        audit.verify(made / "third", trusted=TrustedHeader(height, bytes(32)))


def test_a_block_of_a_ledger_that_is_not_there_says_nothing(place: Path) -> None:
    known = block_of(place / "first", 3)
    shutil.rmtree(place / "third" / "before" / "before")
    with pytest.raises(PartialLogError, match="block 3 is of test-"):
        audit.verify(place / "third", trusted=known)


@pytest.mark.parametrize("seen", [6, 7])
def test_an_auditor_who_saw_a_later_block_finds_what_colluders_left_out(tmp_path: Path, seen: int) -> None:
    """As many as may be dishonest and one more found the chain again from before what they want undone."""
    first = Network.found(tmp_path / "first")
    first.fill(5)
    shutil.copytree(tmp_path / "first", tmp_path / "earlier")
    first.block(first.send.dataset("c", "undone"))
    first.block(first.send.dataset("d", "undone"))
    known = block_of(tmp_path / "first", seen)
    ledger = EmbeddedLedger(tmp_path / "earlier", validator_keys(), clock_ms=first.send.clock)
    earlier = Network(tmp_path / "earlier", ledger, Sender(first.send.clock, ledger.chain_id, 90))
    again = refound(earlier, tmp_path / "again")
    again.block(again.send.dataset("a", "new"))
    for network in (first, earlier, again):
        network.ledger.close()
    shutil.copytree(tmp_path / "earlier", tmp_path / "again" / "before")
    report = audit.verify(tmp_path / "again", digest_of(tmp_path / "first"))
    assert [line for line in report.not_proven if "had no block after 5" in line]
    with pytest.raises(AnchorMismatchError, match=r"without the trusted block 6|block 7 is not the trusted one"):
        audit.verify(tmp_path / "again", digest_of(tmp_path / "first"), trusted=known)


def test_another_genesis_is_none(made: Path) -> None:
    with pytest.raises(AnchorMismatchError, match="the anchor is 0000"):
        audit.verify(made / "third", bytes(32))


def test_without_the_ledger_of_before_it_holds_by_its_own_genesis_alone(place: Path) -> None:
    shutil.rmtree(place / "third" / "before" / "before")
    own, first = digest_of(place / "third"), digest_of(place / "first")
    report = audit.verify(place / "third", own)
    assert [line for line in report.not_proven if "its ledger is not beside this one" in line]
    with pytest.raises(AnchorMismatchError, match="is not beside it"):
        audit.verify(place / "third", first)
    with (
        open_ledger(place / "third") as ledger,
        pytest.raises(PartialLogError, match="founded again after block 5"),
    ):
        ledger.deeds([signing_key("a", "steward").public.raw])


def test_another_ledger_in_its_place_is_found(place: Path) -> None:
    other = Network.found(place / "other", "abcde")
    other.fill(5)
    other.ledger.close()
    shutil.rmtree(place / "again" / "before")
    shutil.copytree(place / "other", place / "again" / "before")
    with pytest.raises(SuccessionError, match="holds another ledger"):
        audit.verify(place / "again")


@pytest.mark.parametrize(
    "change", ["UPDATE blocks SET block = zeroblob(9) WHERE height = 2", "DELETE FROM blocks WHERE height = 5"]
)
def test_a_changed_or_cut_block_of_before_is_found(place: Path, change: str) -> None:
    with closing(sqlite3.connect(place / "third" / "before" / "before" / "blocks.db")) as db:
        db.execute(change)
        db.commit()
    with pytest.raises(HMChainError):
        audit.verify(place / "third")


def test_what_happened_on_a_chain_before_is_proven_on_that(made: Path, tmp_path: Path) -> None:
    genesis = genesis_file.load(made / "third" / genesis_file.FILE)
    for height, name in ((1, "before/before"), (6, "before/before"), (7, "before"), (9, "")):
        place = ledger_of(made / "third", genesis, height)
        assert place == made / "third" / name
        if height == 6:  # the founding itself
            continue
        with open_ledger(place) as ledger:
            digest = ledger.blocks(height, 1)[0].transactions[0].digest
            proof = ledger.proof(digest.hex())
            (tmp_path / "proof.json").write_bytes(proof_files.to_json(proof))
            assert proof_files.check(tmp_path / "proof.json", genesis.chain_at(height).genesis, None) == proof


def test_deeds_and_transactions_of_before_are_found(made: Path) -> None:
    key = signing_key("a", "steward").public.raw
    with open_ledger(made / "third") as ledger:
        assert [deed.height for deed in ledger.deeds([key])] == [1, 5, 7, 9]
        assert [deed.height for deed in ledger.deeds([key], since=8)] == [9]
    with open_ledger(made / "third" / "before") as ledger:
        assert encode(ledger.genesis) and ledger.height == 7
