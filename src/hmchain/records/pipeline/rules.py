"""The de-identifiers of a dataset: one for each kind of data, by the dataset's profile and its project's pseudonyms."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hmchain import decoding
from hmchain.records.catalogue import Dataset
from hmchain.records.deidentification.outcome import Deidentifier
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.pipeline.workers import Deidentifiers
from hmchain.records.sources.item import DICOM, FHIR, HL7, IMAGE, TABLE

KINDS = (DICOM, IMAGE, FHIR, HL7, TABLE)


def deidentifiers(dataset: Dataset, pseudonyms: Pseudonyms, kinds: Iterable[str] = KINDS) -> Deidentifiers:
    """The rules for some kinds of items.

    Ages are counted at the day on which the dataset was begun, so that a record is the same whenever it is made again.
    """
    known = [kind for kind in kinds if kind != TABLE or dataset.schema]
    return {kind: _deidentifier(kind, dataset, pseudonyms) for kind in known}


def _deidentifier(kind: str, dataset: Dataset, pseudonyms: Pseudonyms) -> Deidentifier:
    # Each kind has libraries of its own, which take time to load.
    profile, as_of = dataset.profile, datetime.fromtimestamp(dataset.created_ms / 1000, UTC).date()
    if kind == DICOM:
        from hmchain.records.deidentification.dicom.deidentifier import DicomDeidentifier

        return DicomDeidentifier(profile, pseudonyms)
    if kind == IMAGE:
        from hmchain.records.deidentification.pictures import ImageDeidentifier

        return ImageDeidentifier(profile, pseudonyms)
    if kind == FHIR:
        from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier

        return FhirDeidentifier(profile, pseudonyms, as_of)
    if kind == HL7:
        from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier

        return Hl7Deidentifier(profile, pseudonyms, as_of)
    from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier
    from hmchain.records.sources.tables import TableSchema

    return TableDeidentifier(profile, pseudonyms, decoding.from_json(dataset.schema, TableSchema), as_of)
