"""What comes out is DICOM as the standard wants it (PS3.15 E.1), if what went in was: validators of others say so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation, EnhancedMRImageStorage, SegmentationStorage

from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import load_profile, profiles
from hmchain.records.sources.item import DICOM, Item
from support.dicom_objects import clean, collected, content, ct, deidentifier
from support.validators import complaints, needs, violations

SERIES = Path(os.environ.get("HMCHAIN_DATA_DIR", "")) / "mr"
_LARGE = 2 << 20


def code(value: str, scheme: str, meaning: str) -> Dataset:
    entry = Dataset()
    entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning = value, scheme, meaning
    return entry


@cache
def valid_files() -> tuple[Path, ...]:
    """pydicom's test files, and one of each series of MR that is there, as far as dciodvfy finds no error in them."""
    needs("dciodvfy")
    series = (next((path for path in sorted(folder.iterdir()) if path.suffix == ".dcm"), None) for folder in _folders())
    shipped = Path(str(get_testdata_file("CT_small.dcm"))).parent
    files = [*sorted(path for path in shipped.iterdir() if path.is_file()), *(path for path in series if path)]
    return tuple(path for path in files if path.stat().st_size < _LARGE and violations(path) == [])


def _folders() -> Iterator[Path]:
    return (folder for folder in sorted(SERIES.rglob("*")) if folder.is_dir())


@pytest.mark.parametrize("profile", profiles())
def test_an_object_that_a_validator_finds_clean_is_clean_after(profile: str, tmp_path: Path) -> None:
    by, written, offenders = deidentifier(load_profile(profile)), 0, {}
    for path in valid_files():
        outcome = collected(by, Item(path.name, DICOM, lambda path=path: path.open("rb"), ""), reviewed=True)
        if isinstance(outcome, Clean):
            after = tmp_path / path.name
            after.write_bytes(content(outcome))
            written += 1
            offenders |= {path.name: found} if (found := violations(after)) else {}
    assert written >= 15 and not offenders


def test_what_comes_out_opens_in_other_toolkits(tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    by = deidentifier(load_profile("research"))
    for path in valid_files()[::3]:
        outcome = collected(by, Item(path.name, DICOM, lambda path=path: path.open("rb"), ""), reviewed=True)
        if isinstance(outcome, Clean):
            after = tmp_path / path.name
            after.write_bytes(content(outcome))
            reader = gdcm.Reader()
            reader.SetFileName(str(after))
            assert reader.Read() and not complaints(after), path.name


def test_what_a_slice_must_have_stays_empty_and_what_it_need_not_have_goes() -> None:
    after = clean(ct(AccessionNumber="A-1", StudyID="77", StudyDescription="Quince", ReferringPhysicianName="Doe^Jane"))
    assert [after[keyword].value for keyword in ("AccessionNumber", "StudyID", "ReferringPhysicianName")] == [""] * 3
    assert [after[keyword].value for keyword in ("StudyDate", "StudyTime", "PatientBirthDate")] == [""] * 3
    assert "StudyDescription" not in after and "PatientAge" not in after


def test_where_a_value_is_required_a_dummy_says_that_it_is_one() -> None:
    before = ct(ContentDate="20240229", ContentTime="101112", DeviceSerialNumber="778899", Manufacturer="ACME")
    before.SOPClassUID = before.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    after = clean(before)
    assert (after.ContentDate, after.ContentTime) == ("19000101", "000000")
    assert (after.DeviceSerialNumber, after.Manufacturer) == ("REMOVED", "REMOVED")
    shifted = clean(before, deidentifier(load_profile("longitudinal"))).ContentDate
    assert shifted not in ("19000101", "20240229", "")


def test_stacks_stay_apart_whatever_a_site_calls_them() -> None:
    def frames(*stacks: str) -> Sequence:
        found = []
        for position, stack in enumerate(stacks, 1):
            place, frame = Dataset(), Dataset()
            place.StackID, place.InStackPositionNumber = stack, position
            frame.FrameContentSequence = Sequence([place])
            found.append(frame)
        return Sequence(found)

    def after(*stacks: str) -> list[str]:
        groups = clean(ct(PerFrameFunctionalGroupsSequence=frames(*stacks))).PerFrameFunctionalGroupsSequence
        return [frame.FrameContentSequence[0].StackID for frame in groups]

    assert after("1", "2") == ["1", "2"]
    assert after("left knee", "right knee", "left knee") == ["REMOVED", "REMOVED 2", "REMOVED"]


def test_items_stay_in_their_places_though_nothing_in_them_may() -> None:
    frame, other = Dataset(), Dataset()
    frame.add_new(0x00191001, "LO", "Quince")
    other.FrameAcquisitionNumber = 3
    after = clean(ct(PerFrameFunctionalGroupsSequence=Sequence([frame, other])))
    assert [len(group) for group in after.PerFrameFunctionalGroupsSequence] == [0, 1]
    enhanced = ct(PerFrameFunctionalGroupsSequence=Sequence([frame, frame]))
    enhanced.SOPClassUID = enhanced.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    assert [len(group) for group in clean(enhanced).PerFrameFunctionalGroupsSequence] == [0, 0]


@pytest.mark.parametrize(
    ("came", "meaning"), [("Dr. Quince's head", "Head"), ("head", "Head"), ("Head structure (body structure)", None)]
)
def test_a_code_means_what_its_scheme_says_and_nothing_that_a_site_typed(came: str, meaning: str | None) -> None:
    after = clean(ct(AnatomicRegionSequence=Sequence([code("69536005", "SCT", came)])))
    assert after.AnatomicRegionSequence[0].CodeMeaning == (meaning or came)


def test_a_code_that_no_table_has_means_itself() -> None:
    after = clean(ct(AnatomicRegionSequence=Sequence([code("T-99999", "SRT", "Quince")])))
    assert after.AnatomicRegionSequence[0].CodeMeaning == "T-99999"


def test_a_sites_own_code_goes_and_leaves_a_dummy_where_one_is_required() -> None:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Quince"
    segment.SegmentedPropertyCategoryCodeSequence = Sequence([code("Q-77", "99QUINCE", "Quince")])
    before = ct(SegmentSequence=Sequence([segment]), AnatomicRegionSequence=Sequence([code("Q-7", "99QUINCE", "Q")]))
    before.SOPClassUID = before.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    after = clean(before)
    (entry,) = after.SegmentSequence[0].SegmentedPropertyCategoryCodeSequence
    assert (entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning) == ("REMOVED", "99HMCHAIN", "Removed")
    assert "AnatomicRegionSequence" not in after


def test_a_radiograph_whose_region_a_site_coded_itself_still_says_that_it_has_one() -> None:
    before = ct(AnatomicRegionSequence=Sequence([code("Q-7", "99QUINCE", "Quince")]), BodyPartExamined="CHEST")
    before.SOPClassUID = before.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    assert [entry.CodeValue for entry in clean(before).AnatomicRegionSequence] == ["REMOVED"]


def test_colours_that_a_table_gives_to_grey_frames_keep_their_table() -> None:
    before = ct(PixelPresentation="COLOR")
    for number in range(3):
        before.add_new(0x00281101 + number, "US", [4, 0, 16])
        before.add_new(0x00281201 + number, "OW", bytes(range(8)))
    assert clean(before).RedPaletteColorLookupTableData == bytes(range(8))


def test_a_name_that_was_given_without_a_value_stays_so() -> None:
    observation = Dataset()
    observation.ObservationNumber, observation.ReferencedROINumber, observation.ROIInterpreter = 1, 1, ""
    after = clean(ct(RTROIObservationsSequence=Sequence([observation])))
    assert after.RTROIObservationsSequence[0].ROIInterpreter == ""


def test_the_laterality_of_a_body_part_that_is_not_said_is_unknown() -> None:
    assert clean(ct(BodyPartExamined="Mr Quince's head")).Laterality == ""
    assert "Laterality" not in clean(ct(BodyPartExamined="HEAD"))


def test_the_version_of_a_scheme_stays_if_it_is_one() -> None:
    def version(came: str) -> str:
        region = code("T-D1100", "SRT", "Head")
        region.CodingSchemeVersion = came
        return (
            clean(ct(AnatomicRegionSequence=Sequence([region])))
            .AnatomicRegionSequence[0]
            .get("CodingSchemeVersion", "")
        )

    assert [version(came) for came in ("1.3", "20090108", "55501234", "Quince")] == ["1.3", "20090108", "", ""]


def test_pointers_to_elements_stay() -> None:
    index = Dataset()
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00209057, 0x00209111
    after = clean(ct(DimensionIndexSequence=Sequence([index])))
    assert after.DimensionIndexSequence[0].DimensionIndexPointer == 0x00209057
