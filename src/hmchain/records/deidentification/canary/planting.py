"""Canaries: made-up identifiers that occur nowhere else, each planted in one named place of an item.

Every kind of data has a module here with a function `plant() -> list[Planted]`. It asks a `Canaries` for identifiers of
the shapes that it needs, builds items around them, and returns both.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from hmchain.canonical import digest
from hmchain.records.sources.item import Item

_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgjklmnprtvz" for vowel in "aeiou")
_Value = TypeVar("_Value", str, date)

SHORT_DIGITS = 8
_FIRST_DAY = date(1921, 1, 1)
_DAYS = 365 * 80


@dataclass(frozen=True)
class Canary:
    """One planted identifier."""

    place: str
    """Where it is planted, in words of the standard: `PatientName`, `Patient.name.family`, `EXIF Artist`."""
    forms: tuple[str, ...]
    """Its spellings; if any of them comes out, in any encoding, the canary survived."""
    alone: bool = False
    """Whether it is so short that it must stand by itself: its digits occur by chance in longer numbers."""


@dataclass(frozen=True)
class PlantedItem:
    """An item and the identifiers in it."""

    item: Item
    canaries: tuple[Canary, ...]
    held: str = ""
    """The code of the `Held` that the item must become under the profile `basic`; nothing if it must come out clean."""


@dataclass
class Canaries:
    """Mints identifiers, the same ones at every run; `name` keeps those of one item apart from those of another."""

    name: str
    minted: list[Canary] = field(default_factory=list)

    def word(self, place: str) -> str:
        """A name of 12 letters, as of a person or a street."""
        word = "".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in self._random()[:6]).capitalize()
        return self._mint(place, word, (word,))

    def number(self, place: str, digits: int = 10) -> str:
        """A number of `digits` digits, as of a record or a telephone, not beginning with 0.

        One of fewer than 8 (at least 5) counts only where it stands by itself.
        """
        number = str(int.from_bytes(self._random(), "big"))[:digits]
        return self._mint(place, number, (number,), alone=digits < SHORT_DIGITS)

    def text(self, place: str, template: str) -> str:
        """`template` with its `{}` filled by a word, which alone is looked for: `{}@example.org`, `Mrs {} was seen`."""
        return template.format(self.word(place))

    def day(self, place: str) -> date:
        """A day of the 20th century; looked for in the spellings of DICOM, ISO 8601, and with points or slashes."""
        day = _FIRST_DAY + timedelta(days=int.from_bytes(self._random()[:4], "big") % _DAYS)
        return self._mint(
            place, day, tuple(day.strftime(form) for form in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"))
        )

    def uid(self, place: str) -> str:
        """A DICOM UID under a made-up organisation's root."""
        uid = f"1.2.826.0.1.3680043.9.7133.{int.from_bytes(self._random()[:8], 'big')}"
        return self._mint(place, uid, (uid,))

    def given(self, place: str, name: str) -> str:
        """`name` itself, as it is written in some script."""
        return self._mint(place, name, (name,))

    def planted(self, kind: str, data: bytes, held: str = "", label: str = "") -> PlantedItem:
        """The item of kind `kind` that holds `data`, with all that was minted so far."""
        return PlantedItem(Item(self.name, kind, opener(data), label), tuple(self.minted), held)

    def _random(self) -> bytes:
        return digest("hmchain canary", self.name.encode(), len(self.minted).to_bytes(4, "big"))

    def _mint(self, place: str, value: _Value, forms: tuple[str, ...], *, alone: bool = False) -> _Value:
        self.minted.append(Canary(place, forms, alone))
        return value


def opener(data: bytes) -> Callable[[], io.BytesIO]:
    """Make what opens an item whose bytes are `data`."""
    return lambda: io.BytesIO(data)
