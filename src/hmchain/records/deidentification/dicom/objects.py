"""Objects without pixels: which pass as images do, since they hold numbers, and what must be whole in them.

Waveforms of the heart and of the body are samples, plans and regions of radiotherapy are geometry, registrations are
matrices; their texts are cleaned as those of images are. A voice is a person, whatever it says. A radiation dose report
is a tree of numbers and coded concepts: what it says in words goes, entry by entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

import pydicom.uid as uids
from pydicom.dataset import Dataset

from hmchain.records.deidentification.ages import capped, in_a_year
from hmchain.records.deidentification.dicom import encoding
from hmchain.records.deidentification.dicom.codes import CODE_SCHEME, CODE_VALUE, GONE_SCHEME
from hmchain.records.deidentification.dicom.dummies import GONE
from hmchain.records.deidentification.dicom.families import STORAGE
from hmchain.records.deidentification.dicom.reading import SOP_CLASS, DicomHeader, Element, datasets_of
from hmchain.records.deidentification.terminology import AGE_CODES

WAVEFORM_SEQUENCE, WAVEFORM_DATA = 0x54000100, 0x54001010
WAVEFORM_BYTES = frozenset({WAVEFORM_DATA, 0x5400100A, 0x54000110, 0x54000112})
"""Samples, and the numbers of the same width that stand for none, the least and the most."""
_CHANNELS, _SAMPLES, _BITS = 0x003A0005, 0x003A0010, 0x54001004

_VOICE = (f"{STORAGE}9.4.",)
_WAVEFORMS = tuple(f"{STORAGE}9.{kind}." for kind in (1, 2, 3, 5, 6, 7, 8))
_GEOMETRY = frozenset(
    {
        uids.RTStructureSetStorage,
        uids.RTPlanStorage,
        uids.RTIonPlanStorage,
        uids.RTDoseStorage,
        uids.SpatialRegistrationStorage,
        uids.DeformableSpatialRegistrationStorage,
        uids.SpatialFiducialsStorage,
        uids.SurfaceSegmentationStorage,
        uids.RealWorldValueMappingStorage,
    }
)
_DOSE_REPORTS = frozenset(
    {
        uids.XRayRadiationDoseSRStorage,
        uids.EnhancedXRayRadiationDoseSRStorage,
        uids.RadiopharmaceuticalRadiationDoseSRStorage,
        uids.PatientRadiationDoseSRStorage,
    }
)
_REPORTS = frozenset({uids.EnhancedSRStorage, uids.ComprehensiveSRStorage, uids.Comprehensive3DSRStorage})
"""Reports of anything: of dose, if that is what they are called (PS3.16, TID 10001, 10011, 10021 and 10030)."""
_DOSE_TITLES = frozenset({"113701", "113500", "128401"})
"""X-Ray, Radiopharmaceutical and Patient Radiation Dose Report, in the coding scheme DCM."""

VALUE_TYPE, _RELATIONSHIP, _CONCEPT, CONTENT_SEQUENCE = 0x0040A040, 0x0040A010, 0x0040A043, 0x0040A730
_MEASURED, _NUMBER, _UNITS = 0x0040A300, 0x0040A30A, 0x004008EA
_NUMERIC = encoding.header(_NUMBER, "DS", 0)[:6]
"""How a number in a Measured Value Sequence begins."""
_CONTENT = {
    b"CODE": 0x0040A168,
    b"COMPOSITE": 0x00081199,
    b"CONTAINER": 0x0040A050,
    b"DATE": 0x0040A121,
    b"DATETIME": 0x0040A120,
    b"IMAGE": 0x00081199,
    b"NUM": _MEASURED,
    b"TEXT": 0x0040A160,
    b"TIME": 0x0040A122,
    b"UIDREF": 0x0040A124,
}
"""Where the value of a content item stands, by its type. A person's name stays in none."""


def is_dose_report(opened: DicomHeader) -> bool:
    """Tell whether an object reports radiation dose, by its class or by its title."""
    sop_class = opened.ascii(SOP_CLASS)
    return sop_class in _DOSE_REPORTS or (sop_class in _REPORTS and _title(opened) in _DOSE_TITLES)


def _title(opened: DicomHeader) -> str:
    """The code of DICOM's that a report is called by; none if it has another or several."""
    title = opened.elements.get(_CONCEPT)
    items = _items(title)
    return _value(items[0], CODE_VALUE) if len(items) == 1 and _value(items[0], CODE_SCHEME) == "DCM" else ""


def _items(sequence: Element | None) -> Sequence[Dataset]:
    return datasets_of(sequence, lambda element: bytes(element.value or b"")) if sequence is not None else ()


def _value(item: Dataset, tag: int) -> str:
    """A value of an item, as the file has it."""
    value = getattr(item.get_item(tag), "value", b"") or b""
    return bytes(value).decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else str(value)


def is_voice(sop_class: str) -> bool:
    """Tell whether objects of a class are recordings of speech, or may be."""
    return sop_class.startswith(_VOICE)


def has_waveforms(sop_class: str) -> bool:
    """Tell whether the waveforms of a class are samples of a body's signals."""
    return sop_class.startswith(_WAVEFORMS)


def passes_unseen(opened: DicomHeader) -> bool:
    """Tell whether a person need not look at an object that has no pixels."""
    sop_class = opened.ascii(SOP_CLASS)
    return sop_class in _GEOMETRY or has_waveforms(sop_class) or is_dose_report(opened)


def is_without(left: Mapping[int, bytes], sop_class: str) -> bool:
    """Tell whether an object of a class with waveforms is left without any."""
    return has_waveforms(sop_class) and not encoding.value(left.get(WAVEFORM_SEQUENCE, b""))


def is_whole(inner: Mapping[int, Element], left: Mapping[int, bytes]) -> bool:
    """Tell whether what is left of an item has what makes it one: its samples, all of them, or its content."""
    if WAVEFORM_DATA in inner:
        return _fits(left)
    if VALUE_TYPE in inner and _RELATIONSHIP in inner:
        return _says(inner, left)
    return True


def _fits(left: Mapping[int, bytes]) -> bool:
    """Tell whether samples are as many as their item says, and nothing follows them."""
    channels, samples, bits = (_number(left, tag) for tag in (_CHANNELS, _SAMPLES, _BITS))
    length = channels * samples * bits // 8
    return length > 0 and len(encoding.value(left.get(WAVEFORM_DATA, b""))) == length + length % 2


def _number(left: Mapping[int, bytes], tag: int) -> int:
    return int.from_bytes(encoding.value(left.get(tag, b"")), "little")


def _tells_an_age(inner: Mapping[int, Element]) -> bool:
    """Tell whether a content item measures a time of more than 90 years, in its unit or because it is called an age."""
    is_age = any(_value(item, CODE_VALUE) in AGE_CODES for item in _items(inner.get(_CONCEPT)))
    for measured in _items(inner.get(_MEASURED)):
        units = [_value(item, CODE_VALUE) for item in _items(measured.get_item(_UNITS) if _UNITS in measured else None)]
        unit = next((unit for unit in units if in_a_year(unit)), "a" if is_age else "")
        with suppress(ArithmeticError):
            number = Decimal(_value(measured, _NUMBER))
            if capped(number, unit) != number:
                return True
    return False


def _says(inner: Mapping[int, Element], left: Mapping[int, bytes]) -> bool:
    """Tell whether a content item still has a concept, where it had one, and its value."""
    value = _CONTENT.get(encoding.value(left.get(VALUE_TYPE, b"")).strip(b" \0"))
    is_named = _CONCEPT not in inner or (_CONCEPT in left and GONE_SCHEME.encode() not in left[_CONCEPT])
    says = encoding.value(left.get(value or 0, b"")).rstrip(b" \0")
    if value == _MEASURED and (_NUMERIC not in says or _tells_an_age(inner)):
        return False
    return is_named and len(says) > 0 and not says.endswith(GONE.encode())
