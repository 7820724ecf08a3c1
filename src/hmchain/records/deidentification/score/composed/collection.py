"""Composes the collection: objects of patients, each with the answers that hold for it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.random import PCG64, Generator
from pydicom import config
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from hmchain.records.deidentification.score.answers import Action, Answer
from hmchain.records.deidentification.score.composed.modalities import MODALITIES, Modality
from hmchain.records.deidentification.score.composed.people import Person, person
from hmchain.records.deidentification.score.composed.pictures import SIDE, Box, anatomy, write

_ROOT = "1.2.826.0.1.3680043.10.511"
_MIXED = 3
"""In one of so many series a description names the patient, as technicians write it."""


@dataclass(frozen=True)
class Composed:
    """One object and its answers."""

    instance: str
    data: bytes
    answers: tuple[Answer, ...]


def compose(patients: int, seed: int = 7) -> Iterator[Composed]:
    """The objects of so many patients: one or two studies each, of one or two objects; the same for the same seed."""
    for index in range(patients):
        r = Generator(PCG64([seed, index]))
        who = person(r, index)
        for study in range(1 + index % 2):
            for instance in range(1, 2 + int(r.integers(2))):
                yield _Object(r, who, MODALITIES[(index + study) % len(MODALITIES)], (index, study, instance)).made()


class _Object:
    """One object while it is composed: whatever is set says at once what must become of it."""

    def __init__(self, r: Generator, who: Person, modality: Modality, place: tuple[int, int, int]) -> None:
        self._r, self._who, self._modality, self._place = r, who, modality, place
        self._answers: list[Answer] = []
        syntax = ImplicitVRLittleEndian if place[0] % 4 == 3 and not modality.private else ExplicitVRLittleEndian
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = modality.sop_class, syntax
        self._set = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
        self._set.SpecificCharacterSet = "ISO_IR 192"

    def made(self) -> Composed:
        """The object, with all its answers."""
        with config.disable_value_validation():
            self._identifiers()
            self._people()
            self._dates()
            self._descriptions()
            self._technique()
            self._nested()
            self._private()
            self._pixels()
            with io.BytesIO() as file:
                self._set.save_as(file, enforce_file_format=True)
                return Composed(self._set.SOPInstanceUID, file.getvalue(), tuple(self._answers))

    def _must(self, action: Action, path: str, text: str = "", boxes: tuple[Box, ...] = ()) -> None:
        self._answers.append(Answer(action, path, text, boxes))

    def _put(self, keyword: str, value: object, *actions: Action) -> None:
        setattr(self._set, keyword, value)
        element = self._set[keyword]
        for action in actions:
            self._must(action, f"({element.tag.group:04x},{element.tag.element:04x})")

    def _uid(self, *parts: object) -> UID:
        code = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
        return UID(f"{_ROOT}.{code}")

    def _identifiers(self) -> None:
        index, study, instance = self._place
        self._put("SOPClassUID", self._modality.sop_class, Action.TAG_RETAINED, Action.TEXT_RETAINED)
        changed = (Action.UID_CHANGED, Action.UID_CONSISTENT, Action.TEXT_NOTNULL)
        self._put("SOPInstanceUID", self._uid("instance", *self._place), *changed)
        self._set.file_meta.MediaStorageSOPInstanceUID = self._set.SOPInstanceUID
        self._put("StudyInstanceUID", self._uid("study", index, study), *changed)
        self._put("SeriesInstanceUID", self._uid("series", index, study), *changed)
        self._put("FrameOfReferenceUID", self._uid("frame", index, study), *changed[:2])
        self._put("InstanceNumber", str(instance), Action.TEXT_RETAINED)
        self._put("StudyID", f"S{self._who.accession[1:7]}", Action.TEXT_REMOVED)
        self._put("AccessionNumber", self._who.accession, Action.TEXT_REMOVED)
        self._put("PatientID", self._who.number, Action.TEXT_REMOVED, Action.PATID_CONSISTENT, Action.TEXT_NOTNULL)

    def _people(self) -> None:
        who = self._who
        for keyword, value in (
            ("PatientName", who.name), ("PatientAddress", f"{who.street}, Grünberg"),
            ("OtherPatientIDs", who.number[2:]),
            ("PatientTelephoneNumbers", who.phone), ("ReferringPhysicianName", who.physician),
            ("PerformingPhysicianName", who.physician), ("OperatorsName", who.operator),
            ("InstitutionName", who.place), ("InstitutionAddress", who.street), ("PatientBirthName", who.family),
            ("PatientComments", f"{who.given} {who.family} called from {who.phone}"),
            ("AdditionalPatientHistory", f"known to {who.physician.split('^')[0]} since {who.born.year + 40}"),
            ("RequestingPhysician", who.physician), ("PhysiciansOfRecord", who.physician),
        ):  # fmt: skip
            self._put(keyword, value, Action.TEXT_REMOVED)
        self._put("PatientSex", who.sex, Action.TEXT_RETAINED)
        if who.age < "090Y":
            self._put("PatientAge", who.age, Action.TEXT_RETAINED)
        self._put("PatientWeight", str(int(self._r.integers(48, 110))), Action.TEXT_RETAINED)

    def _dates(self) -> None:
        self._put("PatientBirthDate", _day(self._who.born), Action.DATE_SHIFTED)
        visit = self._who.visit + timedelta(days=90 * self._place[1])
        for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
            self._put(keyword, _day(visit), Action.DATE_SHIFTED, Action.TEXT_NOTNULL)
        self._put("StudyTime", f"{int(self._r.integers(7, 20)):02d}1530")
        self._put("PerformedProcedureStepStartDate", _day(visit), Action.DATE_SHIFTED)

    def _descriptions(self) -> None:
        r, modality, who = self._r, self._modality, self._who
        study = modality.studies[int(r.integers(len(modality.studies)))]
        series = modality.series[int(r.integers(len(modality.series)))]
        named = self._place[0] % _MIXED == 0
        self._described("StudyDescription", study, who.family.upper() if named else "")
        self._described("SeriesDescription", series, who.number if named and self._place[0] % 2 else "")
        self._described("ProtocolName", series, "")
        self._put("Modality", modality.name, Action.TEXT_RETAINED, Action.TEXT_NOTNULL)
        self._put("ImageType", list(modality.image_type), Action.TEXT_RETAINED)
        reader = who.operator.split("^")[0]
        self._put("ImageComments", f"seen by {reader}")
        self._must(Action.TEXT_REMOVED, "(0020,4000)", reader)
        self._put("RequestAttributesSequence", Sequence([self._request(study)]))

    def _described(self, keyword: str, kept: str, gone: str) -> None:
        """A description whose words stay, but for an identifier that somebody typed into it."""
        self._put(keyword, f"{kept} {gone}".strip())
        tag = self._set[keyword].tag
        path = f"({tag.group:04x},{tag.element:04x})"
        self._must(Action.TEXT_RETAINED, path, kept)
        if gone:
            self._must(Action.TEXT_REMOVED, path, gone)

    def _request(self, study: str) -> Dataset:
        item = Dataset()
        item.RequestedProcedureDescription = study
        item.RequestedProcedureID = self._who.accession[1:9]
        item.ScheduledProcedureStepID = self._who.accession[2:9]
        self._must(Action.TEXT_REMOVED, "(0040,0275)[0](0040,1001)")
        self._must(Action.TEXT_REMOVED, "(0040,0275)[0](0040,0009)")
        return item

    def _technique(self) -> None:
        self._put("Manufacturer", self._modality.maker, Action.TEXT_RETAINED)
        self._put("ManufacturerModelName", self._modality.model, Action.TEXT_RETAINED)
        for keyword, value in self._modality.technique.items():
            self._put(keyword, value, Action.TAG_RETAINED if value == "" else Action.TEXT_RETAINED)

    def _nested(self) -> None:
        item = Dataset()
        item.ReferencedSOPClassUID = self._modality.sop_class
        item.ReferencedSOPInstanceUID = self._uid("instance", *self._place[:2], 1)
        self._put("ReferencedImageSequence", Sequence([item]))
        self._must(Action.UID_CHANGED, "(0008,1140)[0](0008,1155)")
        self._must(Action.UID_CONSISTENT, "(0008,1140)[0](0008,1155)")

    def _private(self) -> None:
        for (group, creator, number), (vr, value) in self._modality.private.items():
            self._set.private_block(group, creator, create=True).add_new(number, vr, value)
            path = f'({group:04x},"{creator}",{number:02x})'
            self._must(Action.TAG_RETAINED, path)
            self._must(Action.TEXT_RETAINED, path)
        self._set.private_block(0x0099, "GRUENBERG RIS", create=True).add_new(0x10, "LO", self._who.name)
        self._must(Action.TEXT_REMOVED, '(0099,"GRUENBERG RIS",10)')

    def _pixels(self) -> None:
        modality, who = self._modality, self._who
        plane = anatomy(self._r, dark=modality.name not in ("CR", "XA"))
        boxes: tuple[Box, ...] = ()
        if self._r.random() < modality.writes:
            lines = [who.family[:12], _day(who.born)] if self._r.random() < 0.5 else [who.number]
            plane, boxes = write(self._r, plane, lines)
        allocated = 8 if modality.bits == 8 else 16
        self._set.Rows = self._set.Columns = SIDE
        self._set.SamplesPerPixel, self._set.PhotometricInterpretation = 1, "MONOCHROME2"
        self._set.BitsAllocated, self._set.BitsStored, self._set.HighBit = allocated, modality.bits, modality.bits - 1
        self._set.PixelRepresentation = 0
        samples = np.round(plane * (2**modality.bits - 1)).astype("<u2" if allocated == 16 else "u1")
        if modality.colour:
            self._set.SamplesPerPixel, self._set.PhotometricInterpretation = 3, "RGB"
            self._set.PlanarConfiguration = 0
            samples = np.repeat(samples[..., None], 3, axis=2)
        if modality.frames > 1:
            self._set.NumberOfFrames = str(modality.frames)
            samples = np.repeat(samples[None], modality.frames, axis=0)
        self._set.add_new("PixelData", "OW" if allocated == 16 else "OB", samples.tobytes())
        if modality.compressed:
            self._set.compress(RLELossless, generate_instance_uid=False)
        self._must(Action.PIXELS_HIDDEN if boxes else Action.PIXELS_RETAINED, "(7fe0,0010)", boxes=boxes)


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")
