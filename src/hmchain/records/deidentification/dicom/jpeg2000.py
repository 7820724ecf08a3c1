"""JPEG 2000 (ITU-T T.800) and HTJ2K (T.814) codestreams written anew: only the segments that decoding needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hmchain.records.deidentification.dicom.holding import UnknownParts, damaged

START = b"\xff\x4f\xff\x51"
BOXES = b"\x00\x00\x00\x0cjP  "
"""What a JP2 file begins with."""

_SIZ, _COD, _COC, _QCD, _QCC, _RGN = 0xFF51, 0xFF52, 0xFF53, 0xFF5C, 0xFF5D, 0xFF5E
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9
_INFORMATIVE = frozenset({0xFF55, 0xFF56, 0xFF57, 0xFF58, 0xFF63, 0xFF64})
"""TLM, PRF, PLM and PLT (lengths and a profile, which a decoder can do without), CRG, COM."""
_KEPT = frozenset({0xFF50, _SIZ, _COD, _COC, 0xFF59, _QCD, _QCC, _RGN, 0xFF5F, 0xFF60, 0xFF61, *range(0xFF72, 0xFF7A)})
"""CAP, CPF, POC, PPM, PPT and those of T.801 beside the well-known ones."""
_TILE_PART = struct.Struct(">HHHLBB")
_PRECINCTS = 0x01


def codestream(file: bytes) -> bytes:
    """The codestream of a JP2 file (T.800 Annex I), which DICOM forbids and some devices write."""
    at = 0
    while at + 8 <= len(file):
        length, kind = struct.unpack_from(">L4s", file, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", file, start)
            start += 8
        end = at + length if length else len(file)
        if kind == b"jp2c":
            return file[start:end]
        if end <= at:
            break
        at = end
    raise damaged("a compressed frame holds no picture")


def rewritten(frame: bytes) -> bytes:
    """The frame with what its picture needs. Raises `Hold` if it is damaged, `UnknownParts` if it has others."""
    return b"".join(_parts(frame))


def _parts(frame: bytes) -> Iterator[bytes]:
    yield frame[:2]
    components = int.from_bytes(frame[40:42], "big")  # of SIZ, which comes first
    kept, at = _needed(frame, 2, _SOT, components)
    yield kept
    while _marker(frame, at) == _SOT:
        _, size, tile, length, part, parts = _TILE_PART.unpack_from(frame, at)
        end = at + length if length else frame.rfind(b"\xff\xd9")
        if size != 10 or not at + 12 < end <= len(frame):
            raise damaged("a compressed frame is cut short")
        kept, data = _needed(frame, at + _TILE_PART.size, _SOD, components)
        whole = _TILE_PART.size + len(kept) + end - data
        yield _TILE_PART.pack(_SOT, size, tile, whole, part, parts)
        yield kept
        yield frame[data:end]
        at = end
        if at == len(frame):
            break  # some encoders leave out the end marker
    if at < len(frame) and _marker(frame, at) != _EOC:
        raise damaged("a compressed frame has no marker where one must be")
    yield b"\xff\xd9"


def _needed(frame: bytes, at: int, until: int, components: int) -> tuple[bytes, int]:
    """The segments from `at` that are needed, and where the marker `until` stands."""
    kept = []
    while (marker := _marker(frame, at)) != until:
        (length,) = struct.unpack_from(">H", frame, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(frame):
            raise damaged("a compressed frame is cut short")
        if marker in _KEPT:
            content = _exact(marker, frame[at + 4 : end], components)
            kept.append(struct.pack(">HH", marker, len(content) + 2) + content)
        elif marker not in _INFORMATIVE:
            raise UnknownParts("a compressed frame has parts that are not known")
        at = end
    return b"".join(kept), at


def _exact(marker: int, content: bytes, components: int) -> bytes:
    """A segment as long as what it must say: anything could follow that."""
    wide = 1 if components < 257 else 2
    if marker == _SIZ:
        return content[: 36 + 3 * components]
    if marker == _COD:
        return content[: 10 + _precincts(content[0], content[5])]
    if marker == _COC:
        return content[: wide + 6 + _precincts(content[wide], content[wide + 1])]
    if marker == _RGN:
        return content[: wide + 2]
    return content


def _precincts(style: int, levels: int) -> int:
    """How many bytes say the sizes of precincts."""
    return levels + 1 if style & _PRECINCTS else 0


def _marker(frame: bytes, at: int) -> int:
    (marker,) = struct.unpack_from(">H", frame, at)
    return int(marker)
