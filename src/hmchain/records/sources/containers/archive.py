"""Files in a .zip file. Names are only names: nothing is ever written under them."""

from __future__ import annotations

import io
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from hmchain.records.sources.containers.entry import ContainerEntry, Packed, plain_path, text_of, why_not_data
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark
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


BEGINNING = b"PK\x03\x04"


class Archive:
    """A .zip file, of stored or deflated entries.

    Raises `SourceError` if it is none, is encrypted, or would unpack to more than the limits above.
    """

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        file = Bounded(packed.open())
        weakref.finalize(self, file.close)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, MemoryError) as error:
            file.close()
            raise SourceError(f"{packed.label} is no .zip file, or is damaged", "pack it again") from error
        self._check(packed.size)

    def _check(self, size: int) -> None:
        entries = self._zip.infolist()
        if len(entries) > ENTRIES_MAX:
            raise self._refused(f"holds more than {ENTRIES_MAX} files")
        if any(entry.flag_bits & _ENCRYPTED for entry in entries):
            raise SourceError(f"{self._packed.label} is encrypted", "unpack it with its password, and give the folder")
        unpacked = sum(entry.file_size for entry in entries)
        if any(entry.file_size > ENTRY_BYTES_MAX for entry in entries) or unpacked > ARCHIVE_BYTES_MAX:
            raise self._refused(f"would unpack to {unpacked >> 30} GiB")
        if unpacked > RATIO_FREE_BYTES and unpacked > RATIO_MAX * size:
            raise self._refused(f"would unpack to more than {RATIO_MAX} times its size")

    def _refused(self, why: str) -> SourceError:
        return SourceError(
            f"{self._packed.label} {why}", "it may be made to fill disks; if not, unpack it, give the folder"
        )

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The files in the order of the archive."""
        taken: set[str] = set()
        for number, info in enumerate(self._zip.infolist(), start=1):
            if info.is_dir():
                continue
            name = self._packed.prefix + plain_path(text_of(info.filename))
            if name in taken:  # an archive may hold two files of one name
                name = f"{name}#{number}"
            taken.add(name)
            entry = self._entry(info, name, number)
            finds.file(name, entry.mark)
            if reason := _why_not(entry, info):
                finds.passed(reason)
            else:
                yield entry

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        names = (plain_path(text_of(info.filename)) for info in self._zip.infolist())
        return sorted({name.split("/", 1)[0] for name in names if "/" in name})

    def _entry(self, info: zipfile.ZipInfo, name: str, number: int) -> ContainerEntry:
        label = f"entry {number} of {self._packed.label}"

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


def _why_not(entry: ContainerEntry, info: zipfile.ZipInfo) -> str:
    """Say why an entry is not given; nothing if it is."""
    if info.compress_type not in _METHODS:
        return "an entry packed in an uncommon way"
    return why_not_data(entry.name, entry.size)


_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError)


class Bounded(io.RawIOBase):
    """A file of which no more is read at once than a .zip file's directory may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As the file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As the file's."""
        return self._file.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        """As the file's. Raises `ValueError` for too much."""
        if size is not None and size > DIRECTORY_BYTES_MAX:
            raise ValueError("the directory is too long")
        return self._file.read(-1 if size is None else size) or b""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
