"""What an agent keeps on its disk: sealed, durable, and gone when it is erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.agent.store import AgentStore, AgentStoreError
from hmchain.canonical import Record
from hmchain.keys import SecretKey

KEY = SecretKey(bytes(32))


class Note(Record, frozen=True):
    text: bytes


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def sealed(store: AgentStore, name: str) -> bytes:
    return store._execute("SELECT sealed FROM entries WHERE name = ?", name).fetchone()[0]


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
    store._execute("UPDATE entries SET name = 'b'")
    with pytest.raises(AgentStoreError):
        store.get("b", Note)


def test_what_is_erased_or_replaced_leaves_the_disk(tmp_path: Path) -> None:
    """A key stolen later must find nothing to open: neither in the file nor in its write-ahead log."""
    store = AgentStore(tmp_path / "agent.db", KEY)
    for name in "ab":
        store.put(name, Note(bytes(200)))
    old = [sealed(store, name) for name in "ab"]
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


def test_c4_after_a_failed_note_what_is_put_is_durable_again(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", KEY)
    store._execute("PRAGMA max_page_count = 3")
    with pytest.raises(AgentStoreError):
        store.note("a", Note(bytes(100_000)))
    assert store._execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
