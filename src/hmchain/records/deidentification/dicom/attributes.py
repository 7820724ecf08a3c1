"""Attributes of an object that the catalogue may show: read from what was written, never from what came in."""

from __future__ import annotations

from collections.abc import Mapping

from hmchain.records.deidentification.ages import AGE_TOP, as_years
from hmchain.records.deidentification.dicom import encoding, image
from hmchain.records.deidentification.dicom.image import ImagePixels
from hmchain.records.deidentification.dicom.reading import MODALITY
from hmchain.records.deidentification.dicom.rules import BODY_PARTS

AGE_BAND_YEARS = 10

_TEXTS = {
    "modality": MODALITY,
    "body part": 0x00180015,
    "view": 0x00185101,
    "laterality": 0x00200060,
    "image laterality": 0x00200062,
    "sex": 0x00100040,
    "photometric": image.PHOTOMETRIC,
    "manufacturer": 0x00080070,
    "model": 0x00081090,
}
_AGE = 0x00101010


def attributes(written: Mapping[int, bytes], pixels: ImagePixels | None, label: str) -> dict[str, str]:
    """Names and values for the catalogue, from the elements as encoded."""
    found = {name: _text(written, tag) for name, tag in _TEXTS.items()}
    if not BODY_PARTS.fullmatch(found["body part"]):
        found["body part"] = ""
    found["age"] = age_band(_text(written, _AGE))
    if pixels is not None:
        found |= {
            "rows": str(pixels.rows),
            "columns": str(pixels.columns),
            "frames": str(pixels.frames),
            "bits": str(pixels.stored),
        }
    found["label"] = label
    return {name: value for name, value in found.items() if value}


def age_band(age: str) -> str:
    """The ten years that an AS value lies in, `40-49` for instance; `90+` from 90 on, nothing if there is none."""
    years = as_years(age)
    if years is None:
        return ""
    if years >= AGE_TOP:
        return f"{AGE_TOP}+"
    low = int(years - years % AGE_BAND_YEARS)
    return f"{low}-{low + AGE_BAND_YEARS - 1}"


def _text(written: Mapping[int, bytes], tag: int) -> str:
    return encoding.value(written.get(tag, b"")).decode("ascii", "replace").strip(" \0")
