"""The windows that an object says it is to be viewed through, as the least and the greatest sample value shown.

What a viewer shows full of contrast may be next to nothing in the range of all samples: the brain is shown in 80 of a
CT's 4000 units. So an image is looked at through its narrowest windows as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import isfinite
from typing import Literal

import numpy as np
from pydicom.dataelem import RawDataElement

from hmchain.records.deidentification.dicom import families
from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.dicom.image import PHOTOMETRIC, REPRESENTATION
from hmchain.records.deidentification.dicom.reading import SOP_CLASS, DicomHeader, Element, datasets_of
from hmchain.records.deidentification.writing.planes import Shown

WINDOWS_MAX = 2
"""Each may cost a look."""
_BRAIN = (40.0, 80.0)
"""Centre and width for a CT that says none, in Hounsfield units: the narrowest in common use."""
_CENTRE, _WIDTH, _INTERCEPT, _SLOPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053
_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_FRAME_WINDOW, _FRAME_VALUES = 0x00289132, 0x00289145
_TABLES, _TABLE_SHAPE, _TABLE = 0x00283010, 0x00283002, 0x00283006
_AS_STORED = (1.0, 0.0)

_Elements = Mapping[int, Element]
_Rescaling = tuple[float, float]
"""Slope and intercept, from a sample's value to that which a window is stated in."""


def windows_of(opened: DicomHeader) -> tuple[Shown, ...]:
    """The narrowest window or table that an object of grey samples states, and the narrowest that shows other values.

    One that makes no sense is none.
    """
    if not opened.ascii(PHOTOMETRIC).startswith("MONOCHROME"):
        return ()
    try:
        found = set(_stated(opened))
    except Hold:  # of a sequence that is none: its cleaning says so
        found = set()
    if not found and families.of_class(opened.ascii(SOP_CLASS)) == "CT":
        found = {_shown(*_BRAIN, _rescaling(opened.elements, _AS_STORED))}
    chosen: list[Shown] = []
    for low, high in sorted((one for one in found if all(map(isfinite, one))), key=lambda one: one[1] - one[0]):
        if len(chosen) < WINDOWS_MAX and all(low >= end or high <= start for start, end in chosen):
            chosen.append((low, high))
    return tuple(chosen)


def _stated(opened: DicomHeader) -> Iterator[Shown]:
    """The windows and VOI tables of the object and, in its functional groups, of all frames and of each (PS3.3
    C.7.6.16)."""
    is_signed = opened.number(REPRESENTATION) == 1

    def items(elements: _Elements, tag: int) -> Iterator[_Elements]:
        if (element := elements.get(tag)) is not None:
            for dataset in datasets_of(element, lambda raw: _bytes(raw, opened)):
                yield {int(inner.tag): inner for inner in dataset.elements()}

    def windows(elements: _Elements, rescaling: _Rescaling) -> Iterator[Shown]:
        yield from _windows(elements, rescaling)
        for table in items(elements, _TABLES):
            shape, values = (_bytes(raw, opened) if isinstance(raw := table.get(tag), RawDataElement) else b""
                             for tag in (_TABLE_SHAPE, _TABLE))  # fmt: skip
            if ramp := _ramp(shape, values, is_little=opened.little, is_signed=is_signed or _is_signed(table)):
                yield _shown((ramp[0] + ramp[1]) / 2, ramp[1] - ramp[0], rescaling)

    def of_group(group: _Elements, otherwise: _Rescaling) -> Iterator[Shown]:
        rescaling = _rescaling(next(items(group, _FRAME_VALUES), {}), otherwise)
        for window in items(group, _FRAME_WINDOW):
            yield from windows(window, rescaling)

    whole = _rescaling(opened.elements, _AS_STORED)
    yield from windows(opened.elements, whole)
    shared = next(items(opened.elements, _SHARED), {})
    yield from of_group(shared, whole)
    whole = _rescaling(next(items(shared, _FRAME_VALUES), {}), whole)
    for group in items(opened.elements, _PER_FRAME):
        yield from of_group(group, whole)


def _windows(elements: _Elements, rescaling: _Rescaling) -> Iterator[Shown]:
    for centre, width in zip(_numbers(elements.get(_CENTRE)), _numbers(elements.get(_WIDTH)), strict=False):
        if width > 0:
            yield _shown(centre, width, rescaling)


def _ramp(shape: bytes, values: bytes, *, is_little: bool, is_signed: bool) -> Shown | None:
    """The values between which a table's output changes (PS3.3 C.11.2.1.1); None if it nowhere does."""
    if len(shape) < 4:
        return None
    order: Literal["little", "big"] = "little" if is_little else "big"
    count = int.from_bytes(shape[:2], order) or 1 << 16
    first = int.from_bytes(shape[2:4], order, signed=is_signed)
    kind = np.dtype(np.uint8 if len(values) < 2 * count else "<u2" if is_little else ">u2")
    table = np.frombuffer(values, kind, min(count, len(values) // kind.itemsize))
    changes = np.flatnonzero(table[1:] != table[:-1])
    return (first + float(changes[0]), first + float(changes[-1]) + 1) if changes.size else None


def _is_signed(table: _Elements) -> bool:
    element = table.get(_TABLE_SHAPE)
    return isinstance(element, RawDataElement) and element.VR == "SS"


def _shown(centre: float, width: float, rescaling: _Rescaling) -> Shown:
    slope, intercept = rescaling
    middle, half = (centre - intercept) / slope, abs(width / slope) / 2
    return middle - half, middle + half


def _rescaling(elements: _Elements, otherwise: _Rescaling) -> _Rescaling:
    slope, intercept = (next(iter(_numbers(elements.get(tag))), None) for tag in (_SLOPE, _INTERCEPT))
    return (slope, intercept) if slope and intercept is not None else otherwise


def _numbers(element: Element | None) -> list[float]:
    """The values of a decimal string; none if one of them is no number."""
    value = element.value if isinstance(element, RawDataElement) else None
    with suppress(ValueError):
        return [float(one) for one in bytes(value or b"").rstrip(b" \0").split(b"\\")]
    return []


def _bytes(element: RawDataElement, opened: DicomHeader) -> bytes:
    if element.value is None and element.length:
        return opened.read(element.value_tell, element.length)
    return bytes(element.value or b"")
