"""A choice among the items in quarantine, by what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from hmchain.records.catalogue.entries import PENDING, HeldItem

_PREFIXED = ("series", "device", "patient")
"""Pseudonyms: their first letters are enough."""
_ABOVE_HEX = "g"


@dataclass(frozen=True)
class HeldFilter:
    """Items of which all that is given is true; nothing given means all."""

    dataset: str = ""
    version: int = 0
    kind: str = ""
    code: str = ""
    """The kind of reason, for instance `burned_in_text`."""
    modality: str = ""
    series: str = ""
    device: str = ""
    patient: str = ""
    state: str = ""

    def where(self) -> tuple[str, tuple[str | int, ...]]:
        """The condition in SQL, and its values."""
        clauses = list(self._clauses())
        if not clauses:
            return "1", ()
        return " AND ".join(clause for clause, _ in clauses), tuple(value for _, values in clauses for value in values)

    def _clauses(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if value and field.name in _PREFIXED:
                yield f"{field.name} >= ? AND {field.name} < ?", (value.lower(), value.lower() + _ABOVE_HEX)
            elif value:
                yield f"{field.name} = ?", (value,)

    def fits(self, held: HeldItem) -> bool:
        """Tell whether an item is one of those that it leaves."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return all(
            str(getattr(held, name)).startswith(value.lower()) if name in _PREFIXED else getattr(held, name) == value
            for name, value in given
            if value
        )

    @property
    def is_empty(self) -> bool:
        """Tell whether it leaves nothing out."""
        return self == HeldFilter(state=self.state)


ANYTHING = HeldFilter()
WAITING = HeldFilter(state=PENDING)
