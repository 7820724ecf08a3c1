"""Canaries in DICOM objects: in every place that PS3.15 E.1 names, and in those that it does not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)

from hmchain.records.deidentification.canary.planting import Canaries, PlantedItem
from hmchain.records.sources.item import DICOM

ROWS = COLUMNS = 32


def plant() -> list[PlantedItem]:
    """One object for each way in which DICOM holds identifiers."""
    with config.disable_value_validation():  # some values are wrong on purpose
        return [
            _image("dicom explicit", ExplicitVRLittleEndian),
            _image("dicom implicit", ImplicitVRLittleEndian),
            _image("dicom big endian", ExplicitVRBigEndian),
            _image("dicom deflated", DeflatedExplicitVRLittleEndian),
            _hidden(),
            _multibyte(),
            _jpeg(),
            _jpeg_ls(),
            _jpeg2000(),
            _secondary_capture(),
            _burned_in(),
            _written_into_pixels(),
            _in_lookup_tables(),
            _name_in_a_code(),
            _name_in_a_palette(),
            _name_in_numbers(),
            _short_name_in_a_code(),
            _short_number_in_a_code(),
            _short_number_in_a_number(),
            _structured_report(),
            _document(),
        ]


def _image(name: str, syntax: UID) -> PlantedItem:
    """A CT slice with identifiers in elements and sequences."""
    canaries = Canaries(name)
    dataset = _ct(canaries, syntax)
    _in_elements(dataset, canaries)
    _in_sequences(dataset, canaries)
    _in_private_elements(dataset, canaries)
    return canaries.planted(DICOM, _written(dataset))


def _ct(
    canaries: Canaries, syntax: UID, sop_class: UID = CTImageStorage, name: str = "", number: str = ""
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(canaries.uid("(0002,0003) MediaStorageSOPInstanceUID"))
    meta.TransferSyntaxUID = syntax
    meta.SourceApplicationEntityTitle = canaries.word("(0002,0016) SourceApplicationEntityTitle")
    meta.PrivateInformationCreatorUID = UID(canaries.uid("(0002,0100) PrivateInformationCreatorUID"))
    meta.PrivateInformation = canaries.word("(0002,0102) PrivateInformation").encode()
    preamble = canaries.word("preamble").encode().ljust(128, b"\0")
    dataset = FileDataset(
        "",
        Dataset(),
        file_meta=meta,
        preamble=preamble,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientID = number or canaries.number("(0010,0020) PatientID")
    dataset.PatientName = name or f"{canaries.word('PatientName, family')}^{canaries.word('PatientName, given')}"
    _pixels(dataset, big=not syntax.is_little_endian)
    return dataset


def _pixels(dataset: Dataset, *, big: bool = False) -> None:
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.add_new("PixelData", "OW", _ramp(np.uint16, 4000).astype(">u2" if big else "<u2").tobytes())


def _ramp(kind: type[np.unsignedinteger[Any]], top: int) -> npt.NDArray[Any]:
    return np.linspace(0, top, ROWS * COLUMNS).astype(kind).reshape(ROWS, COLUMNS)


def _in_elements(dataset: Dataset, canaries: Canaries) -> None:
    for keyword in (
        "AccessionNumber", "AdditionalPatientHistory", "AdmittingDiagnosesDescription", "BodyPartExamined",
        "ContrastBolusAgent", "DeviceSerialNumber", "ImageComments", "InstitutionAddress", "InstitutionName",
        "InstitutionalDepartmentName", "IssuerOfPatientID", "Manufacturer", "NameOfPhysiciansReadingStudy",
        "Occupation", "OperatorsName", "OtherPatientIDs", "OtherPatientNames", "PatientAddress", "PatientBirthName",
        "PatientComments", "PatientMotherBirthName", "PerformedProcedureStepDescription", "PerformingPhysicianName",
        "ProtocolName", "ReferringPhysicianName", "RequestedProcedureDescription", "RequestingPhysician",
        "RescaleType", "SeriesDescription", "SoftwareVersions", "StationName", "StudyComments", "StudyDescription",
        "StudyID",
    ):  # fmt: skip
        setattr(dataset, keyword, canaries.word(keyword))
    dataset.PatientTelephoneNumbers = canaries.number("PatientTelephoneNumbers")
    dataset.MedicalRecordLocator = canaries.number("MedicalRecordLocator")
    for keyword in ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, f"{canaries.day(keyword):%Y%m%d}")
    dataset.AcquisitionDateTime = f"{canaries.day('AcquisitionDateTime'):%Y%m%d}101112.5"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "DeviceUID"):
        setattr(dataset, keyword, UID(canaries.uid(keyword)))
    dataset.add_new(0x60000010, "US", 8)  # Overlay Rows
    dataset.add_new(0x60000022, "LO", canaries.word("(6000,0022) OverlayDescription"))
    dataset.add_new(0x60003000, "OW", canaries.word("(6000,3000) OverlayData").encode())
    dataset.add_new(0x50003000, "OW", canaries.word("(5000,3000) CurveData").encode())
    dataset.add_new(0x00189998, "LO", canaries.word("an element that the standard does not know"))
    dataset.add_new(0xFFFCFFFC, "OB", canaries.word("(FFFC,FFFC) DataSetTrailingPadding").encode())


def _in_sequences(dataset: Dataset, canaries: Canaries) -> None:
    """Identifiers in items: of sequences that go, of sequences that stay, and of codes."""
    other, request, source, purpose = Dataset(), Dataset(), Dataset(), Dataset()
    other.PatientID = canaries.number("OtherPatientIDsSequence, PatientID")
    request.ScheduledProcedureStepDescription = canaries.word("RequestAttributesSequence, step description")
    request.ScheduledProcedureStepID = canaries.number("RequestAttributesSequence, step id")
    source.ReferencedSOPClassUID = CTImageStorage
    source.ReferencedSOPInstanceUID = UID(canaries.uid("SourceImageSequence, ReferencedSOPInstanceUID"))
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = canaries.word("SourceImageSequence, PurposeOfReferenceCodeSequence, CodeMeaning")
    source.PurposeOfReferenceCodeSequence = Sequence([purpose])
    view, plane, frame = Dataset(), Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator = canaries.word("ViewCodeSequence, CodeValue")[:12], "99LOCAL"
    view.CodeMeaning = canaries.word("ViewCodeSequence, CodeMeaning")
    plane.ImagePositionPatient = [1, 2, 3]
    plane.ImageComments = canaries.word("functional groups, PlanePositionSequence, ImageComments")
    plane.PatientName = canaries.word("functional groups, PlanePositionSequence, PatientName")
    private = plane.private_block(0x0011, canaries.word("functional groups, private creator"), create=True)
    private.add_new(0x01, "LO", canaries.word("functional groups, private element"))
    frame.PlanePositionSequence = Sequence([plane])
    icon = Dataset()
    _pixels(icon)
    icon.add_new("PixelData", "OW", canaries.word("IconImageSequence, PixelData").encode())
    dataset.OtherPatientIDsSequence = Sequence([other])
    dataset.RequestAttributesSequence = Sequence([request])
    dataset.SourceImageSequence = Sequence([source])
    dataset.ViewCodeSequence = Sequence([view])
    dataset.PerFrameFunctionalGroupsSequence = Sequence([frame])
    dataset.IconImageSequence = Sequence([icon])


def _in_private_elements(dataset: Dataset, canaries: Canaries) -> None:
    block = dataset.private_block(0x0009, canaries.word("private creator"), create=True)
    block.add_new(0x01, "LO", canaries.word("private LO"))
    block.add_new(0x02, "UN", canaries.word("private UN").encode())
    block.add_new(0x03, "DA", f"{canaries.day('private DA'):%Y%m%d}")
    inner = Dataset()
    inner.PatientName = canaries.word("private SQ, PatientName")
    block.add_new(0x04, "SQ", Sequence([inner]))


def _hidden() -> PlantedItem:
    """Identifiers where a value is not what its VR says, where none belongs, and after the end."""
    canaries = Canaries("dicom hidden")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    dataset.add_new("SliceThickness", "LO", canaries.word("a number that is a word, (0018,0050)"))
    unknown = canaries.word("a number of unknown VR, (0018,0060)").encode()
    dataset[0x00180060] = RawDataElement(BaseTag(0x00180060), "UN", len(unknown), unknown, 0, False, True)
    dataset.add_new("PatientPosition", "ST", canaries.text("a code that is a text, (0018,5100)", "seen with {}"))
    dataset.add_new("ICCProfile", "OB", canaries.word("(0028,2000) ICCProfile").encode())
    dataset.add_new("WindowCenterWidthExplanation", "LO", canaries.word("(0028,1055) WindowCenterWidthExplanation"))
    dataset.PixelData += canaries.word("after the last frame").encode()
    return canaries.planted(DICOM, _written(dataset) + canaries.word("after the data set").encode())


def _multibyte() -> PlantedItem:
    """Names in the character sets of ISO 2022 (PS3.5 H)."""
    canaries = Canaries("dicom character sets")
    alphabetic, ideographic = canaries.word("PatientName"), canaries.given("PatientName, ideographic", "山田花子太郎")
    dataset = _ct(canaries, ExplicitVRLittleEndian, name=f"{alphabetic}^Hanako={ideographic}")
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.OtherPatientNames = canaries.given("OtherPatientNames, ideographic", "鈴木一郎次郎")
    return canaries.planted(DICOM, _written(dataset))


def _jpeg() -> PlantedItem:
    """Comment and application segments, and what follows the end of the image."""
    canaries = Canaries("dicom jpeg")
    frame = _coded("JPEG", quality=90)
    segments = b"".join(
        b"\xff" + marker + (len(text) + 2).to_bytes(2, "big") + text
        for marker, text in (
            (b"\xfe", canaries.word("JPEG COM").encode()),
            (b"\xe1", b"Exif\0\0" + canaries.word("JPEG APP1").encode()),
            (b"\xed", b"Photoshop 3.0\0" + canaries.word("JPEG APP13").encode()),
        )
    )
    frame = frame[:2] + segments + frame[2:] + canaries.word("after JPEG EOI").encode()
    return canaries.planted(DICOM, _compressed(canaries, JPEGBaseline8Bit, frame))


def _jpeg_ls() -> PlantedItem:
    import jpeg_ls  # type: ignore[import-untyped]

    canaries = Canaries("dicom jpeg-ls")
    frame = bytes(jpeg_ls.encode_array(_ramp(np.uint8, 250)))
    text = canaries.word("JPEG-LS COM").encode()
    frame = frame[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + frame[2:]
    return canaries.planted(
        DICOM, _compressed(canaries, JPEGLSLossless, frame + canaries.word("after JPEG-LS EOI").encode())
    )


def _jpeg2000() -> PlantedItem:
    """Comments in the main header; the codestream within a JP2 file, whose boxes hold text too."""
    canaries = Canaries("dicom jpeg 2000")
    file = _coded("JPEG2000", irreversible=False)
    start = file.index(b"jp2c") + 4
    text = b"\x00\x01" + canaries.word("JPEG 2000 COM").encode()
    at = start + 4 + int.from_bytes(file[start + 4 : start + 6], "big")  # after SIZ
    comment = b"\xff\x64" + (len(text) + 2).to_bytes(2, "big") + text
    stream = file[start:at] + comment + file[at:]
    xml = canaries.word("JP2 xml box").encode()
    box = (len(xml) + 8).to_bytes(4, "big") + b"xml " + xml
    head = file[: start - 8]
    frame = head + box + (len(stream) + 8).to_bytes(4, "big") + b"jp2c" + stream
    return canaries.planted(
        DICOM,
        _compressed(canaries, JPEG2000Lossless, frame + b"\0" * 8 + canaries.word("after JPEG 2000 EOC").encode()),
    )


def _coded(form: str, **options: object) -> bytes:
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(_ramp(np.uint8, 250)).save(file, form, **options)
        return file.getvalue()


def _compressed(canaries: Canaries, syntax: UID, frame: bytes) -> bytes:
    dataset = _ct(canaries, syntax)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = encapsulate([frame])
    return _written(dataset)


def _secondary_capture() -> PlantedItem:
    canaries = Canaries("dicom secondary capture")
    return canaries.planted(
        DICOM, _written(_ct(canaries, ExplicitVRLittleEndian, SecondaryCaptureImageStorage)), "burned_in_text"
    )


def _burned_in() -> PlantedItem:
    canaries = Canaries("dicom burned in")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    dataset.BurnedInAnnotation = "YES"
    return canaries.planted(DICOM, _written(dataset), "burned_in_text")


def _written_into_pixels() -> PlantedItem:
    """A slice that says nothing of the name that is drawn into it."""
    from PIL import Image, ImageDraw, ImageFont

    canaries = Canaries("dicom written into pixels")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    dataset.Rows, dataset.Columns = 160, 256
    row, column = np.mgrid[-1:1:160j, -1:1:256j]
    noise = np.random.default_rng(1).normal(0, 12, row.shape)
    drawn = Image.new("L", (256, 160))
    ImageDraw.Draw(drawn).text((12, 8), str(dataset.PatientName), fill=1, font=ImageFont.load_default(16))
    tissue = np.where(row**2 + column**2 < 0.6, 1040, 24) + noise
    dataset.PixelData = np.clip(tissue + 900.0 * np.asarray(drawn), 0, 4095).astype("<u2").tobytes()
    return canaries.planted(DICOM, _written(dataset), "burned_in_text")


def _name_in_a_code() -> PlantedItem:
    """Values that look like defined terms and are the patient's name, and somebody else's."""
    canaries = Canaries("dicom name in a code")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    dataset.ScanOptions = str(dataset.PatientName).split("^")[0].upper()
    dataset.ExposureModulationType = canaries.given("ExposureModulationType, another's name", "OSTERHAGEN")
    return canaries.planted(DICOM, _written(dataset))


def _in_lookup_tables() -> PlantedItem:
    """Words as the entries of tables that the object does not need, and as lists where one number belongs."""
    canaries = Canaries("dicom lookup tables")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    for number, colour in enumerate(("red", "green", "blue")):
        _table(dataset, 0x00281101 + number, 0x00281201 + number, canaries.word(f"a palette without need, {colour}"))
    voi = Dataset()
    _table(voi, 0x00283002, 0x00283006, canaries.word("VOILUTSequence, LUTData"))
    dataset.VOILUTSequence = Sequence([voi])
    dataset.PixelPaddingValue = 0
    spelled = canaries.word("(0028,0120) PixelPaddingValue, a letter a number").encode()
    dataset[0x00280120].VR, dataset[0x00280120].value = "US", list(spelled)
    letters = canaries.word("(0028,0009) FrameIncrementPointer, four letters a tag")
    data = letters.encode()
    dataset[0x00280009] = RawDataElement(BaseTag(0x00280009), "AT", len(data), data, 0, False, True)
    return canaries.planted(DICOM, _written(dataset))


def _table(dataset: Dataset, descriptor: int, table: int, text: str) -> None:
    """A lookup table of bytes with a text as its entries."""
    dataset.add_new(descriptor, "US", [len(text), 0, 8])
    dataset.add_new(table, "OW", text.encode())


def _name_in_a_palette() -> PlantedItem:
    canaries = Canaries("dicom name in a palette")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for number in range(3):
        _table(dataset, 0x00281101 + number, 0x00281201 + number, str(dataset.PatientName).split("^")[0])
    return canaries.planted(DICOM, _written(dataset), "identifier_left")


def _name_in_numbers() -> PlantedItem:
    """A letter a number, in an element that may have as many as it likes."""
    canaries = Canaries("dicom name in numbers")
    dataset = _ct(canaries, ExplicitVRLittleEndian)
    name = str(dataset.PatientName).split("^")[0]
    dataset.add_new("SelectorFDValue", "FD", [float(ord(letter)) for letter in name])
    return canaries.planted(DICOM, _written(dataset), "identifier_left")


def _short_name_in_a_code() -> PlantedItem:
    canaries = Canaries("dicom short name in a code")
    dataset = _ct(canaries, ExplicitVRLittleEndian, name="KIM^SU")
    dataset.ScanOptions = canaries.given("ScanOptions, the patient's name", "KIM SU")
    return canaries.planted(DICOM, _written(dataset))


def _short_number_in_a_code() -> PlantedItem:
    canaries = Canaries("dicom short number in a code")
    number = canaries.number("ScanOptions, the patient's number", 5)
    dataset = _ct(canaries, ExplicitVRLittleEndian, number=number)
    dataset.ScanOptions = f"MR_{number}"
    return canaries.planted(DICOM, _written(dataset), "identifier_suspected")


def _short_number_in_a_number() -> PlantedItem:
    canaries = Canaries("dicom short number in a number")
    number = canaries.number("InstanceNumber, the patient's number", 5)
    dataset = _ct(canaries, ExplicitVRLittleEndian, number=number)
    dataset.InstanceNumber = number
    return canaries.planted(DICOM, _written(dataset), "identifier_suspected")


def _structured_report() -> PlantedItem:
    canaries = Canaries("dicom structured report")
    dataset = _ct(canaries, ExplicitVRLittleEndian, BasicTextSRStorage)
    del dataset.PixelData
    dataset.Modality = "SR"
    text = Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.TextValue = canaries.text("ContentSequence, TextValue", "The patient, {}, was seen.")
    dataset.ContentSequence = Sequence([text])
    return canaries.planted(DICOM, _written(dataset), "structured_report")


def _document() -> PlantedItem:
    canaries = Canaries("dicom pdf")
    dataset = _ct(canaries, ExplicitVRLittleEndian, EncapsulatedPDFStorage)
    del dataset.PixelData
    dataset.Modality = "DOC"
    dataset.EncapsulatedDocument = canaries.text("EncapsulatedDocument", "%PDF-1.4 ({}) Tj").encode()
    return canaries.planted(DICOM, _written(dataset), "encapsulated_document")


def _written(dataset: FileDataset) -> bytes:
    with io.BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()
