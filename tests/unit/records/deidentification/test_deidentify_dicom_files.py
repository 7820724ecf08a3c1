"""Every file of pydicom's test set becomes a clean object or is held, whatever is wrong with it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from hmchain.records.deidentification.dicom.private import PrivateRules
from hmchain.records.deidentification.outcome import Held
from hmchain.records.deidentification.profile import load_profile
from support.dicom_objects import collected, content, deidentifier, item
from support.sampling import one_in

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
# Compressed in ways that no decoder here reads: their pixels pass as they came, and there is nothing to compare.
UNDECODED = {"JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "JPGExtended.dcm"}
IMAGES = [
    path
    for path in FILES
    if path.suffix == ".dcm" and path.name not in UNDECODED and b"\xe0\x7f\x10\x00" in path.read_bytes()
]
CODES = {
    "burned_in_text", "damaged", "dicomdir", "encapsulated_document", "identifier_left", "no_pixel_data",
    "structured_report", "too_large", "unsupported_pixels", "unsupported_syntax",
}  # fmt: skip
FILM = "examples_ybr_color.dcm"
"""Thirty frames, each looked at for writing: with one profile as it comes, with the other as somebody reviewed it."""
BY = {name: deidentifier(load_profile(name)) for name in ("basic", "research")}
KNOWN = PrivateRules(load_profile("research").dicom)

pytestmark = pytest.mark.filterwarnings("ignore")


def is_known(element: DataElement) -> bool:
    """Whether a private element is one of the tables', or the creator of one that is."""
    return element.tag.is_private_creator or KNOWN.rule(element.tag, element.private_creator or "", "") is not None


def test_there_are_files() -> None:
    assert len(FILES) > 150


@pytest.mark.parametrize("profile", BY)
@pytest.mark.parametrize("path", one_in(3, FILES), ids=lambda path: path.name)
def test_every_file_is_clean_or_held(path: Path, profile: str) -> None:
    for reviewed in (False, True) if path.name != FILM else (profile == "basic",):
        found = collected(BY[profile], item(lambda: path.open("rb")), reviewed=reviewed)
        if isinstance(found, Held):
            assert found.code in CODES and found.reason
            continue
        after = pydicom.dcmread(io.BytesIO(content(found)))
        assert after.PatientIdentityRemoved == "YES" and after.PatientID == found.subject
        assert not [element.tag for element in after.iterall() if element.tag.is_private and not is_known(element)]
        assert found.record != found.subject


@pytest.mark.parametrize("path", one_in(3, IMAGES), ids=lambda path: path.name)
def test_pixels_decode_as_before(path: Path) -> None:
    """Stripped, streamed or decoded: the picture is the same (in colour, after conversion to RGB), or damaged."""
    found = collected(deidentifier(), item(lambda: path.open("rb")), reviewed=True)
    before = pydicom.dcmread(path, force=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = before.pixel_array
        except Exception:
            expected = None
    if isinstance(found, Held) or expected is None:
        assert isinstance(found, Held) and found.code == "damaged" and expected is None
        return
    after = pydicom.dcmread(io.BytesIO(content(found)))
    assert np.array_equal(_used(after.pixel_array, after), _used(expected, before))


def _used(array: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[Any]:
    """Samples without the bits that they do not use."""
    if array.dtype.kind == "u" and "BitsStored" in dataset:
        return array & ((1 << dataset.BitsStored) - 1)
    return array
