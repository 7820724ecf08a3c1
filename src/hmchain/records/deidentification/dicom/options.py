"""The options of PS3.15 E.3 that a profile takes: what each keeps, and its code of CID 7050."""

from __future__ import annotations

import re

from hmchain.records.deidentification.profile import Profile

CODES = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "clean_pixels": ("113101", "Clean Pixel Data Option"),
    "clean_descriptors": ("113105", "Clean Descriptors Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient_characteristics": ("113108", "Retain Patient Characteristics Option"),
    "device_identity": ("113109", "Retain Device Identity Option"),
    "safe_private": ("113111", "Retain Safe Private Option"),
    "institution_identity": ("113112", "Retain Institution Identity Option"),
}
"""Code value and meaning in the coding scheme DCM, by the names that profiles use."""

RETAINED = {
    "patient_characteristics": (
        "EthnicGroup",
        "PatientAge",
        "PatientSex",
        "PatientSexNeutered",
        "PatientSize",
        "PatientWeight",
        "PregnancyStatus",
        "SmokingStatus",
    ),
    "device_identity": (
        "CassetteID",
        "ConvolutionKernel",
        "DetectorID",
        "DeviceSerialNumber",
        "DeviceUID",
        "GantryID",
        "GeneratorID",
        "Manufacturer",
        "ManufacturerDeviceClassUID",
        "ManufacturerModelName",
        "PerformedStationAETitle",
        "PerformedStationName",
        "PlateID",
        "PulseSequenceName",
        "ReceiveCoilName",
        "SequenceName",
        "SoftwareVersions",
        "SourceSerialNumber",
        "StationName",
        "TransmitCoilName",
        "XRayDetectorID",
        "XRaySourceID",
    ),
    "institution_identity": (
        "InstitutionAddress",
        "InstitutionCodeSequence",
        "InstitutionName",
        "InstitutionalDepartmentName",
    ),
}
"""Keywords that an option keeps. Free text about the patient that the standard would have cleaned is not among them;
of the device, make and kernel are, which the standard leaves in place and the profile `basic` here does not."""


SERIALS = frozenset({"DeviceSerialNumber", "SourceSerialNumber"})
"""Texts of a device that may look like a telephone number."""
MACHINES = SERIALS | {
    "CassetteID", "DetectorID", "GantryID", "GeneratorID", "PerformedStationAETitle", "PerformedStationName", "PlateID",
    "StationName", "XRayDetectorID", "XRaySourceID",
}  # fmt: skip
"""Names of one machine, in whose place a pseudonym tells it from others as well."""
SERIAL = re.compile(r"(?=.*\d|\Z)(?:[A-Za-z]{1,3}[ :]{1,2})?[!-?A-~]{0,64}")
"""In one piece, with a digit."""
OF_DEVICES = re.compile(
    r"""
    (?!.*(?:
        @ | (?<![^\W_])(?:(?-i:Dr(?![^\W_])|DR\.)
            |dr\.|prof|professor|frau|herr|hr\.|mrs|miss|mme|(?:mr|ms)\.[ ]
            |praxis|ordination|klinik\w*|clini[cq]\w*|h[oô]pital|hospital\w*|[oó]spedale|spital\w*|krankenhaus|sairaala
            |szpital|sykehus|sjukhus|ziekenhuis|universit\w*|institut\w*|radiologi[esk]\w*|centre|zentrum
            |bought|call|installed|licen[cs]ed|owne[dr]|property|purchased|sold|tel|phone|fon|fax|mobil)(?![^\W\d_])
        | (?<!\d)\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d(?!\d) | (?<!\d)(?:19|20)\d\d([/-])\d\d\1\d\d(?!\d)
        | (?<!\d)\d{3}-\d\d-\d{4}(?!\d)
    | (?<!\d)\d{1,2}[ .-]?(?:jan|feb|mar|mrz|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*[ .-]?
        (?:19|20)?\d\d(?!\d)
    | \+\d{2,3}[ /(]?\d{2} | (?<![\d._-])0\d{2,4}[ /-]\d{3,} | (?<![\d._-])\d{3,5}[ /-]\d{4,8}(?![\d._])
    ))[ -~]*
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""A text that an option keeps: without a title, a telephone or social security number, a day, or a word of a house or
an owner. What words it may be made of: `devices`."""


def taken(profile: Profile, *, pixels_cleaned: bool) -> list[tuple[str, str]]:
    """Code value and meaning of the profile and of every option that was used on an object."""
    names = ["basic", *sorted(profile.dicom.retain)]
    if pixels_cleaned:
        names.append("clean_pixels")
    if profile.dicom.descriptors:
        names.append("clean_descriptors")
    if profile.dates == "shift":
        names.append("modified_dates")
    if profile.dicom.private or profile.dicom.safe_private:
        names.append("safe_private")
    return sorted(CODES[name] for name in names)
