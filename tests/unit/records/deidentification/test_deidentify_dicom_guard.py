"""DICOM objects that are held, or lose what would name a patient where nobody looks for it."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
)

from hmchain.records.deidentification.canary.dicom import plant
from hmchain.records.deidentification.canary.survivors import survivors
from hmchain.records.deidentification.dicom.attributes import age_band
from hmchain.records.deidentification.outcome import Action, Clean, Finding, Held
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.sources.item import Item
from support.dicom_objects import (
    PSEUDONYMS,
    clean,
    collected,
    content,
    ct,
    deidentifier,
    held,
    item,
    outcome,
    read,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # the objects are wrong on purpose
SHIFTING = deidentifier(Profile(name="shift", title="", dates="shift"))
KNOWING = deidentifier(
    words=("anna", "bob", "duplicatedus", "eva", "kim", "mrn", "myquinces", "nce", "old", "qui", "quince", "shi")
)
"""Knows words that are names as well: else they go before anybody looks for them."""


def test_a_name_that_would_stay_in_a_code_holds_the_object() -> None:
    found = held(ct(ScanOptions="QUINCE"), KNOWING)
    assert found.code == "identifier_left" and found.releasable and "quince" not in found.reason.lower()
    assert "ScanOptions" in found.reason
    assert clean(ct(PatientName="Chest^Rose", BodyPartExamined="CHEST")).BodyPartExamined == "CHEST"


@pytest.mark.parametrize("code", ["QUINCE", "OLD QUINCE", "A_QUINCE", "MYQUINCES"])
def test_a_name_is_found_in_whatever_element_and_depth_it_would_stay(code: str) -> None:
    inner = Dataset()
    inner.ScanOptions, inner.GantryDetectorTilt = code.replace("_", " "), 1
    before = ct(SharedFunctionalGroupsSequence=Sequence([inner]))
    assert held(before, KNOWING).code == "identifier_left"
    assert b"QUINCE" not in content(outcome(written(before)))


@pytest.mark.parametrize(
    "name", ["WEBER", "DR MEIER", "HILDEGARD 12", "RAUM 12 HANS", "WEBER_1", "KIM", "W E B E R", "DR HAND", "19571014"]
)
def test_a_code_of_words_that_nobody_knows_goes_whoever_is_called_so(name: str) -> None:
    observed = Dataset()
    observed.RTROIInterpretedType, observed.ObservationNumber = name, 1
    before = ct(
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL", name],
        ExposureModulationType=name,
        PatientPosition=name,
        RTROIObservationsSequence=Sequence([observed]),
        ScanOptions=["HELICAL MODE", name],
    )
    found = outcome(written(before), deidentifier(load_profile("research")))
    assert name.encode() not in content(found)
    after = read(found)
    assert after.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL", "REMOVED"]
    assert after.ScanOptions == ["HELICAL MODE", "REMOVED"]


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
        ({"PatientTelephoneNumbers": "555-0123 4567", "InstanceNumber": "1234567"}, "identifier_left"),
        ({"PatientTelephoneNumbers": "555-0123", "InstanceNumber": "5550123"}, "identifier_left"),
        ({"PatientBirthDate": "19310203", "InstanceNumber": "19310203"}, "identifier_left"),
    ],
)
def test_short_names_and_numbers_are_compared_with_whole_words_and_numbers(values: dict[str, Any], code: str) -> None:
    found = outcome(written(ct(**values)), KNOWING)
    assert (found.code if isinstance(found, Held) else "") == code
    if isinstance(found, Held):
        assert found.releasable and "(0" in found.reason


def test_who_releases_an_image_is_told_of_every_reason() -> None:
    found = held(ct(PatientID="48213", InstanceNumber="48213", BurnedInAnnotation="YES"))
    assert found.code == "burned_in_text" and "InstanceNumber" in found.reason and found.releasable


def finding_item(keep: tuple[str, ...] = (), **values: Any) -> Item:
    return replace(item(written(ct(**values))), keep=frozenset(keep))


def test_a_reviewer_is_told_the_word_and_its_place_and_has_it_removed_or_keeps_it() -> None:
    values = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "QUINCE"], "ScanOptions": ["FS", "MRN 449207"]}
    first, second = KNOWING.findings(finding_item(**values))
    assert first == Finding("(0008,0008) ImageType", "QUINCE", certain=True)
    assert second == Finding("(0018,0022) ScanOptions", "MRN 449207", certain=True)
    assert "QUINCE" not in repr(first)
    after = read(collected(KNOWING, finding_item(**values), reviewed=True))
    assert after.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"] and after.ScanOptions == "FS"
    after = read(collected(KNOWING, finding_item((first.place,), **values), reviewed=True))
    assert after.ImageType[-1] == "QUINCE" and after.ScanOptions == "FS"


def test_a_word_over_several_values_or_in_numbers_goes_with_its_element_as_its_type_allows() -> None:
    values = {"ScanOptions": ["QUI", "NCE"], "InstanceNumber": "449207", "ImageType": ["QUINCE"]}
    found = KNOWING.findings(finding_item(**values))
    assert [(each.place[12:], each.word) for each in found] == [
        ("ImageType", "QUINCE"), ("ScanOptions", "QUI\\NCE"), ("InstanceNumber", "449207"),
    ]  # fmt: skip
    after = read(collected(KNOWING, finding_item(**values), reviewed=True))
    assert "ScanOptions" not in after and after.InstanceNumber is None
    assert after.ImageType and "QUINCE" not in after.ImageType
    assert deidentifier().findings(Item("x", "dicom", lambda: io.BytesIO(b"no DICOM"))) == ()


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


@pytest.mark.parametrize(
    "values",
    [
        {"SeriesNumber": "1234", "AcquisitionNumber": "5678"},
        {"SeriesNumber": "5678", "AcquisitionNumber": "1234"},
        {"ScanOptions": ["FS", "1234"], "AcquisitionNumber": "5678"},
        {"SeriesNumber": "12", "AcquisitionNumber": "345", "InstanceNumber": "678"},
    ],
)
def test_a_number_that_is_cut_over_elements_holds_the_object(values: dict[str, Any]) -> None:
    found = held(ct(PatientID="12345678", **values))
    assert found.code == "identifier_suspected" and found.releasable
    assert clean(ct(PatientID="12345679", **values)).AcquisitionNumber
    after = clean(ct(PatientID="12345678", **values), reviewed=True)
    assert not after.get("AcquisitionNumber") and not after.get("ScanOptions")


def test_a_number_that_is_cut_over_what_an_option_keeps_holds_the_object() -> None:
    before = ct(PatientID="12345678", DeviceSerialNumber="1234", SoftwareVersions="VB 5678")
    assert held(before, deidentifier(retain=("device_identity",))).code == "identifier_suspected"


@pytest.mark.parametrize("decimal", ["0.57101412345678", "0.123456780", "12345.67812345"])
def test_a_number_among_the_digits_of_a_decimal_holds_the_object(decimal: str) -> None:
    assert held(ct(PatientID="12345678", PixelSpacing=[decimal, "0.5"])).code == "identifier_suspected"
    assert clean(ct(PatientID="87654321", PixelSpacing=[decimal, "0.5"])).PixelSpacing[0] == float(decimal)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PixelBandwidth", "14.10.1957"), ("SliceThickness", "6625559812"), ("RescaleSlope", "19571014.4711.1")],
)
def test_a_day_or_a_telephone_number_is_no_measure(keyword: str, value: str) -> None:
    before = ct()
    before.add_new(keyword, "LO", value)
    assert not clean(before).get(keyword)


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
    assert "SmallestImagePixelValue" not in after and after.InstanceNumber is None and after.PixelSpacing == [1, 1]


def test_an_integer_as_long_as_a_telephone_number_goes() -> None:
    after = clean(ct(SeriesNumber="555012345", InstanceNumber="55501234"))
    assert after.SeriesNumber is None and after.InstanceNumber == 55501234


@pytest.mark.parametrize("time", ["993000", "126099", "555012"])
def test_a_time_that_is_none_goes(time: str) -> None:
    assert clean(ct(StudyTime=time), SHIFTING).StudyTime == ""


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
    assert [entry.CodeValue for entry in after.get("ViewCodeSequence", ())] == ([code] if stays else [])


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
    before = ct(BodyPartExamined="HEAD", Manufacturer="Mindray", ViewPosition="Quince")
    found = collected(deidentifier(), item(written(before), label="tumour"))
    assert isinstance(found, Clean)
    assert found.attributes == {
        "modality": "CT", "body part": "HEAD", "photometric": "MONOCHROME2", "rows": "8", "columns": "8",
        "frames": "1", "bits": "12", "label": "tumour",
    }  # fmt: skip
    full = outcome(written(before), deidentifier(load_profile("research")))
    assert isinstance(full, Clean)
    assert (
        full.attributes["age"] == "90+"
        and full.attributes["sex"] == "M"
        and full.attributes["manufacturer"] == "Mindray"
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


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Norm^Anna", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"]}),
        ("Mosaic^Ed", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}),
        ("Mean^Jo", {"ImageType": ["ORIGINAL", "PRIMARY", "MEAN"]}), ("Round^Li", {"FieldOfViewShape": "ROUND"}),
        ("Small^Bob", {"FieldOfViewShape": "SMALL"}), ("Long^Shi", {"ScanOptions": "LONG"}),
        ("Block^Eva", {"ScanOptions": ["FS", "BLOCK"]}), ("Rice^Tim", {"ScanOptions": "RICE_FILTER"}),
        ("Head^Ann", {"ScanOptions": "HEAD"}),
    ],
)  # fmt: skip
def test_a_surname_that_is_a_term_of_its_element_is_no_find(name: str, values: dict[str, Any]) -> None:
    after = clean(ct(PatientName=name, **values))
    assert all(after[keyword].value == before for keyword, before in values.items())
    whole = " ".join(name.upper().split("^"))
    assert held(ct(PatientName=name, ScanOptions=whole), KNOWING).code == "identifier_left"


def test_a_maker_that_is_its_own_institution_and_a_station_called_after_its_hospital_are_no_finds() -> None:
    device = deidentifier(retain=("device_identity",))
    values = {"InstitutionName": "TOSHIBA Nasu", "Manufacturer": "TOSHIBA_MEC", "StationName": "NASU MR 1"}
    after = clean(ct(**values), device)
    assert "NASU" not in after.StationName and after.Manufacturer == "TOSHIBA_MEC"
    assert clean(ct(**values), deidentifier(retain=("device_identity",), words=("NASU",))).StationName == "NASU MR 1"
    place = deidentifier(words=("Hintertupfingen",))
    before = ct(InstitutionName="Klinikum Hintertupfingen", ScanOptions="HINTERTUPFINGEN")
    assert held(before, place).code == "identifier_left"


def test_of_elements_that_come_twice_both_are_known() -> None:
    data = written(ct(PatientName="Duplicatedus^A", ScanOptions="DUPLICATEDUS"))
    at = data.index(b"\x10\0\x10\0PN")
    end = at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    second = b"\x10\0\x10\0PN\x06\0ANON^X"
    found = outcome(data[:end] + second + data[end:], KNOWING)
    assert isinstance(found, Held) and found.code == "identifier_left"


@pytest.mark.parametrize(
    ("scheme", "code", "stays"),
    [
        ("DCM", "PFEFFER1", False), ("DCM", "5551990", False), ("DCM", "110100", True), ("SRT", "5551990124", False),
        ("SRT", "R-102B8", True), ("RADLEX", "RID13159", True), ("RADLEX", "5551990", False),
        ("ICD10", "J0H.NDOE", False), ("BI", "MEIER1", False), ("BI", "II.AC.b.4", True),
    ],
)  # fmt: skip
def test_a_code_looks_like_those_of_its_scheme(scheme: str, code: str, stays: bool) -> None:
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = code, scheme, "x"
    after = clean(ct(AnatomicRegionSequence=Sequence([view])))
    assert [entry.CodeValue for entry in after.get("AnatomicRegionSequence", [])] == ([code] if stays else [])
