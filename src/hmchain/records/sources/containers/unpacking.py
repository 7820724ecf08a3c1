"""Archives among files: opened like folders, within bounds; what is not opened is passed over, and said why.

Whatever an archive is called, its beginning says what it is. Documents that are archives inside (Office files, arrays)
stay what they are. A compressed file of one is unpacked to disk, without a name, before anything in it is read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from hmchain.records.sources.containers import archive, tarball
from hmchain.records.sources.containers.archive import Archive
from hmchain.records.sources.containers.entry import Container, ContainerEntry, Packed, why_not_data
from hmchain.records.sources.containers.tarball import Tarball
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.spool import spooled

DEPTH_MAX = 3
"""So many archives one in another are opened."""

_HEAD_BYTES = 512
_CHUNK = 1 << 20
_ZIP_NAME_AT = 30
_DOCUMENTS = (b"[Content_Types].xml", b"mimetype", b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/", b"META-INF/")
_WHOLE = (".npz", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".jar", ".epub", ".nii.gz",
          ".ndjson.gz", ".jsonl.gz", ".svgz", ".mgz")  # fmt: skip
"""Names of archives that are files of their own kind, or are read as they are."""
_STREAMS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")),
    b"BZh": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    b"\xfd7zXZ\0": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115
}
_OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard", b"\x1f\x9d": "compress",
}  # fmt: skip
_NIFTI_AT, _NIFTI = 344, (b"n+1\0", b"ni1\0")
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class Unpacked:
    """The files of a container, and those of the archives in it (a `Container`)."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The files in a stable order."""
        yield from _opened(self._container.entries(finds), finds, 0)

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        return self._container.tops()


def opener_of(name: str, head: bytes) -> Callable[[Packed], Container] | None:
    """What opens an archive of that name which begins with `head`; None for what is no archive that is opened."""
    if name.lower().endswith(_WHOLE):
        return None
    if head.startswith(archive.BEGINNING):
        return None if head[_ZIP_NAME_AT:].startswith(_DOCUMENTS) else Archive
    if head[tarball.MAGIC_AT :].startswith(tarball.MAGIC):
        return Tarball
    opening = next((each for beginning, each in _STREAMS.items() if head.startswith(beginning)), None)
    return None if opening is None else partial(_Stream, opening, name)


class _Stream:
    """A compressed file: the one in it, or those of the .tar file that it is. Raises `SourceError`."""

    def __init__(self, opening: Callable[[BinaryIO], BinaryIO], name: str, packed: Packed) -> None:
        label = packed.label
        try:
            with packed.open() as file, opening(file) as inside:
                whole = spooled(_bounded(inside, packed.size, label))
        except _DAMAGE as error:
            raise SourceError(f"{label} is damaged", "pack it again") from error
        size = whole.seek(0, 2)
        self._packed = Packed(label, size, partial(_viewed, whole, size), packed.mark, packed.prefix)
        self._name = _inner(PurePosixPath(name).name)

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The file, or the files."""
        packed = self._packed
        head = _head(packed, tarball.MAGIC_AT + len(tarball.MAGIC))
        if head[tarball.MAGIC_AT :].startswith(tarball.MAGIC):
            yield from Tarball(packed).entries(finds)
            return
        name = packed.prefix + self._name
        mark = partial(_named, name, packed.mark)
        finds.file(name, mark)
        if reason := why_not_data(name, packed.size):
            finds.passed(reason)
        else:
            yield ContainerEntry(name, packed.label, packed.size, partial(_head, packed), packed.open, mark)

    def tops(self) -> list[str]:
        """None, or those of the .tar file."""
        return []


def _opened(entries: Iterator[ContainerEntry], finds: Finds, depth: int) -> Iterator[ContainerEntry]:
    for entry in entries:
        head = entry.head(_HEAD_BYTES)
        open_it = opener_of(entry.name, head)
        if open_it is None:
            if reason := _why_not(entry.name, head):
                finds.passed(reason)
            else:
                yield replace(entry, head=partial(_begun, entry.head, head))
        elif finds.counting:
            raise Uncounted
        elif depth >= DEPTH_MAX:
            finds.passed(f"an archive within {DEPTH_MAX} others")
        else:
            yield from _inside(entry, open_it, finds, depth)


def _why_not(name: str, head: bytes) -> str:
    """Say why a file of a known format is not taken, and the way out; nothing of others."""
    if other := next((other for beginning, other in _OTHERS.items() if head.startswith(beginning)), ""):
        return f"an archive of a kind that is not opened ({other}): unpack it"
    if name.lower().endswith((".nii", ".nii.gz")) or head[_NIFTI_AT : _NIFTI_AT + 4] in _NIFTI:
        return "NIfTI: give the DICOM files it was made of"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF:
        return "HEIC or AVIF: save it as PNG or JPEG"
    return "JPEG XL: save it as PNG or JPEG" if head.startswith(_JPEG_XL) else ""


def _inside(
    entry: ContainerEntry, open_it: Callable[[Packed], Container], finds: Finds, depth: int
) -> Iterator[ContainerEntry]:
    packed = Packed(entry.label, entry.size, entry.open, entry.mark, entry.name + "/")
    opened = False
    try:
        container = open_it(packed)
        opened = finds.opened()
        yield from _opened(container.entries(finds), finds, depth + 1)
    except (SourceError, ItemUnavailableError) as error:
        if opened:
            finds.file(entry.name, entry.mark)
        finds.passed(f"an archive that is not read: {_why(error)}")


class Uncounted(Exception):
    """How many files there are is not known before archives are opened."""


def _why(error: SourceError) -> str:
    """The reason without the archive's name."""
    for word in ("encrypted", "damaged", "breaks off", "unpack to"):
        if word in error.what:
            return {"unpack to": "it would fill the disk"}.get(word, word)
    return "it cannot be opened"


def _bounded(file: BinaryIO, packed: int, label: str) -> Iterator[bytes]:
    total = 0
    while piece := file.read(_CHUNK):
        total += len(piece)
        if total > archive.ENTRY_BYTES_MAX or (total > archive.RATIO_FREE_BYTES and total > archive.RATIO_MAX * packed):
            what = f"{label} would unpack to more than {total >> 30} GiB"
            raise SourceError(what, "it may be made to fill disks; if not, unpack it, give the folder")
        yield piece


class _View(io.RawIOBase):
    """An unpacked file from its start, read at a place of its own; closing it leaves the file to others."""

    def __init__(self, whole: BinaryIO, size: int) -> None:
        self._whole, self._size, self._at = whole, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place."""
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read from there."""
        self._whole.seek(self._at)
        data = self._whole.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _viewed(whole: BinaryIO, size: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_View(whole, size)))


def _begun(read: Callable[[int], bytes], head: bytes, count: int) -> bytes:
    """The first bytes of a file whose beginning was read."""
    return head[:count] if count <= _HEAD_BYTES else read(count)


def _head(packed: Packed, count: int) -> bytes:
    with packed.open() as file:
        return file.read(count)


def _named(name: str, outer: Callable[[], str]) -> str:
    return f"{name} in {outer()}"


def _inner(name: str) -> str:
    """What a compressed file's content is called: `scan.dcm` of `scan.dcm.gz`."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in (".gz", ".bz2", ".xz", ".z") and path.stem else f"{name}.unpacked"
