"""Writes DICOM in Explicit VR Little Endian (PS3.5 7.1.2), element by element."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

_LONG = struct.Struct("<HH2s2xL")
_SHORT = struct.Struct("<HH2sH")
_ITEM = struct.Struct("<HHL")
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT_MAX = 0xFFFE
_ZERO_PADDED = frozenset({"OB", "UI", "UN"})

WIDTHS = {
    "AT": 2, "FD": 8, "FL": 4, "OB": 1, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "SL": 4, "SS": 2, "SV": 8, "UL": 4,
    "US": 2, "UV": 8,
}  # fmt: skip
"""Bytes of one number of a VR."""


def element(tag: int, vr: str, value: bytes | str) -> bytes:
    """One element, its value padded to even length."""
    data = value.encode("ascii") if isinstance(value, str) else value
    if len(data) % 2:
        data += b"\0" if vr in _ZERO_PADDED else b" "
    return header(tag, vr, len(data)) + data


def header(tag: int, vr: str, length: int) -> bytes:
    """Encode what stands before a value of `length` bytes; 0xFFFFFFFF is undefined length."""
    if vr in _LONG_VRS:
        return _LONG.pack(tag >> 16, tag & 0xFFFF, vr.encode(), length)
    if length > _SHORT_MAX:
        raise ValueError(f"a value of {length} bytes is too long for {vr}")
    return _SHORT.pack(tag >> 16, tag & 0xFFFF, vr.encode(), length)


def value(encoded: bytes) -> bytes:
    """The value of one element as it was encoded, with its padding; nothing of nothing."""
    return encoded[12 if encoded[4:6].decode("ascii") in _LONG_VRS else 8 :]


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """A sequence of items, each given as its encoded elements."""
    return element(tag, "SQ", b"".join(_ITEM.pack(0xFFFE, 0xE000, len(item)) + item for item in items))


def item(data: bytes) -> Sequence[bytes]:
    """A fragment of encapsulated pixel data: its header, and the data padded to even length (PS3.5 A.4)."""
    return _ITEM.pack(0xFFFE, 0xE000, len(data) + len(data) % 2), data, b"\0" * (len(data) % 2)


SEQUENCE_END = _ITEM.pack(0xFFFE, 0xE0DD, 0)
