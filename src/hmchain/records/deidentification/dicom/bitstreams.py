"""Compressed frames without what is in them besides the picture: comments, application data, what follows the end.

What remains is needed to decode: a frame comes out bit for bit the same picture. JPEG (ITU-T T.81), JPEG-LS (T.87) and
JPEG 2000 (T.800, T.814) are sequences of marker segments; those that only inform are left out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from hmchain.records.deidentification.dicom.holding import Hold, damaged

JPEG_START, JPEG2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "

_SOI, _EOI, _SOS, _APP0, _APP8, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE8, 0xEE
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_KEPT = frozenset({*range(0xC0, 0xD0), _SOS, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF7, 0xF8}) - {0xC8}
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END_OF_SCAN_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_JPEG_LS = 0xF7
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"

_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9
_J2K_INFORMATIVE = frozenset({0xFF55, 0xFF57, 0xFF58, 0xFF63, 0xFF64})
"""TLM, PLM and PLT (lengths, which a decoder can do without), CRG, COM."""
_J2K_KEPT = frozenset(
    {*range(0xFF50, 0xFF54), 0xFF56, 0xFF59, *range(0xFF5C, 0xFF62), *range(0xFF72, 0xFF7A)}
)  # fmt: skip
_TILE_PART = struct.Struct(">HHHLBB")


def strip(frame: bytes) -> bytes:
    """The frame without anything but its picture; raises `Hold` if it is cut short or of no form that is known."""
    try:
        if frame.startswith(JPEG_START):
            return b"".join(_jpeg(frame))
        if frame.startswith(_JP2_SIGNATURE):
            frame = _codestream(frame)
        if frame.startswith(JPEG2000_START):
            return b"".join(_jpeg2000(frame))
    except (IndexError, struct.error) as error:
        raise damaged("a compressed frame is cut short") from error
    raise damaged("a compressed frame is not of its transfer syntax")


def starts_frame(fragment: bytes) -> bool:
    """Tell whether a fragment of encapsulated pixel data is the first of a frame."""
    return fragment.startswith((JPEG_START, JPEG2000_START, _JP2_SIGNATURE))


def _jpeg(frame: bytes) -> Iterator[bytes]:
    yield JPEG_START
    at, is_ls = 2, False
    while True:
        if frame[at] != 0xFF:
            raise damaged("a compressed frame has no marker where one must be")
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _EOI:
            yield b"\xff\xd9"
            return
        if marker in _STANDALONE:
            yield frame[at : at + 2]
            at += 2
            continue
        segment, at = _segment(frame, at)
        yield _jpeg_segment(marker, segment)
        is_ls |= marker == _JPEG_LS
        if marker == _SOS:
            end = (_END_OF_SCAN_LS if is_ls else _END_OF_SCAN).search(frame, at)
            if end is None:
                raise damaged("a compressed frame is cut short")
            yield frame[at : end.start()]
            at = end.start()


def _segment(frame: bytes, at: int) -> tuple[bytes, int]:
    """The segment with its marker at `at`, and where it ends."""
    (length,) = struct.unpack_from(">H", frame, at + 2)
    end = at + 2 + length
    if length < 2 or end > len(frame):
        raise damaged("a compressed frame is cut short")
    return frame[at:end], end


def _jpeg_segment(marker: int, segment: bytes) -> bytes:
    """Strip a segment. Three application segments say how colours are coded; they are written afresh."""
    content = segment[4:]
    if marker in _JPEG_KEPT:
        return segment
    if marker == _APP0 and content.startswith(b"JFIF\0"):
        return _JFIF
    if marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12 and content[11] <= 2:
        return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + content[11:12]
    if marker == _APP8 and content.startswith(b"mrfx") and len(content) == 5:  # HP's colour transform in JPEG-LS
        return segment
    return b""


def _codestream(file: bytes) -> bytes:
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


def _jpeg2000(frame: bytes) -> Iterator[bytes]:
    yield frame[:2]
    kept, at = _needed(frame, 2, _SOT)
    yield kept
    while _marker(frame, at) == _SOT:
        _, size, tile, length, part, parts = _TILE_PART.unpack_from(frame, at)
        end = at + length if length else frame.rfind(b"\xff\xd9")
        if size != 10 or not at + 12 < end <= len(frame):
            raise damaged("a compressed frame is cut short")
        kept, data = _needed(frame, at + _TILE_PART.size, _SOD)
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


def _needed(frame: bytes, at: int, until: int) -> tuple[bytes, int]:
    """The segments from `at` that are needed, and where the marker `until` stands."""
    kept = []
    while (marker := _marker(frame, at)) != until:
        segment, at = _segment(frame, at)
        if marker in _J2K_KEPT:
            kept.append(segment)
        elif marker not in _J2K_INFORMATIVE:
            raise Hold("unsupported_pixels", "a compressed frame has parts that are not known")
    return b"".join(kept), at


def _marker(frame: bytes, at: int) -> int:
    (marker,) = struct.unpack_from(">H", frame, at)
    return int(marker)
