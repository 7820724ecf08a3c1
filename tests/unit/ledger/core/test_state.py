"""The key-value state: commitments, rollback, snapshots, and files that are damaged."""

from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.canonical import Record, encode
from hmchain.ledger.state import SnapshotError, State, StateError, Table
from support.full_disk import watched_disk

keys = st.sampled_from([b"a", b"b", b"c", b"ab", b"a\xff"])
writes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=3)), max_size=12)


class Number(Record, frozen=True):
    value: int


NUMBERS = Table("numbers", Number)


@settings(max_examples=60, deadline=None)
@given(st.lists(writes, max_size=4))
def test_the_commitment_depends_on_the_content_alone(blocks: list[list[tuple[bytes, bytes | None]]]) -> None:
    state, twin = State(), {}
    for height, block in enumerate(blocks, start=1):
        for key, value in block:
            state.put(key, value)
            twin[key] = value
            assert state.get(key) == value
        state.commit(height)
    fresh = State()
    for key, value in sorted(twin.items()):
        if value is not None:
            fresh.put(key, value)
    assert state.commitment() == fresh.commitment()
    assert list(state.snapshot()) == sorted((k, v) for k, v in twin.items() if v is not None)
    assert state.is_sound()


def test_threads_that_read_at_once_get_each_its_own_answer(tmp_path: Path) -> None:
    path, keys = tmp_path / "state.db", [b"%d" % number for number in range(5_000)]
    state = State(path)
    for key in keys:
        state.put(key, b"value of " + key)
    state.commit(1)
    state.close()
    state, interval = State(path), sys.getswitchinterval()  # opened anew: nothing is in its cache

    def looked_up(step: int) -> list[bytes | None]:
        return [state.get(keys[number * step % len(keys)]) for number in range(len(keys))]

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(looked_up, (1, 3, 7, 11)))
    finally:
        sys.setswitchinterval(interval)
        state.close()
    for step, values in zip((1, 3, 7, 11), found, strict=True):
        assert values == [b"value of " + keys[number * step % len(keys)] for number in range(len(keys))]


@settings(max_examples=60, deadline=None)
@given(writes, writes, writes)
def test_rollback_leaves_no_trace(
    committed: list[tuple[bytes, bytes | None]],
    kept: list[tuple[bytes, bytes | None]],
    undone: list[tuple[bytes, bytes | None]],
) -> None:
    state = State()
    for key, value in committed:
        state.put(key, value)
    state.commit(1)
    before = state.commitment()
    for key, value in kept:
        state.put(key, value)
    middle, mark = state.commitment(), state.savepoint()
    for key, value in undone:
        state.put(key, value)
    state.commitment()
    state.rollback(mark)
    assert state.commitment() == middle
    state.rollback()
    assert state.commitment() == before


@settings(max_examples=60, deadline=None)
@given(writes, writes)
def test_a_scan_sees_what_a_get_sees(
    committed: list[tuple[bytes, bytes | None]], fresh: list[tuple[bytes, bytes | None]]
) -> None:
    state = State()
    for key, value in committed:
        state.put(key, value)
    state.commit(1)
    for key, value in fresh:
        state.put(key, value)
    found = dict(state.scan(b"a"))
    assert list(found) == sorted(found)
    for key in (b"a", b"ab", b"a\xff"):
        assert found.get(key) == state.get(key)
    assert b"b" not in found


rows = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.none() | st.integers(0, 2)), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rows, st.booleans()), max_size=6))
def test_scans_of_tables_are_those_of_a_twin_that_remembers_nothing(
    blocks: list[tuple[list[tuple[str, int, int | None]], bool]],
) -> None:
    """Also where one table's name begins like another's, and blocks are rolled back or detached."""
    tables = {"a": Table("n", Number), "b": Table("nn", Number)}
    state, twin = State(), dict[bytes, bytes]()
    for height, (block, is_kept) in enumerate(blocks, start=1):
        before = dict(twin)
        for name, number, value in block:
            key = tables[name].key("x", number)
            if value is None:
                tables[name].delete(state, "x", number)
                twin.pop(key, None)
            else:
                tables[name].put(state, Number(value), "x", number)
                twin[key] = encode(Number(value))
            for prefix in (*(table.key("x") for table in tables.values()), b"n", b"nn", b"n\0"):
                assert list(state.scan(prefix)) == sorted((k, v) for k, v in twin.items() if k.startswith(prefix))
        if is_kept:
            state.attach(state.detach())
            state.commit(height)
        else:
            state.rollback()
            twin = before
    assert dict(state.scan(b"n")) == twin


def test_records_read_after_a_rollback_are_those_of_before() -> None:
    state = State()
    NUMBERS.put(state, Number(1), "x")
    state.commit(1)
    assert NUMBERS.get(state, "x") == Number(1)
    NUMBERS.put(state, Number(2), "x")
    assert NUMBERS.get(state, "x") == Number(2)
    state.rollback()
    assert NUMBERS.get(state, "x") == Number(1)
    NUMBERS.delete(state, "x")
    assert NUMBERS.get(state, "x") is None


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=2, max_size=2))
def test_every_number_has_a_key_and_they_sort(numbers: list[int]) -> None:
    first, second = numbers
    assert (NUMBERS.key(first) < NUMBERS.key(second)) == (first < second)


def test_strings_of_a_key_do_not_run_into_each_other() -> None:
    assert NUMBERS.key("ab", "c") != NUMBERS.key("a", "bc")


def test_state_survives_reopening(tmp_path: Path) -> None:
    state = State(tmp_path / "s.db")
    assert state.is_new
    state.put(b"k", b"v")
    state.commit(7)
    state.put(b"lost", b"x")
    commitment = state.commitment()
    state.close()
    again = State(tmp_path / "s.db")
    assert (again.height, again.get(b"k"), again.get(b"lost"), again.is_new) == (7, b"v", None, False)
    assert again.commitment() != commitment
    again.close()


# -- snapshots -----------------------------------------------------------------------------------------------------


def snapshot_of(count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    state = State()
    for number in range(count):
        state.put(bytes([number]), b"v")
    state.commit(1)
    return list(state.snapshot()), state.commitment()


def test_a_snapshot_is_checked_without_replay() -> None:
    pairs, commitment = snapshot_of(10)
    restored = State()
    restored.restore(pairs, 1, commitment)
    assert restored.commitment() == commitment and restored.height == 1


def test_duplicate_rows_in_a_snapshot() -> None:
    pairs, commitment = snapshot_of(3)
    copies = [*pairs, *[(b"\xf0", b"forged")] * 65_536]  # they add up to nothing
    restored = State()
    with pytest.raises(SnapshotError, match="repeats a key"):
        restored.restore(copies, 1, commitment)
    assert list(restored.snapshot()) == [] and restored.is_new


def test_a_snapshot_that_lacks_or_changes_something() -> None:
    pairs, commitment = snapshot_of(5)
    for wrong in (pairs[1:], [*pairs[:-1], (pairs[-1][0], b"w")], list(reversed(pairs))):
        restored = State()
        with pytest.raises(SnapshotError):
            restored.restore(wrong, 1, commitment)
        assert restored.commitment() == State().commitment()


# -- damage ----------------------------------------------------------------------------------------------------------


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database at all, and long enough to be looked at" * 100)
    with pytest.raises(StateError, match=r"s\.db is not a sound state database"):
        State(path)


def test_a_changed_record_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    state = State(path)
    state.put(b"k", b"value")
    state.commit(1)
    state.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE state SET value = x'00'")
    database.commit()
    database.close()
    assert not State(path).is_sound()


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    with watched_disk() as disk:
        state = State(tmp_path / "s.db")
    state.put(b"k", b"v")
    state.commit(1)
    disk.fill(tmp_path / "s.db")
    state.put(b"large", bytes(100_000))
    with pytest.raises(StateError, match="cannot be written"):
        state.commit(2)
    assert state.height == 1
    disk.free(tmp_path / "s.db")
    state.commit(2)
    assert state.height == 2 and state.get(b"large") == bytes(100_000)
