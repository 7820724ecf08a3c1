"""Files that lie together: in a folder and the folders below it, or in a .zip file.

Both give entries one by one in a stable order. An archive's names are only names: nothing is ever written under them.
"""

from __future__ import annotations

import io
import os
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark, mark_of_large_file
from hmchain.records.sources.skipped import SkippedItems
from hmchain.records.sources.spool import spooled

ENTRIES_MAX = 1_000_000
ENTRY_BYTES_MAX = 16 << 30
ARCHIVE_BYTES_MAX = 4 << 40
RATIO_MAX = 250
"""How many times its own size an archive may unpack to. Real images shrink 2 to 20 times, blank masks alone 1000."""
RATIO_FREE_BYTES = 1 << 30
"""Below this an archive may unpack to anything."""
DIRECTORY_BYTES_MAX = 256 << 20

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # others unpack a few bytes to any amount of memory at once
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class ContainerEntry:
    """One file of a container."""

    name: str
    """Its path in the container, parts joined by `/`; unique, and can be written as UTF-8."""
    label: str
    """The name in words that may be shown: it tells nothing of what is in the file's name."""
    size: int
    head: Callable[[int], bytes]
    """The first bytes, fewer if the file is shorter or damaged."""
    open: Callable[[], BinaryIO]
    """The whole from the start, seekable. Raises `ItemUnavailableError`."""
    mark: Callable[[], str]
    """What it is remembered by; of a file this reads both its ends."""


class Container(Protocol):
    """A folder or an archive."""

    def entries(self, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        """The files in a stable order; what cannot be a file of data is counted in `skipped`."""
        ...

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        ...


def open_container(path: Path) -> Container:
    """The container at `path`. Raises `SourceError` if there is none, or it must not be unpacked."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise SourceError(f"{path} does not exist", "give a folder, a file or a .zip file")
    packed = path.suffix.lower() == ".zip" or _head_of(path, len(_ZIP)) == _ZIP
    return Archive(path) if packed else SingleFile(path)


class SingleFile:
    """One file, as if it lay alone in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        """The file."""
        yield _file_entry(self._path, _text(self._path.name))

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
        return [_text(entry.name) for entry in _listing(self._path) if _is_folder(entry)]

    def _below(self, folder: Path, prefix: str, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        try:
            found = _listing(folder)
        except SourceError:
            if not prefix:
                raise
            skipped.add(prefix, "a folder that cannot be read")
            return
        for entry in found:
            name = prefix + _text(entry.name)
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
    return ContainerEntry(name, "a file", size, partial(_head_of, path), partial(_open_file, path), mark_it)


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ItemUnavailableError("a file cannot be read", "check its owner and mode") from error


def _head_of(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


class Archive:
    """A .zip file, of stored or deflated entries.

    Raises `SourceError` if it is none, is encrypted, or would unpack to more than the limits above. An archive inside
    it is passed over, not opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            file = _Bounded(path, "rb")
        except OSError as error:
            raise SourceError(f"{path} cannot be read", "check the path and its owner") from error
        weakref.finalize(self, file.close)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, MemoryError) as error:
            file.close()
            raise SourceError(f"{path} is no .zip file, or is damaged", "pack it again") from error
        self._check()

    def _check(self) -> None:
        entries = self._zip.infolist()
        if len(entries) > ENTRIES_MAX:
            raise self._refused(f"holds more than {ENTRIES_MAX} files")
        if any(entry.flag_bits & _ENCRYPTED for entry in entries):
            raise SourceError(f"{self._path} is encrypted", "unpack it with its password, and give the folder")
        unpacked = sum(entry.file_size for entry in entries)
        if any(entry.file_size > ENTRY_BYTES_MAX for entry in entries) or unpacked > ARCHIVE_BYTES_MAX:
            raise self._refused(f"would unpack to {unpacked >> 30} GiB")
        if unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * self._path.stat().st_size:
            raise self._refused(f"would unpack to more than {RATIO_MAX} times its size")

    def _refused(self, why: str) -> SourceError:
        return SourceError(f"{self._path} {why}", "it may be made to fill disks; if not, unpack it, give the folder")

    def entries(self, skipped: SkippedItems) -> Iterator[ContainerEntry]:
        """The files in the order of the archive."""
        taken: set[str] = set()
        for number, info in enumerate(self._zip.infolist(), start=1):
            if info.is_dir():
                continue
            name = _text(info.filename)
            if info.compress_type not in _METHODS:
                skipped.add(name, "an entry packed in an uncommon way")
                continue
            if name in taken:  # an archive may hold two files of one name
                name = f"{name}#{number}"
            taken.add(name)
            entry = self._entry(info, name, number)
            if entry.head(len(_ZIP)) == _ZIP:
                skipped.add(name, "an archive inside the archive")
            elif name.rsplit("/", 1)[-1].startswith("."):
                skipped.add(name, "a hidden file")
            else:
                yield entry

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        names = (_text(info.filename) for info in self._zip.infolist())
        return sorted({name.split("/", 1)[0] for name in names if "/" in name})

    def _entry(self, info: zipfile.ZipInfo, name: str, number: int) -> ContainerEntry:
        label = f"entry {number} of {self._path}"

        def head(count: int) -> bytes:
            try:
                with self._zip.open(info) as packed:
                    return packed.read(count)
            except _DAMAGE:
                return b""

        def pieces() -> Iterator[bytes]:
            with self._zip.open(info) as packed:
                while piece := packed.read(_CHUNK):
                    yield piece

        def opened() -> BinaryIO:
            try:
                return spooled(pieces())
            except _DAMAGE as error:
                raise ItemUnavailableError(f"{label} is damaged", "pack it again") from error

        sums = (info.CRC, info.file_size, info.compress_size)
        mark_it = partial(mark, name, *(str(each).encode() for each in sums))
        return ContainerEntry(name, label, info.file_size, head, opened, mark_it)


_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError)


class _Bounded(io.FileIO):
    """A file of which no more is read at once than a .zip file's directory may take."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_BYTES_MAX:
            raise ValueError("the directory is too long")
        return super().read(-1 if size is None else size) or b""


def _text(name: str) -> str:
    """A name that can be written as UTF-8, and differs for names that differ."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
