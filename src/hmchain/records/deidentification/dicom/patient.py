"""Whose an object is: the patient's numbers and who issued them (PS3.3 C.7.1.1 and C.7.1.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from pydicom.dataset import Dataset

from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.dicom.reading import PATIENT_ID, DicomHeader, datasets_of
from hmchain.records.deidentification.patients import Patient

_ISSUER, _QUALIFIERS, _OTHER_NUMBERS = 0x00100021, 0x00100024, 0x00101002
_UNIVERSAL_ID = 0x00400032


def patients_of(opened: DicomHeader) -> list[Patient]:
    """All numbers of the patient of an object, the main one first; none if it names no patient."""
    number = opened.text(PATIENT_ID)
    if not number:
        return []
    issuer = opened.text(_ISSUER) or next((_text(each, _UNIVERSAL_ID) for each in _items(opened, _QUALIFIERS)), "")
    others = [Patient(_text(each, PATIENT_ID), _text(each, _ISSUER)) for each in _items(opened, _OTHER_NUMBERS)]
    return [Patient(number, issuer), *(other for other in others if other.number)]


def _items(opened: DicomHeader, tag: int) -> Sequence[Dataset]:
    """The items of a sequence; none of one that is deferred or cannot be read: what cleans the object says so."""
    element = opened.elements.get(tag)
    with suppress(Hold):
        return datasets_of(element, lambda raw: bytes(raw.value or b"")) if element is not None else ()
    return ()


def _text(item: Dataset, tag: int) -> str:
    return str(item[tag].value).strip(" \0") if tag in item else ""
