"""What an item is remembered by: equal for the same, different for another."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.sources.marks import mark, mark_of_content, mark_of_large_file


def mark_of_file(name: str, path: Path) -> str:
    with path.open("rb") as file:
        return mark_of_content(name, file)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.tuples(TEXTS, st.lists(st.binary(max_size=4), max_size=3)), st.tuples(TEXTS, st.lists(st.binary(max_size=4))))
def test_marks_are_equal_for_equal_items_only(one: tuple[str, list[bytes]], other: tuple[str, list[bytes]]) -> None:
    assert (mark(one[0], *one[1]) == mark(other[0], *other[1])) is (one == other)


@pytest.mark.parametrize("of", [mark_of_file, mark_of_large_file])
@pytest.mark.parametrize("at", [0, 10_000, -1])
def test_a_file_written_over_has_another_mark_though_size_and_time_are_the_same(
    tmp_path: Path, of: object, at: int
) -> None:
    assert callable(of)
    path = tmp_path / "IM0001"
    path.write_bytes(bytes(20_000))
    os.utime(path, (5, 5))
    before = of("IM0001", path)
    assert of("IM0001", path) == before != of("IM0002", path)
    content = bytearray(path.read_bytes())
    content[at] = 1
    time.sleep(0.05)  # many times a tick of the clock that file systems go by
    path.write_bytes(content)
    os.utime(path, (5, 5))
    assert of("IM0001", path) != before


@pytest.mark.parametrize("at", [0, 4095, -4096, -1])
def test_on_a_disc_without_times_both_ends_of_a_file_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    class Found:
        st_mtime_ns = st_ctime_ns = 0

    monkeypatch.setattr(Path, "stat", lambda path: Found())
    path = tmp_path / "IM0001"
    content = bytearray(20_000)
    path.write_bytes(content)
    before = mark_of_large_file("IM0001", path)
    content[at] = 1
    path.write_bytes(content)
    assert mark_of_large_file("IM0001", path) != before


def test_by_all_its_bytes_a_copy_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    shutil.copy(tmp_path / "a", tmp_path / "b")
    assert mark_of_file("x", tmp_path / "a") == mark_of_file("x", tmp_path / "b")
    assert mark_of_large_file("x", tmp_path / "nothing") == mark("x")
