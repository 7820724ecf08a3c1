"""Where a held object came from: its series, modality and device, said by pseudonyms and defined terms alone."""

from __future__ import annotations

from hmchain.records.deidentification.dicom.families import MODALITIES
from hmchain.records.deidentification.dicom.image import COLUMNS, ROWS
from hmchain.records.deidentification.dicom.reading import MODALITY, DicomHeader
from hmchain.records.deidentification.outcome import Origin
from hmchain.records.deidentification.pseudonyms import Pseudonyms

_SERIES_INSTANCE, _MANUFACTURER, _MODEL = 0x0020000E, 0x00080070, 0x00081090
OTHER = "other"


def origin_of(opened: DicomHeader, pseudonyms: Pseudonyms) -> Origin:
    """Where an object came from. Raises whatever a damaged header raises."""
    series, modality = opened.ascii(_SERIES_INSTANCE), opened.ascii(MODALITY).upper()
    device = (modality, opened.ascii(_MANUFACTURER), opened.ascii(_MODEL))
    size = (str(opened.number(ROWS)), str(opened.number(COLUMNS)))
    return Origin(
        series=pseudonyms.identifier("held series", series) if series else "",
        modality=modality if modality in MODALITIES else OTHER if modality else "",
        device=pseudonyms.identifier("held device", "\n".join((*device, *size))) if any(device[1:]) else "",
    )
