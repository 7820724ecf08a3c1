"""Ten modalities: class, technique, and series descriptions as vendors and technicians write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    XRayAngiographicImageStorage,
)


@dataclass(frozen=True)
class Modality:
    """One modality, as its objects are made."""

    name: str
    sop_class: UID
    maker: str
    model: str
    studies: tuple[str, ...]
    series: tuple[str, ...]
    technique: Mapping[str, Any]
    """Elements that stay, by keyword."""
    bits: int = 12
    writes: float = 0.0
    """The share of its images that have writing in the pixels."""
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY")
    colour: bool = False
    frames: int = 1
    compressed: bool = False
    private: Mapping[tuple[int, str, int], tuple[str, Any]] = field(default_factory=dict)
    """Elements of PS3.15's safe private table, which stay: group, creator, element; VR and value."""


MODALITIES = (
    Modality(
        "CT", CTImageStorage, "SIEMENS", "SOMATOM Definition AS+",
        ("CT Thorax mit KM", "CT ABDOMEN W CONTRAST", "CT HEAD WITHOUT CONTRAST", "TC torace"),
        ("Thorax  5.0  B30f", "ABD/PELVIS AXIAL 3.0 I40f", "Topogram  0.6  T20s", "HRCT 1.0 B70f lung"),
        {"KVP": "120", "SliceThickness": "5", "XRayTubeCurrent": 210, "ExposureTime": 500, "ConvolutionKernel": "B30f",
         "RescaleIntercept": "-1024", "RescaleSlope": "1", "PatientPosition": "HFS", "PixelSpacing": ["0.7", "0.7"]},
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    ),
    Modality(
        "MR", MRImageStorage, "SIEMENS", "Skyra",
        ("MRT Schädel nativ", "MRI BRAIN W/WO CONTRAST", "IRM cérébrale", "MR Knie links"),
        ("t1_mprage_sag_p2_iso", "AX T2 FLAIR", "ep2d_diff_3scan_trace_p2_ADC", "cor STIR 3mm", "SAG PD FS"),
        {"RepetitionTime": "2300", "EchoTime": "2.98", "FlipAngle": "9", "MagneticFieldStrength": "3",
         "SliceThickness": "1", "ScanningSequence": "GR", "SequenceVariant": "SP", "PixelBandwidth": "240",
         "EchoTrainLength": "1", "PatientPosition": "HFS", "MRAcquisitionType": "3D"},
        private={(0x0019, "SIEMENS MR HEADER", 0x0C): ("IS", "1000")},
    ),
    Modality(
        "PT", PositronEmissionTomographyImageStorage, "GE MEDICAL SYSTEMS", "Discovery 690",
        ("PET/CT WHOLE BODY", "PET-CT Ganzkörper"), ("PET AC 3D", "WB FDG 60min p.i. corrected"),
        {"SliceThickness": "3.27", "Units": "BQML", "DecayCorrection": "START", "FrameReferenceTime": "0",
         "AttenuationCorrectionMethod": "measured"},
    ),
    Modality(
        "CR", ComputedRadiographyImageStorage, "FUJIFILM Corporation", "FCR",
        ("XR CHEST 2 VIEWS", "Röntgen Hand links"), ("PA CHEST", "LAT", "Hand ap"),
        {"ViewPosition": "PA", "KVP": "110"}, bits=10, writes=0.2, compressed=True,
    ),
    Modality(
        "DX", DigitalXRayImageStorageForPresentation, "Philips Medical Systems", "DigitalDiagnost",
        ("XR Knee left", "RX thorax face"), ("Knee ap", "Thorax PA erect"),
        {"ViewPosition": "AP", "KVP": "66", "ExposureTime": "12", "PresentationIntentType": "FOR PRESENTATION"},
        bits=12, writes=0.2,
    ),
    Modality(
        "MG", DigitalMammographyXRayImageStorageForPresentation, "HOLOGIC, Inc.", "Selenia Dimensions",
        ("MAMMOGRAM SCREENING BILAT", "Mammographie beidseits"), ("L CC", "R MLO", "L MLO"),
        {"ViewPosition": "CC", "KVP": "28", "ImageLaterality": "L", "PresentationIntentType": "FOR PRESENTATION"},
        bits=12, writes=0.2, image_type=("DERIVED", "PRIMARY"),
    ),
    Modality(
        "US", UltrasoundImageStorage, "GE Healthcare", "LOGIQ E9",
        ("US ABDOMEN COMPLETE", "Sonographie Schilddrüse"), ("Abdomen", "Liver long", "Thyroid trans"),
        {}, bits=8, writes=0.6, colour=True,
    ),
    Modality(
        "XA", XRayAngiographicImageStorage, "SIEMENS", "AXIOM-Artis",
        ("CORONARY ANGIOGRAM", "Angiographie Becken"), ("LAO 30 CRAN 15", "RCA", "LV"),
        {"KVP": "80", "PositionerPrimaryAngle": "30", "PositionerSecondaryAngle": "15"}, bits=8, writes=0.4, frames=3,
    ),
    Modality(
        "NM", NuclearMedicineImageStorage, "Philips Medical Systems", "BrightView",
        ("NM BONE SCAN WHOLE BODY", "Skelettszintigraphie"), ("ANT", "POST", "Bone WB static"),
        {"CountsAccumulated": 450000}, bits=12,
    ),
    Modality(
        "OT", SecondaryCaptureImageStorage, "Vital Images", "Vitrea",
        ("3D POSTPROCESSING", "CT CHEST POST"), ("MIP", "VR cor", "Screen Save"),
        {}, bits=8, writes=0.7, image_type=("DERIVED", "SECONDARY"),
    ),
)  # fmt: skip
