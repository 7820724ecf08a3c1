"""DICOM objects made for tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from hmchain.keys import SecretKey
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.outcome import Clean, Held, Outcome
from hmchain.records.deidentification.profile import DicomRules, Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import DICOM, Item

PSEUDONYMS = Pseudonyms(SecretKey(bytes(range(32))), "a project")


def ct(syntax: UID = ExplicitVRLittleEndian, **values: Any) -> FileDataset:
    """A CT slice of 8 x 8 pixels of a patient called Archibald Quince, with further elements by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, UID("1.2.3.4.5.6.7.8.9")
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(
        "",
        Dataset(),
        file_meta=meta,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
        preamble=bytes(128),
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID("1.2.3.4.5"), UID("1.2.3.4.6")
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = "Quince^Archibald", "MRN-449-207"
    dataset.PatientBirthDate, dataset.PatientAge, dataset.PatientSex = "19310203", "093Y", "M"
    dataset.StudyDate, dataset.StudyTime = "20240229", "101112"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    order = "<" if syntax.is_little_endian else ">"
    dataset.add_new("PixelData", "OW", (np.arange(64) * 60).astype(f"{order}u2").tobytes())
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def written(dataset: FileDataset) -> bytes:
    with io.BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def item(data: bytes | Callable[[], BinaryIO], label: str = "") -> Item:
    return Item("ward 3/Quince.dcm", DICOM, data if callable(data) else lambda: io.BytesIO(data), label)


def deidentifier(profile: Profile | None = None, **rules: Any) -> DicomDeidentifier:
    return DicomDeidentifier(profile or Profile(name="test", title="", dicom=DicomRules(**rules)), PSEUDONYMS)


def outcome(data: bytes, by: DicomDeidentifier | None = None, *, reviewed: bool = False) -> Outcome:
    """The one outcome of an object's bytes; its pieces stay readable."""
    return collected(by or deidentifier(), item(data), reviewed=reviewed)


def collected(by: DicomDeidentifier, what: Item, *, reviewed: bool = False) -> Outcome:
    """The one outcome of an item, with its pieces read while they can be."""
    outcomes = []
    for found in by.deidentify(what, reviewed=reviewed):
        if isinstance(found, Clean):
            pieces = tuple(bytes(piece) for piece in found.pieces())
            assert pieces == tuple(bytes(piece) for piece in found.pieces()), "pieces differ when read again"
            outcomes.append(replace(found, pieces=partial(tuple, pieces)))
        else:
            outcomes.append(found)
    (only,) = outcomes
    return only


def read(found: Outcome) -> Dataset:
    """The de-identified object, as pydicom reads it."""
    assert isinstance(found, Clean), found
    return pydicom.dcmread(io.BytesIO(content(found)))


def content(found: Outcome) -> bytes:
    assert isinstance(found, Clean), found
    return b"".join(bytes(piece) for piece in found.pieces())


def clean(dataset: FileDataset, by: DicomDeidentifier | None = None, *, reviewed: bool = False) -> Dataset:
    return read(outcome(written(dataset), by, reviewed=reviewed))


def held(dataset: FileDataset, by: DicomDeidentifier | None = None, *, reviewed: bool = False) -> Held:
    found = outcome(written(dataset), by, reviewed=reviewed)
    assert isinstance(found, Held), found
    return found
