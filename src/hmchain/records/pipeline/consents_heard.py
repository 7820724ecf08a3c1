"""Consents among the items of a FHIR source: taken in as they come, each before its item is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hmchain.records.consents.reading import ConsentFileError, Given, read
from hmchain.records.deidentification.fhir.resources import ITEM_BYTES_MAX, kind_of, resources
from hmchain.records.deidentification.patients import PatientRule
from hmchain.records.sources.item import Item, Source

_MARK = b"Consent"
"""Stands in every item that has one."""


class HeardConsents:
    """A source whose items tell `take` the consents in them; what was taken before an interruption stays taken."""

    def __init__(self, source: Source, rule: PatientRule, take: Callable[[Sequence[Given]], None]) -> None:
        self._source, self._rule, self._take = source, rule, take
        self.finds = getattr(source, "finds", None)
        self.unread = 0
        """Consents that cannot be read, or do not say whose they are."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items."""
        for item in self._source.items(done):
            if given := list(self._heard(item)):
                self._take(given)
            yield item

    def count(self) -> int | None:
        """As the source says."""
        return self._source.count()

    def _heard(self, item: Item) -> Iterator[Given]:
        try:
            with item.open() as file:
                data = file.read(ITEM_BYTES_MAX)
        except Exception:  # what cannot be had says nothing here; the extraction says why
            return
        if _MARK not in data:
            return
        for raw in resources(data):
            if kind_of(raw.data) == "Consent":
                try:
                    yield read(raw, self._rule)
                except ConsentFileError:
                    self.unread += 1
