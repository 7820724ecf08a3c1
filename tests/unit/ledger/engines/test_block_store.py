"""The durable log of blocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hmchain.canonical import NotCanonicalError, decode_trusted
from hmchain.ledger.blocks import Commit
from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError, StoredBlock
from hmchain.ledger.transactions import transaction_digest
from support.ledger_network import Network


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
    with pytest.raises(BlockStoreError):
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
    with pytest.raises(BlockStoreError, match="is damaged"):
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


def test_a_sound_log_passes_and_every_changed_byte_of_its_content_is_found(path: Path, tmp_path: Path) -> None:
    store = BlockStore(path, read_only=True)
    store.check()
    columns = {name: store.get(2) for name in ("block", "decided", "result")}
    store.close()
    for column, stored in columns.items():
        assert stored is not None
        content = {"block": stored.block_bytes, "decided": stored.commit_bytes, "result": stored.result_bytes}[column]
        for place in range(0, len(content), max(1, len(content) // 40)):
            changed = bytearray(content)
            changed[place] ^= 1
            if column == "decided" and changed[place:] != content[place:] and not _breaks(bytes(changed), stored):
                continue  # a signature: whoever relies on it checks it
            copy = _copied(path, tmp_path / "copy.db")
            with closing(sqlite3.connect(copy)) as database, database:
                database.execute(f"UPDATE blocks SET {column} = ? WHERE height = 2", (bytes(changed),))
            damaged = BlockStore(copy, read_only=True)
            with pytest.raises(BlockStoreError, match=r"block 2 in .*copy\.db is damaged"):
                damaged.check()
            damaged.close()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("DELETE FROM blocks WHERE height = 2", "does not follow"),
        ("UPDATE transactions SET position = 7 WHERE height = 3", "lacks transactions"),
        ("DELETE FROM transactions WHERE height = 3", "lacks transactions"),
        ("INSERT INTO transactions VALUES (x'00', 3, 5)", "of no block"),
    ],
)
def test_what_is_missing_from_a_log_is_found(path: Path, tmp_path: Path, change: str, complaint: str) -> None:
    copy = _copied(path, tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute(change)
    store = BlockStore(copy, read_only=True)
    with pytest.raises(BlockStoreError, match=complaint):
        store.check()
    store.close()


def _copied(path: Path, copy: Path) -> Path:
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _breaks(commit: bytes, stored: StoredBlock) -> bool:
    """Whether a changed commit names another block or cannot be read."""
    try:
        return decode_trusted(commit, Commit).block_hash != stored.block.header.hash
    except NotCanonicalError:
        return True
