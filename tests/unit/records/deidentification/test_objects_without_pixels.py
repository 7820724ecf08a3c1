"""Objects without pixels: waveforms, plans and dose reports stay what they are, and nobody is named in them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    BasicVoiceAudioWaveformStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    RTStructureSetStorage,
    XRayRadiationDoseSRStorage,
)

from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import load_profile
from support.dicom_objects import clean, content, ct, deidentifier, held, outcome, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

RESEARCH, BASIC = (deidentifier(load_profile(name)) for name in ("research", "basic"))


def without_pixels(sop_class: UID, modality: str, **values: Any) -> FileDataset:
    dataset = ct()
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "ImageType"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.Modality = modality
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def ecg() -> FileDataset:
    return pydicom.dcmread(get_testdata_file("waveform_ecg.dcm"))


@pytest.mark.parametrize("by", [BASIC, RESEARCH], ids=["basic", "research"])
def test_an_electrocardiogram_keeps_its_samples_and_the_names_of_its_leads(by: Any) -> None:
    before = ecg()
    after = clean(before, by)
    assert len(after.WaveformSequence) == len(before.WaveformSequence) == 2
    for number in range(2):
        assert np.array_equal(after.waveform_array(number), before.waveform_array(number))
    leads = [
        [
            channel.ChannelSourceSequence[0].CodeMeaning
            for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence
        ]
        for dataset in (before, after)
    ]
    assert leads[1][:3] == ["Lead I (Einthoven)", "Lead II", "Lead III"] and len(set(leads[1])) == len(leads[0])


def test_samples_that_are_not_as_many_as_they_should_be_are_no_electrocardiogram() -> None:
    before = ecg()
    for group in before.WaveformSequence:
        group.WaveformData += b"Archibald Quince"
    assert held(before, RESEARCH).code == "damaged"


def test_a_recording_of_speech_is_never_taken() -> None:
    before = without_pixels(BasicVoiceAudioWaveformStorage, "AU", WaveformSequence=ecg().WaveformSequence)
    found = held(before, RESEARCH)
    assert (found.code, found.releasable) == ("voice", False)


def test_waveforms_in_an_object_of_another_class_go() -> None:
    after = clean(ct(WaveformSequence=ecg().WaveformSequence), RESEARCH)
    assert "WaveformSequence" not in after


def regions() -> FileDataset:
    items = []
    for number, name in enumerate(("PTV_60 Quince", "Lung_L", "Meier"), 1):
        item = Dataset()
        item.ROINumber, item.ROIName, item.ROIGenerationAlgorithm = number, name, "MANUAL"
        item.ReferencedFrameOfReferenceUID = "1.2.3.4"
        items.append(item)
    contour, curve = Dataset(), Dataset()
    curve.ContourGeometricType, curve.NumberOfContourPoints, curve.ContourData = "POINT", 1, [1.5, -2, 3]
    contour.ReferencedROINumber, contour.ContourSequence = 1, Sequence([curve])
    return without_pixels(
        RTStructureSetStorage,
        "RTSTRUCT",
        StructureSetLabel="Plan Quince",
        StructureSetROISequence=Sequence(items),
        ROIContourSequence=Sequence([contour]),
    )


def test_regions_of_radiotherapy_keep_their_contours_and_their_names_word_by_word() -> None:
    after = clean(regions(), RESEARCH)
    assert [item.get("ROIName") or "" for item in after.StructureSetROISequence] == ["PTV_60", "Lung_L", ""]
    assert after.StructureSetLabel == "Plan"
    assert after.ROIContourSequence[0].ContourSequence[0].ContourData == [1.5, -2, 3]


def test_without_descriptions_regions_keep_their_contours_alone() -> None:
    after = clean(regions(), BASIC)
    assert not any(item.get("ROIName") for item in after.StructureSetROISequence)
    assert after.ROIContourSequence[0].ContourSequence[0].ContourData == [1.5, -2, 3]


def coded(value: str, scheme: str = "DCM", meaning: str = "") -> Sequence:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning or value
    return Sequence([code])


def entry(kind: str, concept: Sequence, **values: Any) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", kind, concept
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def dose_report(sop_class: UID = XRayRadiationDoseSRStorage) -> FileDataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "123.4", coded("mGy.cm", "UCUM")
    inner = [
        entry("NUM", coded("113838", meaning="DLP"), MeasuredValueSequence=Sequence([measured])),
        entry("TEXT", coded("125203", meaning="Acquisition Protocol"), TextValue="Thorax Quince"),
        entry("TEXT", coded("121106", meaning="Comment"), TextValue="Archibald Quince, Mrs Marple"),
        entry("UIDREF", coded("113769"), UID="1.2.3.4.5.6.7"),
        entry("TEXT", coded("99LOCAL1", "99ACME", "Archibald"), TextValue="axial"),
    ]
    content = [
        entry("PNAME", coded("121008", meaning="Person Observer Name"), PersonName="Marple^Jane"),
        entry("CONTAINER", coded("113819", meaning="CT Acquisition"), ContinuityOfContent="SEPARATE"),
    ]
    content[1].ContentSequence = Sequence(inner)
    return without_pixels(
        sop_class,
        "SR",
        ValueType="CONTAINER",
        ContinuityOfContent="SEPARATE",
        ConceptNameCodeSequence=coded("113701", meaning="X-Ray Radiation Dose Report"),
        ContentSequence=Sequence(content),
    )


def test_a_dose_report_keeps_its_numbers_and_names_nobody() -> None:
    found = outcome(written(dose_report()), RESEARCH)
    assert isinstance(found, Clean)
    assert b"Quince" not in content(found) and b"arple" not in content(found) and b"ACME" not in content(found)
    after = pydicom.dcmread(io.BytesIO(content(found)))
    (acquisition,) = after.ContentSequence
    kept = [(item.ValueType, item.ConceptNameCodeSequence[0].CodeMeaning) for item in acquisition.ContentSequence]
    assert kept[:2] == [("NUM", "DLP"), ("TEXT", "Acquisition Protocol")] and len(kept) == 3
    (measured,) = acquisition.ContentSequence[0].MeasuredValueSequence
    assert (measured.NumericValue, measured.MeasurementUnitsCodeSequence[0].CodeValue) == (123.4, "mGy.cm")
    assert acquisition.ContentSequence[1].TextValue == "Thorax"
    assert acquisition.ContentSequence[2].UID != "1.2.3.4.5.6.7"


@pytest.mark.parametrize(
    ("concept", "number", "unit", "kept"),
    [
        ("121033", "95", "a", False), ("121033", "95", "", False), ("121033", "1150", "mo", False),
        ("121033", "85", "a", True), ("121033", "95", "mo", True), ("113507", "350.5", "MBq", True),
        ("121032", "95", "kg", True), ("113838", "95", "mGy.cm", True),
    ],
)  # fmt: skip
def test_a_dose_report_keeps_its_units_and_no_age_over_89(concept: str, number: str, unit: str, kept: bool) -> None:
    report, measured = dose_report(), Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = number, coded(unit, "UCUM") if unit else Sequence([])
    report.ContentSequence.append(entry("NUM", coded(concept), MeasuredValueSequence=Sequence([measured])))
    last = clean(report, RESEARCH).ContentSequence[-1]
    found = last.get("MeasuredValueSequence")
    assert bool(found) == kept and (not found or found[0].MeasurementUnitsCodeSequence[0].CodeValue == unit)


@pytest.mark.parametrize("sop_class", [EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage])
def test_a_dose_report_in_a_class_for_any_report_is_kept_for_its_title(sop_class: UID) -> None:
    found = outcome(written(dose_report(sop_class)), RESEARCH)
    assert b"Quince" not in content(found) and b"arple" not in content(found) and b"ACME" not in content(found)
    (acquisition,) = pydicom.dcmread(io.BytesIO(content(found))).ContentSequence
    assert acquisition.ContentSequence[0].MeasuredValueSequence[0].NumericValue == 123.4


@pytest.mark.parametrize("title", [coded("126000"), coded("113701", "99ACME"), [*coded("113701"), *coded("126000")]])
def test_a_report_of_anything_else_is_held_whatever_it_holds(title: Any) -> None:
    report = dose_report(ComprehensiveSRStorage)
    report.ConceptNameCodeSequence = Sequence(title)
    found = held(report, RESEARCH)
    assert (found.code, found.releasable) == ("structured_report", False)


def test_a_profile_that_keeps_no_dose_reports_holds_them() -> None:
    assert held(dose_report(), BASIC).code == "structured_report"


@pytest.mark.parametrize("measured", [(), ({},), ({"NumericValue": "Quince"},)], ids=["none", "empty", "a word"])
def test_an_entry_of_a_report_that_measures_nothing_goes(measured: Any) -> None:
    report, items = dose_report(), []
    for values in measured:
        one = Dataset()
        one.MeasurementUnitsCodeSequence = coded("mGy.cm", "UCUM")
        for keyword, value in values.items():
            one.add_new(keyword, "LO", value)
        items.append(one)
    report.ContentSequence[1].ContentSequence[0].MeasuredValueSequence = Sequence(items)
    (acquisition,) = clean(report, RESEARCH).ContentSequence
    assert [item.ValueType for item in acquisition.ContentSequence] == ["TEXT", "UIDREF"]
