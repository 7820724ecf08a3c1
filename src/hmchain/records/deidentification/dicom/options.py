"""The options of PS3.15 E.3 that a profile takes: what each keeps, and its code of CID 7050."""

from __future__ import annotations

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
