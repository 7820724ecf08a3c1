"""Files in a folder and the folders below it, or a file alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hmchain.records.sources.containers.entry import ContainerEntry, text_of, why_not_data
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark_of_large_file


class SingleFile:
    """One file, as if it lay alone in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The file."""
        entry = _file_entry(self._path, text_of(self._path.name), _Place.at(self._path))
        finds.file(entry.name, entry.mark)
        yield entry

    def tops(self) -> list[str]:
        """None."""
        return []


@dataclass
class _Level:
    """A folder on the way down."""

    entries: Iterator[os.DirEntry[str]]
    prefix: str


class Folder:
    """A folder and the folders below it.

    A link is followed where it leads to a file of this folder that would not be given otherwise, as in a folder that
    keeps its files in a hidden store. What else it leads to is given where it lies, or lies outside: it is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The files in the order of their paths.

        Raises `SourceError` if the folder itself cannot be read, or is gone before the last of them.
        """
        place = _Place.at(self._path)
        way = [_Level(iter(_listing(self._path)), "")]  # no recursion: folders may be deeper than that goes
        while way:
            found = next(way[-1].entries, None)
            if found is None:
                way.pop()
                continue
            name = way[-1].prefix + text_of(found.name)
            if _is_folder(found):
                try:
                    way.append(_Level(iter(_listing(Path(found.path))), name + "/"))
                except SourceError:
                    place.require_there()
                    finds.file(name + "/")
                    finds.passed("a folder that cannot be read")
                continue
            entry = _file_entry(Path(found.path), name, place)
            finds.file(name, entry.mark if _is_file(found) else None)
            if reason := self._why_not(found, entry, place):
                finds.passed(reason)
            else:
                yield entry

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        return [text_of(entry.name) for entry in _listing(self._path) if _is_folder(entry)]

    def _why_not(self, found: os.DirEntry[str], entry: ContainerEntry, place: _Place) -> str:
        """Say why a file is not given; nothing if it is."""
        if found.is_symlink() and (reason := self._why_not_followed(Path(found.path))):
            return reason
        if not os.path.lexists(found.path):
            place.require_there()
            return "a file that went away"
        if not _is_file(found):
            return "neither file nor folder"
        if reason := why_not_data(entry.name, entry.size):
            return reason
        return "" if os.access(found.path, os.R_OK) else "a file that may not be read"

    def _why_not_followed(self, link: Path) -> str:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # it leads to nothing, or round in a loop
            return "a link to nothing"
        root = self._path.resolve()
        if not target.is_relative_to(root):
            return "a link out of the folder"
        inside = target.relative_to(root)
        if target.is_dir() or not why_not_data(text_of(inside.as_posix()), 1):
            return "a link to what lies here itself"
        return ""


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


@dataclass(frozen=True)
class _Place:
    """The place of a source, and the device that it was on when it was opened."""

    path: Path
    device: int

    @classmethod
    def at(cls, path: Path) -> _Place:
        return cls(path, device_of(path))

    def require_there(self) -> None:
        """Raise `SourceError` if the place is not there any more: a disc that was taken out, a share that is down.

        Where a share was, its empty mount point may be left.
        """
        if not os.access(self.path, os.R_OK) or device_of(self.path) != self.device:
            hint = "bring it back and run the same command again: it goes on where it stopped"
            raise SourceError(f"{self.path} went away while it was read", hint)


def device_of(path: Path) -> int:
    """The device that a path is on; 0 of one that cannot be read."""
    try:
        return path.stat().st_dev
    except OSError:
        return 0


def _file_entry(path: Path, name: str, place: _Place) -> ContainerEntry:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    # Functions of this module, so that other processes can be handed what opens a file.
    mark_it = partial(mark_of_large_file, name, path)
    return ContainerEntry(name, "a file", size, partial(_head, path, place), partial(open_file, path), mark_it)


def open_file(path: Path) -> BinaryIO:
    """A file to be read. Raises `ItemUnavailableError`."""
    try:
        return path.open("rb")
    except OSError as error:
        raise ItemUnavailableError("a file cannot be read", "check its owner and mode") from error


def _head(path: Path, place: _Place, count: int) -> bytes:
    """The first bytes of a file of a source; none of one that cannot be read. Raises `SourceError` if that is gone."""
    found = head_of(path, count)
    if not found:
        place.require_there()
    return found


def head_of(path: Path, count: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""
