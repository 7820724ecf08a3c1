"""DICOM elements: what goes, what stays and in which form, by profile (PS3.15 E.1)."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta

import msgspec
import pydicom
import pytest
from hypothesis import given
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
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.dicom.moments import shifted
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import Profile, ProfileError, SafePrivate, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from support.dicom_objects import PSEUDONYMS, clean, content, ct, deidentifier, held, outcome, written

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
    assert (after.SliceThickness, after.PatientPosition) == (None, "")  # a CT slice has them, empty if need be
    assert "BodyPartExamined" not in after
    assert after.WindowCenter == 40


def test_codes_of_published_schemes_stay_with_the_meaning_that_the_scheme_gives_them() -> None:
    def code(value: str, scheme: str) -> Dataset:
        entry = Dataset()
        entry.CodeValue, entry.CodingSchemeDesignator, entry.CodeMeaning = value, scheme, "Quince"
        return entry

    codes = [code("399162004", "SCT"), code("Q-77", "99LOCAL"), code("Quince", "SCT")]
    after = clean(ct(ViewCodeSequence=Sequence(codes)))
    assert [(entry.CodeValue, entry.CodeMeaning) for entry in after.ViewCodeSequence] == [
        ("399162004", "cranio-caudal")
    ]


def test_patient_characteristics_stay_on_request_with_old_age_as_one() -> None:
    by = deidentifier(load_profile("characteristics"))
    after = clean(ct(PatientWeight="71.5", EthnicGroup="x"), by)
    assert (after.PatientAge, after.PatientSex, after.PatientWeight) == ("090Y", "M", 71.5)
    assert not {"PatientAge", "PatientWeight"} & set(clean(ct(PatientWeight="71.5")).dir())
    assert clean(ct()).PatientSex == ""


def test_device_identity_stays_on_request() -> None:
    values = {"Manufacturer": "SIEMENS", "ManufacturerModelName": "Skyra", "DeviceSerialNumber": "778899"}
    after = clean(ct(**values), deidentifier(load_profile("device")))
    assert {keyword: after[keyword].value for keyword in values} == values
    assert "113109" in [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence]
    without = clean(ct(**values))
    assert not any(without.get(keyword) for keyword in values)


NAMES_OF_MACHINES = ("DetectorID", "DeviceSerialNumber", "GantryID", "StationName")
TEXTS_OF_DEVICES = (
    *NAMES_OF_MACHINES, "ConvolutionKernel", "Manufacturer", "ManufacturerModelName", "PulseSequenceName",
    "ReceiveCoilName", "SequenceName", "SoftwareVersions", "TransmitCoilName",
)  # fmt: skip


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("Manufacturer", "Praxis Dr. Weber"),
        ("ManufacturerModelName", "Tel 0662 5559812"),
        ("ManufacturerModelName", "bought by Anna Weber"),
        ("SoftwareVersions", "VE11 licensed to Dr Weber"),
        ("TransmitCoilName", "Coil of Dr Weber"),
        ("GantryID", "Klinikum Nord"),
        ("DeviceSerialNumber", "Weber 555 1234"),
        ("PatientSex", "ANNA WEBER"),
        ("PatientSexNeutered", "WEBER"),
        ("EthnicGroup", "Weber from Salzburg"),
        *(
            (keyword, name)
            for keyword in TEXTS_OF_DEVICES
            for name in ("WEBER", "Weber 1", "A. Weber", "WeBeRt", "Kim")
        ),
        ("ManufacturerModelName", "14OCT57"),
        ("StationName", "14.10.1957"),
        ("ManufacturerModelName", "Sono 1957-10-14"),
        ("SoftwareVersions", "VB 078-05-1120"),
    ],
)
def test_an_option_keeps_no_text_that_names_a_person_a_house_or_a_telephone(keyword: str, text: str) -> None:
    left = str(clean(ct(**{keyword: text}), deidentifier(load_profile("research"))).get(keyword) or "")
    assert not left or (re.fullmatch(r"[0-9a-f]{16}", left) and keyword in NAMES_OF_MACHINES)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("Manufacturer", "Philips Medical Systems, Inc."),
        ("Manufacturer", "DR Systems, Inc."),
        ("Manufacturer", "TOSHIBA_MEC"),
        ("ManufacturerModelName", "MAGNETOM Skyra Fit (BioMatrix)"),
        ("ManufacturerModelName", "LightSpeed VCT"),
        ("StationName", "MRC35131"),
        ("SequenceName", "*ep_b1000#3"),
        ("ConvolutionKernel", "B30f"),
        ("ReceiveCoilName", "32Ch Head"),
        ("ManufacturerModelName", "DISCOVERY MR750"),
        ("SoftwareVersions", "453561492081__2.1.0.515__Ultrasound_Applicat--11/04/27]-07:23:23"),
        ("SoftwareVersions", "MR Software release:DV26.0_R01_1725.a"),
        ("DeviceSerialNumber", "000301496MR3T6MR"),
        ("EthnicGroup", "Caucasian"),
        ("PatientSex", "F"),
    ],
)
def test_an_option_keeps_what_makers_write(keyword: str, text: str) -> None:
    after = clean(ct(**{keyword: text}), deidentifier(load_profile("research")))
    assert after[keyword].value == text


def test_what_one_machine_made_goes_together_whatever_it_is_called() -> None:
    names = ("RADHELIOS", "RADHELIOS", "WEBER_PC", "MRC35131")
    first, same, other, known = (
        clean(ct(StationName=name), deidentifier(load_profile("research"))).StationName for name in names
    )
    assert first == same != other and known == "MRC35131"


def test_a_hospital_says_what_its_own_devices_are_called() -> None:
    profile = load_profile("research")
    rules = msgspec.structs.replace(profile.dicom, words=("Weberscan",))
    by = deidentifier(msgspec.structs.replace(profile, dicom=rules))
    assert clean(ct(ManufacturerModelName="Weberscan 3"), by).ManufacturerModelName == "Weberscan 3"
    assert clean(ct(Manufacturer="Siemens, Weber"), by).Manufacturer == "Siemens"


def test_the_catalogue_shows_no_sex_or_model_that_somebody_typed() -> None:
    before = ct(PatientSex="ANNA WEBER", Manufacturer="Praxis Dr. Weber", ManufacturerModelName="Tel 0662 5559812")
    after = outcome(written(before), deidentifier(load_profile("research")))
    assert isinstance(after, Clean)
    assert not {"sex", "manufacturer", "model"} & after.attributes.keys()


def test_a_text_in_place_of_numbers_goes() -> None:
    text = b"Marple Jane, 12 Danemead, Mead  "
    numbers = [int.from_bytes(text[at : at + 4], "little") for at in range(0, len(text), 4)]
    assert "SimpleFrameList" not in clean(ct(SimpleFrameList=numbers))
    assert clean(ct(SimpleFrameList=[1, 2, 3, 4, 5])).SimpleFrameList == [1, 2, 3, 4, 5]


def test_a_profile_removes_more() -> None:
    assert "BodyPartExamined" not in clean(ct(BodyPartExamined="CHEST"), deidentifier(remove=("BodyPartExamined",)))
    assert clean(ct(BodyPartExamined="CHEST")).BodyPartExamined == "CHEST"
    with pytest.raises(ProfileError, match="BodyPartInspected"):
        deidentifier(remove=("BodyPartInspected",))
