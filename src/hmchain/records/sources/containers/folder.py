"""Files in a folder and the folders below it, or a file alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hmchain.records.sources.containers.entry import ContainerEntry, text_of
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark_of_large_file
from hmchain.records.sources.skipped import SkippedItems


class SingleFile:
    """One file, as if it lay alone in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        """The file."""
        yield _file_entry(self._path, text_of(self._path.name))

    def tops(self) -> list[str]:
        """None."""
        return []


class Folder:
    """A folder; links to other folders are not followed, so that no loop is entered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        """The files in the order of their paths. Raises `SourceError` if the folder itself cannot be read."""
        yield from self._below(self._path, "", skipped)

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        return [text_of(entry.name) for entry in _listing(self._path) if _is_folder(entry)]

    def _below(self, folder: Path, prefix: str, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        try:
            found = _listing(folder)
        except SourceError:
            if not prefix:
                raise
            skipped.add(prefix, "a folder that cannot be read")
            return
        for entry in found:
            name = prefix + text_of(entry.name)
            if _is_folder(entry):
                yield from self._below(Path(entry.path), name + "/", skipped)
            elif entry.name.startswith("."):
                skipped.add(name, "a hidden file")
            elif _is_file(entry):
                yield _file_entry(Path(entry.path), name)
            else:
                skipped.add(name, "a link, or no file")


def files_below(folder: Path, why_not: Callable[[Path], str], skipped: SkippedItems) -> list[Path]:
    """The files below a folder that `why_not` has nothing against, in the order of their paths; others are counted."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        reason = "a hidden file" if path.name.startswith(".") else why_not(path)
        if reason:
            skipped.add(path.name, reason)
        else:
            found.append(path)
    return found


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"{folder} cannot be read", "check the path and its owner") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _file_entry(path: Path, name: str) -> ContainerEntry:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    # Functions of this module, so that other processes can be handed what opens a file.
    mark_it = partial(mark_of_large_file, name, path)
    return ContainerEntry(name, "a file", size, partial(head_of, path), partial(_open_file, path), mark_it)


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ItemUnavailableError("a file cannot be read", "check its owner and mode") from error


def head_of(path: Path, count: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""
