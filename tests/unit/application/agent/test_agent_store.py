"""What an agent keeps on its disk: sealed, durable, and gone when it is erased."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hmchain import files
from hmchain.application.agent.store import SCRUB_SECONDS, AgentStore, AgentStoreError
from hmchain.canonical import Record
from hmchain.keys import SecretKey
from support.full_disk import watched_disk

KEY = SecretKey(bytes(32))


class Note(Record, frozen=True):
    text: bytes


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def sealed(path: Path, name: str) -> bytes:
    with closing(sqlite3.connect(path)) as database:
        ((found,),) = database.execute("SELECT sealed FROM entries WHERE name = ?", (name,)).fetchall()
    return found


@pytest.mark.parametrize("path", ["agent.db", None])
def test_a_record_comes_back_and_can_be_replaced(tmp_path: Path, path: str | None) -> None:
    store = AgentStore(path and tmp_path / path, KEY)
    assert store.get("a", Note) is None
    store.put("a", Note(b"one"))
    store.put("a", Note(b"two"))
    store.note("b", Note(b"three"))
    assert store.get("a", Note) == Note(b"two") and store.get("b", Note) == Note(b"three")
    store.close()


def test_records_are_there_after_a_restart(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY)
    store.put("a", Note(b"one"))
    store.note("b", Note(b"two"))
    store.close()
    again = AgentStore(tmp_path / "agent.db", KEY)
    assert [record for _, record in again.all("", Note)] == [Note(b"one"), Note(b"two")]


def test_nothing_is_readable_without_the_key(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY)
    store.put("a", Note(b"a secret of the hospital"))
    assert b"secret" not in on_disk(tmp_path)
    store.close()
    with pytest.raises(AgentStoreError, match="does not open with this key"):
        AgentStore(tmp_path / "agent.db", SecretKey(bytes([1]) * 32)).get("a", Note)


def test_a_record_does_not_open_under_another_name(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY)
    store.put("a", Note(b"one"))
    with closing(sqlite3.connect(tmp_path / "agent.db", isolation_level=None)) as database:
        database.execute("UPDATE entries SET name = 'b'")
    with pytest.raises(AgentStoreError):
        store.get("b", Note)


def test_what_is_erased_or_replaced_leaves_the_disk(tmp_path: Path) -> None:
    """A key stolen later must find nothing to open: neither in the file nor in its write-ahead log."""
    store = AgentStore(tmp_path / "agent.db", KEY)
    for name in "ab":
        store.put(name, Note(bytes(200)))
    old = [sealed(tmp_path / "agent.db", name) for name in "ab"]
    assert all(data in on_disk(tmp_path) for data in old)
    with store.batch():
        store.erase("a")
        store.put("b", Note(b"new"))
    assert not any(data[20:100] in on_disk(tmp_path) for data in old)
    assert store.get("a", Note) is None and store.get("b", Note) == Note(b"new")


def test_erasing_takes_a_prefix_and_no_more(tmp_path: Path) -> None:
    store = AgentStore(None, KEY)
    names = ("study/gate/00000001", "study/gate/00000010", "study/gate/00000011", "study-2/gate/00000001")
    for name in names:
        store.put(name, Note(name.encode()))
    store.erase("study/gate/00000001")
    assert [name for name, _ in store.all("", Note)] == sorted(names[1:])
    store.erase("study/")
    assert [name for name, _ in store.all("", Note)] == ["study-2/gate/00000001"]


def test_a_batch_that_fails_changes_nothing(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY)
    store.put("a", Note(b"one"))
    with pytest.raises(ZeroDivisionError), store.batch():
        store.erase("a")
        store.put("b", Note(b"two"))
        raise ZeroDivisionError
    assert [name for name, _ in store.all("", Note)] == ["a"]


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "agent.db").write_bytes(b"no database" * 1000)
    with pytest.raises(AgentStoreError, match=r"agent\.db"):
        AgentStore(tmp_path / "agent.db", KEY)


def test_c4_after_a_failed_note_what_is_put_is_on_disk_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched_disk() as disk:
        store, synced = AgentStore(tmp_path / "agent.db", KEY), list[str]()
    disk.fill(tmp_path / "agent.db")
    with pytest.raises(AgentStoreError):
        store.note("a", Note(bytes(100_000)))
    monkeypatch.setattr(files, "sync", lambda path: synced.append(path.name))
    store.put("a", Note(b"small"))
    assert synced == ["agent.db-wal"]


def test_what_is_noted_is_synced_once_it_is_to_be_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, synced = AgentStore(tmp_path / "agent.db", KEY), list[str]()
    store.tend()
    monkeypatch.setattr(files, "sync", lambda path: synced.append(path.name))
    store.note("a", Note(b"one"))
    with store.batch():
        store.note("b", Note(b"two"))
    assert not synced
    for _ in range(2):
        store.settle()
        assert synced == ["agent.db-wal"], "and no more while nothing changes"


def test_what_is_erased_leaves_the_disk_within_a_second_of_rounds_that_fly_by(tmp_path: Path) -> None:
    now = [0.0]
    store = AgentStore(tmp_path / "agent.db", KEY, seconds=lambda: now[0])
    store.tend()
    for name in "ab":
        store.put(name, Note(bytes(200)))
    old = [sealed(tmp_path / "agent.db", name)[20:100] for name in "ab"]
    with store.batch():
        store.erase("a")
    now[0] = SCRUB_SECONDS / 2
    with store.batch():
        store.erase("b")
    assert all(data in on_disk(tmp_path) for data in old)
    now[0] = SCRUB_SECONDS
    store.tend()
    assert not any(data in on_disk(tmp_path) for data in old)


def test_what_a_killed_process_erased_leaves_the_disk_with_the_next_one(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY, seconds=lambda: 0.0)
    store.tend()
    store.put("a", Note(bytes(200)))
    old = sealed(tmp_path / "agent.db", "a")[20:100]
    with store.batch():
        store.erase("a")
    assert old in on_disk(tmp_path)
    again = AgentStore(tmp_path / "agent.db", KEY)
    again.tend()
    assert old not in on_disk(tmp_path) and again.get("a", Note) is None
