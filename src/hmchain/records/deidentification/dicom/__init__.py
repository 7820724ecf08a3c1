"""DICOM objects: de-identified by PS3.15 E.1, streamed past their pixels.

pydicom quotes values in its warnings, and values are patients' data: here it has nothing to say.
"""

import logging
import warnings

from hmchain.records.deidentification.dicom.deidentifier import DicomDeidentifier

__all__ = ["DicomDeidentifier"]

warnings.filterwarnings("ignore", module=r"pydicom\.")
logging.getLogger("pydicom").propagate = False
