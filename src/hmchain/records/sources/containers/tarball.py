"""Files in a .tar file, compressed or not. Names are only names: nothing is ever written under them."""

from __future__ import annotations

import tarfile
import weakref
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from hmchain.records.sources.containers.entry import ContainerEntry, Packed, plain_path, text_of, why_not_data
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark
from hmchain.records.sources.spool import spooled

_CHUNK = 1 << 20
_DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError)
MAGIC, MAGIC_AT = b"ustar", 257


class Tarball:
    """A .tar file that can be read from anywhere. Raises `SourceError` if it is none."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        file = packed.open()
        weakref.finalize(self, file.close)
        try:
            self._tar = tarfile.TarFile(fileobj=file)
        except _DAMAGE as error:
            file.close()
            raise SourceError(f"{packed.label} is no .tar file, or is damaged", "pack it again") from error

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The files in the order of the archive. Raises `SourceError` where it breaks off."""
        taken: set[str] = set()
        outer = self._packed.mark()
        try:
            for number, info in enumerate(self._tar, start=1):
                if info.isdir():
                    continue
                name = self._packed.prefix + plain_path(text_of(info.name))
                if name in taken:
                    name = f"{name}#{number}"
                taken.add(name)
                label = f"entry {number} of {self._packed.label}"
                known = partial(mark, name, outer.encode(), str(info.offset).encode(), str(info.size).encode())
                finds.file(name, known)
                if reason := why_not_data(name, info.size) if info.isfile() else "a link in an archive, or no file":
                    finds.passed(reason)
                    continue
                reading = partial(self._head, info), partial(self._open, info, label)
                yield ContainerEntry(name, label, info.size, *reading, known)
        except _DAMAGE as error:
            raise SourceError(f"{self._packed.label} breaks off", "pack it again; what came before is kept") from error

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        try:
            names = [plain_path(text_of(name)) for name in self._tar.getnames()]
        except _DAMAGE:
            return []
        return sorted({name.split("/", 1)[0] for name in names if "/" in name})

    def _pieces(self, info: tarfile.TarInfo, most: int) -> Iterator[bytes]:
        file = self._tar.extractfile(info)
        left = most
        while file is not None and left > 0 and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece

    def _head(self, info: tarfile.TarInfo, count: int) -> bytes:
        try:
            return b"".join(self._pieces(info, count))
        except _DAMAGE:
            return b""

    def _open(self, info: tarfile.TarInfo, label: str) -> BinaryIO:
        try:
            return spooled(self._pieces(info, info.size))
        except _DAMAGE as error:
            raise ItemUnavailableError(f"{label} is damaged", "pack it again") from error
