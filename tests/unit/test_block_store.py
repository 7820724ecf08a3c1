"""The durable log of blocks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ledger_network import Network

from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError
from hmchain.ledger.transactions import transaction_digest


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = Network.found(tmp_path_factory.mktemp("store") / "ledger")
    network.fill(4)
    network.ledger.close()
    return network.directory / "blocks.db"


def test_blocks_come_in_order(path: Path) -> None:
    store = BlockStore(path, read_only=True)
    assert store.height == 4
    assert [stored.height for stored in store.blocks()] == [1, 2, 3, 4]
    assert [stored.block.header.height for stored in store.blocks(2, 3)] == [2, 3]
    assert store.get(5) is None and list(store.blocks(5)) == []
    store.close()


def test_transactions_are_found_by_digest_and_by_its_first_bytes(path: Path) -> None:
    store = BlockStore(path, read_only=True)
    stored = store.get(2)
    assert stored is not None
    digest = transaction_digest(stored.block.transactions[0])
    assert store.find(digest) == (2, 0)
    assert store.find_prefix(digest[:4]) == [digest]
    assert len(store.find_prefix(b"")) == 4
    assert store.find(bytes(32)) is None
    store.close()


def test_a_reader_cannot_write_and_does_not_disturb_the_writer(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(1)
    reader = BlockStore(tmp_path / "ledger" / "blocks.db", read_only=True)
    stored = reader.get(1)
    assert stored is not None
    with pytest.raises(BlockStoreError, match="readonly"):
        reader.append(stored.block, stored.commit, stored.result)
    network.fill(2, first=1)
    assert reader.height == 3
    reader.close()
    network.ledger.close()


def test_one_height_has_one_block(path: Path) -> None:
    store = BlockStore(path)
    stored = store.get(2)
    assert stored is not None
    with pytest.raises(BlockStoreError):
        store.append(stored.block, stored.commit, stored.result)
    assert store.height == 4
    store.close()


def test_what_is_not_there_or_no_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlockStoreError, match="there is no ledger"):
        BlockStore(tmp_path / "blocks.db", read_only=True)
    (tmp_path / "blocks.db").write_bytes(b"junk" * 1000)
    with pytest.raises(BlockStoreError, match="damaged or unreadable"):
        BlockStore(tmp_path / "blocks.db", read_only=True)


def test_a_damaged_block_is_named_by_its_height(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "blocks.db"
    copy.write_bytes(path.read_bytes())
    database = sqlite3.connect(copy)
    database.execute("UPDATE blocks SET block = x'c1' WHERE height = 3")
    database.commit()
    database.close()
    store = BlockStore(copy, read_only=True)
    stored = store.get(3)
    assert stored is not None
    with pytest.raises(BlockStoreError, match="block 3 is damaged"):
        _ = stored.block
    store.close()
