"""Whose an object is: the patient's numbers and who issued them (PS3.3 C.7.1.1 and C.7.1.1.1)."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from hmchain.records.deidentification.dicom.reading import PATIENT_ID, DicomHeader
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
    """The items of a sequence; none of one that cannot be read: what cleans the object says so."""
    element = opened.elements.get(tag)
    if isinstance(element, DataElement):
        return element.value if element.VR == "SQ" else ()
    if not isinstance(element, RawDataElement) or not element.value or element.VR not in ("SQ", "UN", None):
        return ()
    implicit, data = element.is_implicit_VR or element.VR == "UN", bytes(element.value)
    try:
        return read_sequence(io.BytesIO(data), implicit, element.is_little_endian, len(data), "iso8859")
    except Exception:  # pydicom's parser raises whatever the bytes led it to
        return ()


def _text(item: Dataset, tag: int) -> str:
    return str(item[tag].value).strip(" \0") if tag in item else ""
