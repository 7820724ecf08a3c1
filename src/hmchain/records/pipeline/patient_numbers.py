"""Before items are de-identified: whose numbers are the hospital's own, and who turns out to be another patient.

Both must be known before the first pseudonym is made. So what lies on disk is looked through first, as far as it can
say so; of servers' items the first ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice

from hmchain.records.deidentification.outcome import Deidentifier, PassedOver
from hmchain.records.deidentification.patients import Patient, most_used
from hmchain.records.sources.dicom.files import DicomFiles
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.hl7.files import Hl7Files
from hmchain.records.sources.item import DICOM, FHIR, HL7, Item, Source, SourceError

_FIRST_ON_DISK, _FIRST_OF_SERVERS = 16, 1
"""Items that are asked who issued their patients' numbers: a server must give each of them twice."""
_MERGE_MARKS: Mapping[str, tuple[bytes, ...]] = {FHIR: (b'"Patient"', b'"link"'), HL7: (b"MRG",)}
"""Bytes that are in every item that says of a patient to be another."""


def own_issuer(source: Source, kind: str) -> str:
    """The issuer of patients' numbers that the first items of a source name most; nothing if they name none."""
    if kind not in _NUMBERS:
        return ""
    first = _FIRST_ON_DISK if isinstance(source, DicomFiles | Hl7Files) else _FIRST_OF_SERVERS
    return most_used(issuer_of(item) for item in islice(_until_it_stops(source), first))


def issuer_of(item: Item) -> str:
    """Whoever issued the number of an item's patient; nothing if it does not say so, or cannot be read."""
    read = _NUMBERS.get(item.kind)
    try:
        numbers = read(item) if read else []
    except Exception:  # what cannot be had or read says nothing here; the extraction says why
        return ""
    return numbers[0].issuer if numbers else ""


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
    """A source whose items tell `learn` who issued their patients' numbers, each before it is given."""

    def __init__(self, source: Source, learn: Callable[[str], None]) -> None:
        self._source, self._learn = source, learn

        self.finds = getattr(source, "finds", None)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items."""
        for item in self._source.items(done):
            self._learn(issuer_of(item))
            yield item

    def count(self) -> int | None:
        """As the source says."""
        return self._source.count()


def _of_dicom(item: Item) -> list[Patient]:
    from hmchain.records.deidentification.dicom.patient import patients_of
    from hmchain.records.deidentification.dicom.reading import open_dicom

    with item.open() as file:
        return patients_of(open_dicom(file))


def _of_hl7(item: Item) -> list[Patient]:
    from hmchain.records.deidentification.hl7.patient import patients_of
    from hmchain.records.sources.hl7.message import MESSAGE_BYTES_MAX, parse

    with item.open() as file:
        return next(iter(patients_of(parse(file.read(MESSAGE_BYTES_MAX)))), [])


_NUMBERS: Mapping[str, Callable[[Item], list[Patient]]] = {DICOM: _of_dicom, HL7: _of_hl7}
