"""The first bytes of a DICOM file: whether it is one, and what a selection goes by."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import BinaryIO

HEAD_BYTES = 512
"""How much of a file `why_not_dicom` wants to see."""

_PREAMBLE = 128
_DIRECTORY = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage: a DICOMDIR
_SOP_CLASS_IN_META = b"\x02\x00\x02\x00UI"
_VRS = frozenset({
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW",
    "PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV",
})  # fmt: skip
_FIRST_GROUPS = (0x0002, 0x0008)
_FIRST_VALUE_MAX = 1024  # bytes: a data set begins with short values


def why_not_dicom(head: bytes) -> str:
    """Say why a file that begins with `head` (`HEAD_BYTES`) is no DICOM object to extract; "" if it may be one.

    Files of PS3.10 are known by the letters after their preamble; data sets without either, which older systems
    write, by their first element.
    """
    if head[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return "a DICOMDIR" if _sop_class(head) == _DIRECTORY else ""
    return "" if _begins_data_set(head) else "not DICOM"


def _sop_class(head: bytes) -> bytes:
    """The class of a file's object, as far as its file meta information is in `head`."""
    at = head.find(_SOP_CLASS_IN_META, _PREAMBLE)
    if at < 0:
        return b""
    (length,) = struct.unpack_from("<H", head.ljust(at + 8, b"\0"), at + 6)
    return head[at + 8 : at + 8 + length].rstrip(b"\0 ")


def _begins_data_set(head: bytes) -> bool:
    if len(head) < 8:
        return False
    if head[4:6].decode("latin-1") in _VRS:
        orders = [order for order in "<>" if struct.unpack_from(order + "H", head)[0] in _FIRST_GROUPS]
        return bool(orders) and struct.unpack_from(orders[0] + "H", head, 6)[0] <= _FIRST_VALUE_MAX
    group, element, length = struct.unpack_from("<HHL", head)
    return group in _FIRST_GROUPS and element <= 0x1000 and length <= _FIRST_VALUE_MAX


@dataclass(frozen=True, repr=False)
class Header:
    """The values that a selection goes by; what a file does not say is empty."""

    patient: str
    study_date: str
    description: str
    modality: str


def read_header(file: BinaryIO) -> Header | None:
    """Read a DICOM object's header, its pixels left aside; None if it is too damaged."""
    import pydicom
    from pydicom.config import disable_value_validation

    wanted = ("PatientID", "StudyDate", "StudyDescription", "Modality")
    try:
        # Its warnings quote values, which are a patient's; this is the thread that lists, so filters are its own.
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(wanted))
            values = (found.get(keyword) for keyword in wanted)
            patient, day, description, modality = ("" if value is None else str(value) for value in values)
    except Exception:  # pydicom raises almost anything on damaged bytes
        return None
    return Header(patient, day, description, modality)
