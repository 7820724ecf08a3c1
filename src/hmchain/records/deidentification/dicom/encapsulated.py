"""Compressed frames in their fragments (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hmchain.records.deidentification.dicom.bitstreams import starts_frame
from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.reading import PixelElement

FRAME_BYTES_MAX = 1 << 30
FRAGMENTS_MAX = 1 << 20

_ITEM = struct.Struct("<HHL")
_MAGIC_BYTES = 12


@dataclass(frozen=True)
class EncapsulatedFrames:
    """The places of the fragments of each frame. The offset tables of the file are not needed, and not trusted."""

    file: BinaryIO
    frames: tuple[tuple[tuple[int, int], ...], ...]
    """Of each frame, offset and length of its fragments."""

    @property
    def total_bytes(self) -> int:
        """Bytes of all fragments."""
        return sum(length for frame in self.frames for _, length in frame)

    def __iter__(self) -> Iterator[bytes]:
        """The frames, one at a time."""
        for fragments in self.frames:
            pieces = []
            for offset, length in fragments:
                self.file.seek(offset)
                pieces.append(self.file.read(length))
            yield b"".join(pieces)


def encapsulated(file: BinaryIO, element: PixelElement, frames: int, *, runs: bool) -> EncapsulatedFrames:
    """Find `frames` frames; `runs` says that each fragment is one (RLE). Raises `Hold` if they are not all there."""
    fragments = list(_fragments(file, element.offset))[1:]  # the first is the Basic Offset Table
    groups: list[list[tuple[int, int]]] = []
    for offset, length, first in fragments:
        if not groups or (frames > 1 and (runs or starts_frame(first))):
            groups.append([])
        groups[-1].append((offset, length))
    if len(groups) != frames:
        raise damaged(f"it has {len(groups)} compressed frames and says {frames}")
    if any(sum(length for _, length in group) > FRAME_BYTES_MAX for group in groups):
        raise Hold("too_large", f"a compressed frame of more than {FRAME_BYTES_MAX >> 20} MiB")
    return EncapsulatedFrames(file, tuple(tuple(group) for group in groups))


def _fragments(file: BinaryIO, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """Offset, length and first bytes of each item, up to the delimiter."""
    for _ in range(FRAGMENTS_MAX):
        file.seek(offset)
        start = file.read(_ITEM.size + _MAGIC_BYTES)
        if len(start) < _ITEM.size:
            raise damaged("the file is cut short in its pixels")
        group, number, length = _ITEM.unpack_from(start)
        if (group, number) == (0xFFFE, 0xE0DD):
            return
        if (group, number) != (0xFFFE, 0xE000) or length == 0xFFFFFFFF:
            raise damaged("its pixels are not stored as compressed pixels are")
        yield offset + _ITEM.size, length, start[_ITEM.size :]
        offset += _ITEM.size + length
    raise Hold("too_large", f"more than {FRAGMENTS_MAX} fragments of pixels")
