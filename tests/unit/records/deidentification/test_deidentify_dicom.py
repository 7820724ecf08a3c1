"""DICOM elements: what goes, what stays and in which form, by profile (PS3.15 E.1)."""

from __future__ import annotations

import io
import pickle
from datetime import date, timedelta
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hmchain.keys import SecretKey
from hmchain.records.deidentification.canary.dicom import plant
from hmchain.records.deidentification.canary.survivors import survivors
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.dicom.attributes import age_band
from hmchain.records.deidentification.dicom.moments import shifted
from hmchain.records.deidentification.outcome import Action, Clean, Held
from hmchain.records.deidentification.profile import Profile, ProfileError, SafePrivate, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import Item
from support.dicom_objects import PSEUDONYMS, clean, collected, content, ct, deidentifier, held, item, outcome, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # the objects are wrong on purpose

AS_OF = date(2026, 6, 1)
SHIFTING = deidentifier(Profile(name="shift", title="", dates="shift"))


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.name,
)
def test_every_uncompressed_syntax_becomes_explicit_little_endian_with_the_same_pixels(syntax: UID) -> None:
    before = ct(syntax, ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelPaddingValue=0)
    after = clean(before)
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (after.pixel_array == before.pixel_array).all()
    assert after.ImageOrientationPatient == [1, 0, 0, 0, 1, 0] and after.PixelPaddingValue == 0


def test_the_patient_becomes_a_pseudonym_and_the_object_says_so() -> None:
    after = clean(ct())
    assert after.PatientID == PSEUDONYMS.subject("MRN-449-207") == str(after.PatientName)
    assert after.PatientIdentityRemoved == "YES"
    assert [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence] == ["113100"]
    assert after.LongitudinalTemporalInformationModified == "REMOVED"
    assert "PS3.15 2026c" in after.DeidentificationMethod


def test_preamble_and_file_meta_information_hold_nothing_of_the_file() -> None:
    before = ct()
    before.preamble = b"Quince".ljust(128, b"!")
    before.file_meta.SourceApplicationEntityTitle = "QUINCE_AE"
    before.file_meta.ImplementationVersionName = "SITE_PACS_9"
    data = content(outcome(written(before)))
    meta = pydicom.dcmread(io.BytesIO(data)).file_meta
    assert data[:128] == bytes(128)
    assert {element.keyword for element in meta} == {
        "FileMetaInformationGroupLength", "FileMetaInformationVersion", "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID", "ImplementationVersionName",
    }  # fmt: skip
    assert meta.ImplementationVersionName == "HMCHAIN"


def test_uids_are_keyed_at_every_depth_and_those_of_dicom_itself_stay() -> None:
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = CTImageStorage, UID("1.2.3.4.5")
    after = clean(ct(SourceImageSequence=Sequence([source]), FrameOfReferenceUID=UID("1.9.9")))
    inner = after.SourceImageSequence[0]
    assert after.StudyInstanceUID == inner.ReferencedSOPInstanceUID == PSEUDONYMS.uid("1.2.3.4.5")
    assert inner.ReferencedSOPClassUID == CTImageStorage == after.SOPClassUID
    assert after.FrameOfReferenceUID == PSEUDONYMS.uid("1.9.9")
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == PSEUDONYMS.uid("1.2.3.4.5.6.7.8.9")


def test_records_and_subjects_are_stable_in_a_project_and_unlinkable_between_projects() -> None:
    data = written(ct())
    first, again = outcome(data), outcome(data)
    other = outcome(data, DicomDeidentifier(load_profile("basic"), Pseudonyms(SecretKey(bytes(32)), "another")))
    assert isinstance(first, Clean) and isinstance(again, Clean) and isinstance(other, Clean)
    assert (first.record, first.subject) == (again.record, again.subject)
    assert not {first.record, first.subject} & {other.record, other.subject}
    assert content(first) == content(again)


def test_dates_go_by_default() -> None:
    after = clean(ct(AcquisitionDateTime="20240229101112.5", ScheduledProcedureStepStartDate="20240228"))
    assert after.StudyDate == after.StudyTime == after.PatientBirthDate == ""
    assert "ScheduledProcedureStepStartDate" not in after and not after.get("AcquisitionDateTime")


def test_shifted_dates_keep_their_intervals_and_the_birth_date_goes() -> None:
    after = clean(ct(SeriesDate="20240302", AcquisitionDateTime="20240301101112.5+0100"), SHIFTING)
    by = PSEUDONYMS.shift(PSEUDONYMS.subject("MRN-449-207"))
    assert after.StudyDate == f"{date(2024, 2, 29) + by:%Y%m%d}"
    assert after.SeriesDate == f"{date(2024, 3, 2) + by:%Y%m%d}"
    assert after.AcquisitionDateTime == f"{date(2024, 3, 1) + by:%Y%m%d}101112.5+0100"
    assert after.StudyTime == "101112" and after.PatientBirthDate == ""
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "113107" in [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence]


@given(st.dates(date(1950, 1, 1), date(2040, 1, 1)), st.integers(-3650, -30))
def test_a_shift_moves_days_and_nothing_else(day: date, days: int) -> None:
    by = timedelta(days=days)
    assert shifted(f"{day:%Y%m%d}", by, AS_OF) == f"{day + by:%Y%m%d}"
    assert shifted(f"{day:%Y%m%d}0607", by, AS_OF) == f"{day + by:%Y%m%d}0607"


@pytest.mark.parametrize(
    "value", ["2024", "202402", "20240231", "Quince", "2024-02-29", "00010101", "19361231", "29991231"]
)
def test_what_has_no_day_is_not_shifted_and_goes(value: str) -> None:
    assert shifted(value, timedelta(days=-400), AS_OF) is None
    assert not clean(ct(ContentDate=value), SHIFTING).get("ContentDate")


def test_free_text_goes_and_type_2_elements_stay_empty() -> None:
    after = clean(ct(StudyDescription="head", ImageComments="Quince", AccessionNumber="A-1", SoftwareVersions="v1"))
    assert after.AccessionNumber == ""
    assert not {"StudyDescription", "ImageComments", "SoftwareVersions"} & set(after.dir())


def test_private_unknown_overlay_and_curve_elements_go_at_every_depth() -> None:
    inner = Dataset()
    inner.private_block(0x0021, "ACME", create=True).add_new(1, "LO", "Quince")
    inner.ImagePositionPatient = [1, 2, 3]
    frame = Dataset()
    frame.PlanePositionSequence = Sequence([inner])
    before = ct(PerFrameFunctionalGroupsSequence=Sequence([frame]))
    before.private_block(0x0009, "ACME", create=True).add_new(1, "DS", "1.5")
    before.add_new(0x60003000, "OW", b"Quince")
    before.add_new(0x50103000, "OW", b"Quince")
    before.add_new(0x00189998, "DS", "1")
    after = clean(before)
    assert not [element.tag for element in after.iterall() if element.tag.is_private or element.tag.group >= 0x6000][
        :-1
    ]
    assert after.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == [1, 2, 3]
    assert 0x00189998 not in after and 0x50103000 not in after


def test_safe_private_numbers_stay_with_their_creator_and_text_never() -> None:
    by = deidentifier(
        safe_private=tuple(SafePrivate(creator="ACME MR", group=0x19, element=last) for last in (0xC, 0xD))
    )
    before = ct()
    block = before.private_block(0x19, "ACME MR", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0D, "LO", "Quince")
    block.add_new(0x0E, "IS", "7")
    before.private_block(0x19, "OTHER", create=True).add_new(0x0C, "IS", "8")
    after = clean(before, by)
    kept = after.private_block(0x19, "ACME MR")
    assert kept[0x0C].value == 1000 and 0x0D not in kept and 0x0E not in kept
    assert len([element for element in after if element.tag.is_private]) == 2


def test_safe_private_numbers_are_known_in_objects_without_vrs_too() -> None:
    before = ct(ImplicitVRLittleEndian)
    before.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    safe = SafePrivate(creator="SIEMENS MR HEADER", group=0x19, element=0x0C)
    assert clean(before, deidentifier(safe_private=(safe,))).private_block(0x19, safe.creator)[0x0C].value == 1000


def test_pixels_whose_description_goes_are_held() -> None:
    assert held(ct(PhotometricInterpretation="Mr Quince")).code == "damaged"


def test_values_that_are_not_what_their_vr_says_go() -> None:
    before = ct()
    before.add_new("SliceThickness", "LO", "Quince")
    before.add_new("WindowCenter", "LO", "40")
    before.add_new("PatientPosition", "CS", "Mr Quince")
    before.add_new("BodyPartExamined", "CS", "QUINCES KNEE")
    after = clean(before)
    assert not {"SliceThickness", "PatientPosition", "BodyPartExamined"} & set(after.dir())
    assert after.WindowCenter == 40


def test_codes_stay_without_their_meaning_if_their_scheme_is_published() -> None:
    def code(value: str, scheme: str) -> Dataset:
        entry = Dataset()
        entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning = value, scheme, "Quince"
        return entry

    codes = [code("399162004", "SCT"), code("Q-77", "99LOCAL"), code("Quince", "SCT")]
    after = clean(ct(ViewCodeSequence=Sequence(codes)))
    assert [entry.CodeValue for entry in after.ViewCodeSequence] == ["399162004"]
    assert "CodeMeaning" not in after.ViewCodeSequence[0]


def test_patient_characteristics_stay_on_request_with_old_age_as_one() -> None:
    by = deidentifier(load_profile("characteristics"))
    after = clean(ct(PatientWeight="71.5", EthnicGroup="x"), by)
    assert (after.PatientAge, after.PatientSex, after.PatientWeight) == ("090Y", "M", 71.5)
    assert not {"PatientAge", "PatientWeight"} & set(clean(ct(PatientWeight="71.5")).dir())
    assert clean(ct()).PatientSex == ""


def test_device_identity_stays_on_request() -> None:
    values = {"Manufacturer": "ACME", "ManufacturerModelName": "Scan 3", "DeviceSerialNumber": "778899"}
    after = clean(ct(**values), deidentifier(load_profile("device")))
    assert {keyword: after[keyword].value for keyword in values} == values
    assert "113109" in [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence]
    without = clean(ct(**values))
    assert not any(without.get(keyword) for keyword in values)


def test_a_profile_removes_more() -> None:
    assert "BodyPartExamined" not in clean(ct(BodyPartExamined="CHEST"), deidentifier(remove=("BodyPartExamined",)))
    assert clean(ct(BodyPartExamined="CHEST")).BodyPartExamined == "CHEST"
    with pytest.raises(ProfileError, match="BodyPartInspected"):
        deidentifier(remove=("BodyPartInspected",))


def test_a_name_that_would_stay_in_a_code_holds_the_object() -> None:
    found = held(ct(ScanOptions="QUINCE"))
    assert found.code == "identifier_left" and not found.releasable and "quince" not in found.reason.lower()
    assert held(ct(ScanOptions="QUINCE"), reviewed=True).code == "identifier_left"
    assert clean(ct(PatientName="Chest^Rose", BodyPartExamined="CHEST")).BodyPartExamined == "CHEST"


@pytest.mark.parametrize("code", ["QUINCE", "OLD QUINCE", "A_QUINCE", "MYQUINCES"])
def test_a_name_is_found_in_whatever_element_and_depth_it_would_stay(code: str) -> None:
    inner = Dataset()
    inner.ScanOptions, inner.GantryDetectorTilt = code.replace("_", " "), 1
    assert held(ct(SharedFunctionalGroupsSequence=Sequence([inner]))).code == "identifier_left"


def test_a_number_is_not_found_within_a_longer_one() -> None:
    assert clean(ct(PatientID="123456", InstanceNumber="91234567")).InstanceNumber == 91234567
    assert held(ct(PatientID="123456", InstanceNumber="123456")).code == "identifier_left"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"PatientID": "48213", "ScanOptions": "48213"}, "identifier_suspected"),
        ({"PatientID": "48213", "ScanOptions": "MRN_48213"}, "identifier_suspected"),
        ({"PatientID": "MRN-48213", "InstanceNumber": "48213"}, "identifier_suspected"),
        ({"PatientID": "0048213", "SliceThickness": "48213.0"}, "identifier_suspected"),
        ({"PatientID": "48213", "ScanOptions": ["FS", "4X", "X48213"]}, "identifier_suspected"),
        ({"PatientID": "48213", "InstanceNumber": "0048213"}, "identifier_suspected"),
        ({"PatientID": "48213", "FrameReferenceTime": "4.8213E4"}, "identifier_suspected"),
        ({"PatientID": "48213", "NumberOfTemporalPositions": "48213"}, "identifier_suspected"),
        ({"PatientID": "48213", "LargestImagePixelValue": 48213}, "identifier_suspected"),
        ({"PatientID": "48213", "DiffusionBValue": 48213.0}, "identifier_suspected"),
        ({"PatientName": "KIM^SU", "ScanOptions": "KIM SU"}, "identifier_left"),
        ({"PatientName": "KIM^SU", "ScanOptions": "SU_KIM"}, "identifier_left"),
        ({"PatientName": "KIM^SU", "ScanOptions": "KIM"}, "identifier_suspected"),
        ({"PatientName": "Ng^Li", "OtherPatientNames": "KIM^SU", "ScanOptions": "X KIM"}, "identifier_suspected"),
        ({"PatientTelephoneNumbers": "555-0123 4567", "InstanceNumber": "1234567"}, ""),
        ({"PatientTelephoneNumbers": "555-0123", "InstanceNumber": "5550123"}, "identifier_left"),
        ({"PatientBirthDate": "19310203", "InstanceNumber": "19310203"}, "identifier_left"),
    ],
)
def test_short_names_and_numbers_are_compared_with_whole_words_and_numbers(values: dict[str, Any], code: str) -> None:
    found = outcome(written(ct(**values)))
    assert (found.code if isinstance(found, Held) else "") == code
    if isinstance(found, Held):
        assert found.releasable is (code == "identifier_suspected") and "(0" in found.reason


def test_who_releases_an_image_is_told_of_every_reason() -> None:
    found = held(ct(PatientID="48213", InstanceNumber="48213", BurnedInAnnotation="YES"))
    assert found.code == "burned_in_text" and "InstanceNumber" in found.reason and found.releasable
    assert clean(ct(PatientID="48213", InstanceNumber="48213"), reviewed=True).InstanceNumber == 48213


@pytest.mark.parametrize(
    "values",
    [
        {"PatientName": "Lee^Ann^^MR", "ScanOptions": "FS", "PatientPosition": "HFS"},
        {"PatientName": "MA^AP", "ImageType": ["ORIGINAL", "PRIMARY", "AP"], "ViewPosition": "AP"},
        {"PatientID": "1024", "InstanceNumber": "1024", "RescaleIntercept": "-1024"},
        {"PatientID": "8", "InstanceNumber": "8"},
        {"PatientID": "48828", "PixelSpacing": ["0.48828", "0.48828"]},
        {"PatientID": "10008", "PatientName": "Li^Wu"},
    ],
)
def test_what_is_met_by_chance_holds_nothing(values: dict[str, Any]) -> None:
    clean(ct(**values))


@pytest.mark.parametrize("spell", ["raw", "swapped", "a letter a number"])
def test_a_name_in_binary_numbers_holds_the_object(spell: str) -> None:
    name = b"Quince"
    words = {"raw": name, "swapped": b"uQniec", "a letter a number": b"".join(bytes([c, 0]) for c in name)}[spell]
    inner = Dataset()
    inner.add_new("SelectorUSValue", "US", np.frombuffer(words, "<u2").tolist())
    inner.GantryDetectorTilt = 1
    assert held(ct(SharedFunctionalGroupsSequence=Sequence([inner]))).code == "identifier_left"


def test_a_lookup_table_stays_only_if_it_is_one() -> None:
    def voi(entries: list[int], said: int) -> Dataset:
        inner = Dataset()
        inner.add_new("LUTDescriptor", "US", [said, 0, 16])
        inner.add_new("LUTData", "US", entries)
        return inner

    curve, text, short = voi([0, 5, 900, 900], 4), voi([68, 101, 97, 114], 4), voi([1, 2, 3], 4)
    after = clean(ct(VOILUTSequence=Sequence([curve, text, short])))
    assert [entry.LUTData for entry in after.VOILUTSequence] == [[0, 5, 900, 900]]


def test_a_palette_stays_where_colours_need_it_and_is_as_long_as_it_says() -> None:
    before = ct(PhotometricInterpretation="PALETTE COLOR")
    for number in range(3):
        before.add_new(0x00281101 + number, "US", [4, 0, 16])
        before.add_new(0x00281201 + number, "OW", bytes(range(8)))
    assert clean(before).RedPaletteColorLookupTableData == bytes(range(8))
    before.RedPaletteColorLookupTableData = bytes(range(8)) + b"Dear reader"
    assert held(before).code == "damaged"
    before.PhotometricInterpretation = "MONOCHROME2"
    assert not any("Palette" in element.keyword for element in clean(before))


def test_more_values_than_the_standard_allows_go() -> None:
    after = clean(ct(SmallestImagePixelValue=[68, 101, 97, 114], InstanceNumber=[1, 2], PixelSpacing=[1, 1]))
    assert "SmallestImagePixelValue" not in after and "InstanceNumber" not in after and after.PixelSpacing == [1, 1]


def test_an_integer_as_long_as_a_telephone_number_goes() -> None:
    after = clean(ct(SeriesNumber="555012345", InstanceNumber="55501234"))
    assert "SeriesNumber" not in after and after.InstanceNumber == 55501234


@pytest.mark.parametrize("time", ["993000", "126099", "555012"])
def test_a_time_that_is_none_goes(time: str) -> None:
    assert "StudyTime" not in clean(ct(StudyTime=time), SHIFTING)


@pytest.mark.parametrize(
    ("scheme", "code", "stays"),
    [
        ("SCT", "38341003", True), ("SCT", "5550199", False), ("LN", "8302-2", True), ("LN", "48213-9", False),
        ("UCUM", "mm2", True), ("UCUM", "5550199", False), ("DCM", "121322", True), ("SRT", "T-A0100", True),
    ],
)  # fmt: skip
def test_a_code_is_built_as_those_of_its_scheme(scheme: str, code: str, stays: bool) -> None:
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator = code, scheme
    after = clean(ct(ViewCodeSequence=Sequence([view])))
    assert [entry.CodeValue for entry in after.ViewCodeSequence] == ([code] if stays else [])


def test_a_patient_without_an_id_is_known_by_the_study() -> None:
    nameless = outcome(written(ct(PatientID="")))
    other = outcome(written(ct(PatientID="", SeriesInstanceUID=UID("1.7"))))
    elsewhere = outcome(written(ct(PatientID="", StudyInstanceUID=UID("1.8"))))
    assert isinstance(nameless, Clean) and isinstance(other, Clean) and isinstance(elsewhere, Clean)
    assert nameless.subject == other.subject != elsewhere.subject


def test_a_patient_id_is_read_in_its_character_set() -> None:
    before = ct(PatientID="Żółć-1")
    before.SpecificCharacterSet = "ISO_IR 192"
    assert clean(before).PatientID == PSEUDONYMS.subject("Żółć-1")
    assert clean(ct(PatientID=" MRN-449-207 ")).PatientID == PSEUDONYMS.subject("MRN-449-207")


def test_attributes_show_what_was_written_and_nothing_else() -> None:
    before = ct(BodyPartExamined="HEAD", Manufacturer="ACME", ViewPosition="Quince")
    found = collected(deidentifier(), item(written(before), label="tumour"))
    assert isinstance(found, Clean)
    assert found.attributes == {
        "modality": "CT", "body part": "HEAD", "photometric": "MONOCHROME2", "rows": "8", "columns": "8",
        "frames": "1", "bits": "12", "label": "tumour",
    }  # fmt: skip
    full = outcome(written(before), deidentifier(load_profile("research")))
    assert isinstance(full, Clean)
    assert (
        full.attributes["age"] == "90+" and full.attributes["sex"] == "M" and full.attributes["manufacturer"] == "ACME"
    )


@pytest.mark.parametrize(
    "keyword",
    ["Modality", "BodyPartExamined", "ViewPosition", "Laterality", "ImageLaterality", "PatientSex", "ScanningSequence",
     "Manufacturer", "ManufacturerModelName", "PhotometricInterpretation"],
)  # fmt: skip
def test_a_name_where_a_term_of_the_standard_belongs_does_not_pass(keyword: str) -> None:
    found = outcome(written(ct(**{keyword: "MARGARETHE"})))
    if isinstance(found, Clean):
        assert "MARGARETHE" not in str(found.attributes) and b"MARGARETHE" not in content(found)


@pytest.mark.parametrize(
    ("age", "band"), [("045Y", "40-49"), ("090Y", "90+"), ("011M", "0-9"), ("600M", "50-59"), ("", ""), ("x", "")]
)
def test_ages_are_shown_in_bands(age: str, band: str) -> None:
    assert age_band(age) == band


def test_actions_name_elements_and_no_values() -> None:
    before = ct(StudyDescription="Quince")
    before.private_block(0x0009, "Quince Ltd", create=True).add_new(1, "LO", "Quince")
    found = outcome(written(before))
    assert isinstance(found, Clean)
    assert Action("(0008,1030) StudyDescription", "removed") in found.actions
    assert Action("(0010,0020) PatientID", "replaced") in found.actions
    assert Action("private elements", "removed", 2) in found.actions
    assert "quince" not in str(found.actions).lower()


def test_objects_that_are_not_images_are_held() -> None:
    before = ct()
    del before.PixelData
    found = held(before)
    assert found.code == "no_pixel_data" and found.releasable
    assert clean(before, reviewed=True).Modality == "CT"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Modality": "US"}, "burned_in_text"),
        ({"BurnedInAnnotation": "YES"}, "burned_in_text"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "burned_in_text"),
        ({"ImageType": ["ORIGINAL", "SECONDARY"]}, "burned_in_text"),
        ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.7")}, "burned_in_text"),
        ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.88.11")}, "structured_report"),
        ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.104.1")}, "encapsulated_document"),
    ],
    ids=str,
)
def test_what_may_show_a_name_is_held_and_pixels_alone_can_be_released(values: dict[str, object], code: str) -> None:
    found = held(ct(**values))
    assert found.code == code and found.releasable is (code == "burned_in_text")
    if found.releasable:
        assert clean(ct(**values), reviewed=True).BurnedInAnnotation == "NO"
    else:
        assert held(ct(**values), reviewed=True).code == code


def test_derived_images_pass_where_a_profile_says_that_they_are_normal() -> None:
    derived = ct(ImageType=["DERIVED", "PRIMARY"])
    assert clean(derived, deidentifier(derived_pass=("CT",))).ImageType == ["DERIVED", "PRIMARY"]
    assert held(derived, deidentifier(derived_pass=("MG",))).code == "burned_in_text"


def test_sequences_without_end_and_lengths_that_lie_are_held() -> None:
    deep = Dataset()
    for _ in range(60):
        outer = Dataset()
        outer.PerFrameFunctionalGroupsSequence = Sequence([deep])
        deep = outer
    assert held(ct(SharedFunctionalGroupsSequence=Sequence([deep]))).code == "damaged"
    data = bytearray(written(ct()))
    at = data.index(b"Quince") - 2
    data[at : at + 2] = b"\xff\xfe"  # the name says that it is 65 kB long
    found = outcome(bytes(data))
    assert isinstance(found, Held) and found.code == "damaged"


def test_a_de_identifier_travels_to_another_process() -> None:
    data = written(ct())
    assert content(outcome(data, pickle.loads(pickle.dumps(SHIFTING)))) == content(outcome(data, SHIFTING))


PLANTED = [(entry, entry.item.open().read()) for entry in plant() if not entry.held]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_of_any_kind_raises_nothing_and_lets_no_canary_out(draw: st.DataObject) -> None:
    entry, whole = draw.draw(st.sampled_from(PLANTED))
    data = bytearray(whole)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
    damaged = Item("x", "dicom", lambda: io.BytesIO(bytes(data[:cut])))
    found = survivors(entry, deidentifier().deidentify(damaged))
    assert not found, found
