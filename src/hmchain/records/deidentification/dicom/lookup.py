"""Lookup tables (PS3.3 C.7.6.3.1.5, C.11.1): bytes that an object may need, and in which any text would fit.

A palette stays where colours are indices into it, and is as long as its descriptor says. Any other table stays if its
values only rise or only fall, as the curves do that such tables hold, and as no text does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hmchain.records.deidentification.dicom import encoding
from hmchain.records.deidentification.dicom.image import PHOTOMETRIC

LUT_DATA = 0x00283006
_LUT_DESCRIPTOR = 0x00283002
PALETTE = {0x00281201: 0x00281101, 0x00281202: 0x00281102, 0x00281203: 0x00281103, 0x00281204: 0x00281104}
"""Palette tables and their descriptors."""
SEGMENTED = {0x00281221: 0x00281101, 0x00281222: 0x00281102, 0x00281223: 0x00281103}
KEPT = frozenset({LUT_DATA, *PALETTE, *PALETTE.values(), *SEGMENTED})
"""Elements of tables that may stay."""
COLOURED = b"PALETTE COLOR"
_PRESENTATION, _WITH_COLOUR = 0x00089205, (b"COLOR", b"MIXED")
"""Grey frames that a table colours above a threshold (PS3.3 C.8.13.3.1, Pixel Presentation)."""
_CLASS = 0x00080016
_PALETTES = (b"1.2.840.10008.5.1.4.1.1.11.3", b"1.2.840.10008.5.1.4.1.1.11.4", b"1.2.840.10008.5.1.4.39.1")
"""Presentation states and palettes, which are objects for the sake of their table."""

_DESCRIPTOR_BYTES, _ENTRIES_MAX = 6, 1 << 16


def unneeded(left: Mapping[int, bytes]) -> Iterator[int]:
    """The tables among the encoded elements of one data set that it does not need, or that hold something else."""
    colours = (
        _is(left, PHOTOMETRIC, COLOURED) or _is(left, _PRESENTATION, *_WITH_COLOUR) or _is(left, _CLASS, *_PALETTES)
    )
    for tag, descriptor in (*PALETTE.items(), *SEGMENTED.items()):
        if not colours:
            yield from (tag, descriptor)
        elif tag in left and tag in PALETTE and not _fits(encoding.value(left[tag]), left.get(descriptor, b"")):
            yield tag
    if LUT_DATA in left:
        data = encoding.value(left[LUT_DATA])
        if not _fits(data, left.get(_LUT_DESCRIPTOR, b"")) or not _is_curve(data, left[_LUT_DESCRIPTOR]):
            yield LUT_DATA


def lacks_palette(left: Mapping[int, bytes]) -> bool:
    """Tell whether colours are indices into a palette that is not there."""
    coloured = _is(left, PHOTOMETRIC, COLOURED)
    red = left.keys() & {0x00281201, 0x00281221}
    return coloured and not red


def _is(left: Mapping[int, bytes], tag: int, *values: bytes) -> bool:
    """Tell whether an element has one of these values."""
    return encoding.value(left.get(tag, b"")).strip(b" \0") in values


def _described(descriptor: bytes) -> tuple[int, int]:
    """Entries, and bits of each; none if the descriptor is missing or makes no sense."""
    value = encoding.value(descriptor)
    if len(value) != _DESCRIPTOR_BYTES:
        return 0, 0
    entries, bits = int.from_bytes(value[:2], "little"), int.from_bytes(value[4:], "little")
    return (entries or _ENTRIES_MAX, bits) if 8 <= bits <= 16 else (0, 0)


def _fits(data: bytes, descriptor: bytes) -> bool:
    """Tell whether a table has the length that is said; tables of 8 bits may take a byte or a word an entry."""
    entries, bits = _described(descriptor)
    sizes = (entries + entries % 2, entries * 2) if bits == 8 else (entries * 2,)
    return entries > 0 and len(data) in sizes


def _is_curve(data: bytes, descriptor: bytes) -> bool:
    entries, _ = _described(descriptor)
    values = np.frombuffer(data, "<u2" if len(data) == entries * 2 else np.uint8)[:entries].astype(np.int64)
    steps = np.diff(values)
    return bool((steps >= 0).all() or (steps <= 0).all())
