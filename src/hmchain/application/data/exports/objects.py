"""What DICOM objects say of themselves after de-identification: for indexes, and for programs that order them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MEDIA_TYPE = "application/dicom"
COLUMNS = ("study", "series", "instance", "study description", "series description")
"""Of an index, for DICOM objects: keyed UIDs, and descriptions as far as the profile keeps them."""
_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDescription", "SeriesDescription")


def described(path: Path) -> Sequence[str]:
    """The values of `COLUMNS` for a file."""
    from pydicom import dcmread

    read = dcmread(path, stop_before_pixels=True, specific_tags=list(_KEYWORDS))
    return [str(read.get(keyword, "")) for keyword in _KEYWORDS]
