"""Objects copied from store to store: large and small ones, and what a store puts in another's place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.sharing import copying
from hmchain.records.objects import Buffer, ObjectStore, TamperedObjectError, WrongSizeError
from hmchain.records.objects.folder import Folder

LARGE = 5 << 20


def filled(place: Path, *sizes: int) -> tuple[ObjectStore, dict[bytes, int]]:
    """A store with an object of each size."""
    store = ObjectStore.directory(place, durable=False)
    return store, {store.put(os.urandom(size)): size for size in sizes}


def test_all_that_is_lacking_is_copied_and_checked_once(tmp_path: Path) -> None:
    source, sizes = filled(tmp_path / "source", *range(1, 200), LARGE, LARGE + 1)
    target, checked = ObjectStore.directory(tmp_path / "target"), dict[bytes, int]()
    there = next(iter(sizes))
    target.put(source.get(there))

    def check(address: bytes, pieces: Iterator[Buffer]) -> None:
        checked[address] = checked.get(address, 0) + sum(memoryview(piece).nbytes for piece in pieces)

    lacking = copying.lacking(target, sizes)
    assert lacking == {address: size for address, size in sizes.items() if address != there}
    assert copying.copy(source, target, lacking, check) == sum(lacking.values())
    assert checked == lacking and copying.lacking(target, sizes) == {}
    assert all(target.get(address) == source.get(address) for address in sizes)


@pytest.mark.parametrize("size", [100, LARGE])
def test_an_endless_file_in_an_object_s_place_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    source, sizes = filled(tmp_path / "source", size)
    target, stream, read = ObjectStore.directory(tmp_path / "target"), Folder.stream, list[int]()

    def counted(self: Folder, name: str) -> Iterator[Buffer]:
        for piece in stream(self, name):
            read.append(len(piece))
            yield piece

    monkeypatch.setattr(Folder, "stream", counted)
    (address,) = sizes
    os.truncate(tmp_path / "source" / address.hex()[:2] / address.hex(), 1 << 30)
    with pytest.raises((TamperedObjectError, WrongSizeError)):
        copying.copy(source, target, sizes)
    assert sum(read) <= size + (1 << 20) and list(target.list()) == []
    assert list((tmp_path / "target" / "incoming").iterdir()) == []
