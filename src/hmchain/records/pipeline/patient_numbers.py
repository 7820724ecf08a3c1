"""Before items are de-identified: whose numbers are the hospital's own, and who turns out to be another patient.

Both must be known before the first pseudonym is made. So what lies on disk is looked through first, as far as it can
say so; of servers' items the first ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice

from hmchain.records.deidentification.outcome import Deidentifier, PassedOver
from hmchain.records.deidentification.patients import most_used
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.hl7.files import Hl7Files
from hmchain.records.sources.item import FHIR, HL7, Item, Source, SourceError

_FIRST = 16
"""Messages that are asked who issued their patients' numbers."""
_MERGE_MARKS: Mapping[str, tuple[bytes, ...]] = {FHIR: (b'"Patient"', b'"link"'), HL7: (b"MRG",)}
"""Bytes that are in every item that says of a patient to be another."""


def own_issuer(source: Source, kind: str) -> str:
    """The authority of patients' numbers that the first messages of a source name most; nothing if they name none.

    Only HL7 says so: an object of DICOM that names an issuer may come from another hospital's disc.
    """
    if kind != HL7:
        return ""
    return most_used(issuer_of(item) for item in islice(_until_it_stops(source), _FIRST))


def issuer_of(item: Item) -> str:
    """Whoever issued the number of a message's patient; nothing if it does not say so, or cannot be read."""
    from hmchain.records.deidentification.hl7.patient import patients_of
    from hmchain.records.sources.hl7.message import MESSAGE_BYTES_MAX, parse

    try:
        with item.open() as file:
            numbers = patients_of(parse(file.read(MESSAGE_BYTES_MAX)))
    except Exception:  # what cannot be had or read says nothing here; the extraction says why
        return ""
    return numbers[0][0].issuer if numbers and numbers[0] else ""


def merges(
    source: Source, kind: str, rules: Deidentifier, *, all_patients: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """The persons whom files of FHIR or HL7 say to be another: the digest of each, and of whom it is.

    `all_patients` looks at every Patient resource, not only at those with links.
    """
    if not isinstance(source, FhirFiles | Hl7Files):
        return
    marks = _MERGE_MARKS[kind][: 1 if all_patients else None]
    for item in _until_it_stops(source):
        with item.open() as file:
            data = file.read()
        if all(each in data for each in marks):
            for outcome in rules.deidentify(item):
                yield from () if isinstance(outcome, PassedOver) else outcome.same


def _until_it_stops(source: Source) -> Iterator[Item]:
    """The items of a source; the extraction says why it stops."""
    with suppress(SourceError):
        yield from source.items(lambda mark: False)


class Acquainted:
    """A source whose messages tell `learn` who issued their patients' numbers, each before it is given.

    Once `learn` returns that nothing is left to learn, no more are read for it.
    """

    def __init__(self, source: Source, learn: Callable[[str], bool]) -> None:
        self._source, self._learn = source, learn
        self.finds = getattr(source, "finds", None)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items."""
        is_learnt = False
        for item in self._source.items(done):
            is_learnt = is_learnt or self._learn(issuer_of(item))
            yield item

    def count(self) -> int | None:
        """As the source says."""
        return self._source.count()
