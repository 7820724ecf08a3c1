"""Where a held object came from: its series, modality and device, said by pseudonyms and defined terms alone."""

from __future__ import annotations

from hmchain.records.deidentification.dicom.image import COLUMNS, ROWS
from hmchain.records.deidentification.dicom.reading import MODALITY, DicomHeader
from hmchain.records.deidentification.outcome import Origin
from hmchain.records.deidentification.pseudonyms import Pseudonyms

_SERIES_INSTANCE, _MANUFACTURER, _MODEL = 0x0020000E, 0x00080070, 0x00081090
OTHER = "other"
_TERMS = """
ANN AR ASMT AU BDUS BI BMD CD CF CFM CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG EPS ES FA FID
FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT
PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR
SR SRF ST STAIN TEXTUREMAP TG US VA VF VL XA XAPROTOCOL XC
"""
MODALITIES = frozenset(_TERMS.split())
"""PS3.3 C.7.3.1.1.1, those that are retired with them."""


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
