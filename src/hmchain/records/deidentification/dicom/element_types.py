"""Types of attributes (PS3.5 7.4): what an object of a SOP class must have, and with a value or without.

The table is PS3.3's, made by `scripts/dicom_types.py`. An attribute at the top of an object is of the strictest type
that any module of its IOD gives it, and one in a sequence of the strictest that any module gives it in the items of
that sequence. Conditions are not told apart: whatever meets the table is in an object that somebody wrote with it, so
where it stood for a reason the reason is still there.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path

import msgspec
from pydicom.datadict import tag_for_keyword

from hmchain import decoding


class ElementType(IntEnum):
    """The need for an attribute that an object has."""

    VALUE = 1
    """It stays, with a value (types 1 and 1C)."""
    PLACE = 2
    """It stays, and may be empty (types 2 and 2C)."""
    OPTIONAL = 3
    """It may go."""


Types = Mapping[int, ElementType]
"""Types by tag; those that are not there are optional."""

_BODY_PART, _LATERALITY, _IMAGE_LATERALITY = 0x00180015, 0x00200060, 0x00200062
_ELSEWHERE = (0x52009229, 0x52009230, 0x54000100)
"""Functional groups, which say it of frames, and waveforms, which have no sides."""
_NO_CLASS = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture: what any image has at least."""
_CODED: Types = dict.fromkeys((0x00080105, 0x00080106), ElementType.VALUE)
"""What a coded entry has beside its code (PS3.3 Table 8.8-1): the mapping resource and version of a context group."""


class _Named(msgspec.Struct, frozen=True):
    """Keywords by type."""

    value: tuple[str, ...] = msgspec.field(name="1", default=())
    place: tuple[str, ...] = msgspec.field(name="2", default=())

    def types(self) -> dict[int, ElementType]:
        return dict.fromkeys(_tags(self.place), ElementType.PLACE) | dict.fromkeys(_tags(self.value), ElementType.VALUE)


class _Items(_Named, frozen=True):
    """What the items of some sequences have."""

    sequences: tuple[str, ...] = msgspec.field(name="in", default=())


class _Table(msgspec.Struct, frozen=True):
    """The table as it ships."""

    modules: dict[str, _Named]
    iods: dict[str, tuple[str, ...]]
    classes: dict[str, str]
    sequences: tuple[_Items, ...]


@functools.cache
def in_object(sop_class: str) -> Types:
    """Types at the top of an object; of a class that the standard does not know, those of any image."""
    table = _table()
    iod = table.classes.get(sop_class) or table.classes[_NO_CLASS]
    found: dict[int, ElementType] = {}
    for module in table.iods[iod]:
        for tag, kind in table.modules[module].types().items():
            found[tag] = min(kind, found.get(tag, kind))
    return found


def in_items(sequence: int) -> Types:
    """Types in the items of a sequence."""
    return _sequences().get(sequence, _CODED)


def wanted_now(came: Container[int], left: Container[int], types: Types) -> Iterator[int]:
    """Attributes that an object needs, empty, since what made them needless went.

    An object that says a part of the body that is no pair has no laterality; one that says no part has an unknown one.
    """
    said = any(tag in left for tag in (_BODY_PART, _LATERALITY, _IMAGE_LATERALITY, *_ELSEWHERE))
    if _BODY_PART in came and not said and _LATERALITY in types:
        yield _LATERALITY


@functools.cache
def _sequences() -> dict[int, Types]:
    return {tag: {**_CODED, **items.types()} for items in _table().sequences for tag in _tags(items.sequences)}


@functools.cache
def _table() -> _Table:
    return decoding.from_json(Path(__file__).with_name("element_types.json").read_bytes(), _Table)


def _tags(keywords: Iterable[str]) -> Iterable[int]:
    """Their tags; keywords of an edition that pydicom does not have yet have none."""
    return (tag for tag in map(tag_for_keyword, keywords) if tag is not None)
