"""Files that lie together: in a folder and the folders below it, or in an archive; given in a stable order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hmchain.records.sources.containers.entry import Container, ContainerEntry, Packed, text_of
from hmchain.records.sources.containers.folder import Folder, SingleFile, head_of, open_file
from hmchain.records.sources.containers.unpacking import Uncounted, Unpacked, opener_of
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import SourceError
from hmchain.records.sources.marks import mark_of_large_file

__all__ = ["Container", "ContainerEntry", "SingleFile", "Uncounted", "counted", "open_container"]

_HEAD_BYTES = 512


def open_container(path: Path) -> Container:
    """The container at `path`, with what is in the archives in it.

    Raises `SourceError` if there is none, or it is an archive that must not be unpacked.
    """
    if path.is_dir():
        return Unpacked(Folder(path))
    if not path.is_file():
        raise SourceError(f"{path} does not exist", "give a folder, a file or an archive")
    name = text_of(path.name)
    open_it = opener_of(name, head_of(path, _HEAD_BYTES))
    if open_it is None and path.suffix.lower() in (".zip", ".tar", ".tgz"):
        raise SourceError(f"{path} is no {path.suffix.lower()} file, or is damaged", "pack it again")
    if open_it is None:
        return SingleFile(path)
    mark = partial(mark_of_large_file, name, path)
    return Unpacked(open_it(Packed(str(path), path.stat().st_size, partial(open_file, path), mark)))


def counted(
    entries: Callable[[Finds], Iterator[ContainerEntry]], items_in: Callable[[ContainerEntry], int] = lambda entry: 1
) -> int | None:
    """The number of items in the entries that a source takes; None where archives would have to be opened first.

    `items_in` says how many are in an entry, or raises `Uncounted` where it would have to be read.
    """
    try:
        return sum(items_in(entry) for entry in entries(Finds(counting=True)))
    except Uncounted:
        return None
