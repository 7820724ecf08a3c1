"""JPEG (ITU-T T.81) and JPEG-LS (T.87) written anew: only the segments and tables that decoding needs.

A table is kept if a scan uses it before it is defined again, which is found by going through the segments backwards.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hmchain.records.deidentification.dicom.holding import UnknownParts, damaged

START = b"\xff\xd8"
_END = b"\xff\xd9"

_EOI, _SOS, _DQT, _DHT, _DAC, _DRI, _DNL, _LSE, _JPEG_LS = 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC, 0xF8, 0xF7
_APP0, _APP8, _APP14 = 0xE0, 0xE8, 0xEE
_INFORMATIVE = frozenset({*range(0xE0, 0xF0), 0xFE})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS}) - {_DHT, 0xC8, _DAC}
_LOSSLESS, _PROGRESSIVE = frozenset({0xC3, 0xC7, 0xCB, 0xCF}), frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_END_OF_SCAN_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_FILL = re.compile(rb"\xff+(?=\xff[\xd0-\xd7])|\xff+\Z")
_JFIF = b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_DC, _AC = 0x00, 0x10
_LSE_PARAMETERS, _LSE_PARAMETERS_BYTES = 1, 11


@dataclass(frozen=True)
class _Segment:
    """A marker segment, and the coded data that follow one that begins a scan."""

    marker: int
    content: bytes
    coded: bytes = b""

    def encoded(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.content) + 2) + self.content + self.coded


def rewritten(frame: bytes) -> bytes:
    """The frame with what its picture needs. Raises `Hold` if it is damaged, `UnknownParts` if it is of a rare kind."""
    segments = list(_segments(frame))
    frames = [segment for segment in segments if segment.marker in _FRAMES]
    if len(frames) != 1:
        raise damaged("a compressed frame has no header, or several")
    header = _Header.read(frames[0])
    live: set[tuple[int, int]] = set()
    kept: list[_Segment] = []
    for segment in reversed(segments):
        left = _needed(segment, header, live)
        if left is not None:
            kept.append(left)
    return START + b"".join(segment.encoded() for segment in reversed(kept)) + _END


@dataclass(frozen=True)
class _Header:
    """The frame's header, as far as it says which tables scans use."""

    kind: int
    quantisation: dict[int, int]
    """The table of each component."""

    @staticmethod
    def read(segment: _Segment) -> _Header:
        count = segment.content[5]
        parts = [segment.content[6 + 3 * index : 9 + 3 * index] for index in range(count)]
        return _Header(segment.marker, {part[0]: part[2] for part in parts})


def _segments(frame: bytes) -> Iterator[_Segment]:
    at, is_ls = 2, False
    while True:
        if frame[at] != 0xFF:
            raise damaged("a compressed frame has no marker where one must be")
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == _EOI:
            return
        elif marker in _STANDALONE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", frame, at + 2)
            end = at + 2 + length
            if length < 2 or end > len(frame):
                raise damaged("a compressed frame is cut short")
            content, at = frame[at + 4 : end], end
            is_ls |= marker == _JPEG_LS
            if marker != _SOS:
                yield _Segment(marker, content)
                continue
            found = (_END_OF_SCAN_LS if is_ls else _END_OF_SCAN).search(frame, at)
            if found is None:
                raise damaged("a compressed frame is cut short")
            coded, at = frame[at : found.start()], found.start()
            yield _Segment(marker, content, coded if is_ls else _FILL.sub(b"", coded))


def _needed(segment: _Segment, header: _Header, live: set[tuple[int, int]]) -> _Segment | None:
    """A segment as far as it is needed by what follows it; `live` are the tables that what follows still needs."""
    marker, content = segment.marker, segment.content
    if marker in _INFORMATIVE:
        return _told(segment)
    if marker in _FRAMES:
        return _Segment(marker, content[: 6 + 3 * content[5]])
    if marker == _SOS:
        live |= _used(content, header)
        return _Segment(marker, content[: 4 + 2 * content[0]], segment.coded)
    if marker in (_DQT, _DHT, _DAC):
        tables = list(_tables(marker, content))
        kept = []
        for table in reversed(tables):
            name = (marker, table[0] & (0x0F if marker == _DQT else 0x1F))
            if name in live:
                live.discard(name)
                kept.append(table)
        return _Segment(marker, b"".join(reversed(kept))) if kept else None
    if marker in (_DRI, _DNL):
        return _Segment(marker, content[: 4 if header.kind == _JPEG_LS else 2])
    if marker == _LSE and content[0] == _LSE_PARAMETERS:
        return _Segment(marker, content[:_LSE_PARAMETERS_BYTES])
    raise UnknownParts("a compressed frame has parts that are not known")


def _told(segment: _Segment) -> _Segment | None:
    """Three application segments say how colours are coded; they are written afresh, and all others go."""
    marker, content = segment.marker, segment.content
    if marker == _APP0 and content.startswith(b"JFIF\0"):
        return _Segment(marker, _JFIF)
    if marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12 and content[11] <= 2:
        return _Segment(marker, b"Adobe\x00\x64\x00\x00\x00\x00" + content[11:12])
    if marker == _APP8 and content.startswith(b"mrfx") and len(content) == 5:  # HP's colour transform in JPEG-LS
        return segment
    return None


def _used(scan: bytes, header: _Header) -> set[tuple[int, int]]:
    """The tables that a scan uses."""
    count = scan[0]
    first, approximation = scan[1 + 2 * count], scan[3 + 2 * count]
    used: set[tuple[int, int]] = set()
    for index in range(count):
        component, selected = scan[1 + 2 * index], scan[2 + 2 * index]
        if header.kind == _JPEG_LS:
            if selected:
                raise UnknownParts("a compressed frame maps its samples")
            continue
        if component in header.quantisation:
            used.add((_DQT, header.quantisation[component]))
        wanted = {_DC | selected >> 4, _AC | selected & 0x0F}
        if header.kind in _LOSSLESS:
            wanted = {_DC | selected >> 4}
        elif header.kind in _PROGRESSIVE:
            wanted = {_AC | selected & 0x0F} if first else set() if approximation >> 4 else {_DC | selected >> 4}
        used |= {(marker, table) for marker in (_DHT, _DAC) for table in wanted}
    return used


def _tables(marker: int, content: bytes) -> Iterator[bytes]:
    """The tables of one segment, each with the byte that names it."""
    at = 0
    while at < len(content):
        if marker == _DQT:
            size = 1 + (128 if content[at] >> 4 else 64)
        elif marker == _DAC:
            size = 2
        else:
            size = 17 + sum(content[at + 1 : at + 17])
        if at + size > len(content):
            raise damaged("a compressed frame has a table that is cut short")
        yield content[at : at + size]
        at += size
