"""Families of images: what made an object, from all that it says of itself, in whatever spelling.

Modality is a word that somebody configured. So it is read in any case, with the terms that the standard retired and
those that hospitals use in their place, and beside it the SOP class, which the sending program chose. What is not
known here is of no family: no rule may then take it for harmless.
"""

from __future__ import annotations

from collections.abc import Iterator

UNKNOWN = ""
SECONDARY = "SC"
"""What is a picture of a screen, a film or a sheet of paper, whatever was on it."""

PROJECTIONS = frozenset({"CR", "DX", "IO", "MG", "PX", "RTIMAGE"})
"""Families of X-ray images, into which markers are set, and on old or digitised ones a name."""
REVIEWED = ("ES", "GM", "IVOCT", "OP", "OPT", "OT", "RF", "SM", "US", "XA", "XC")
"""Families that write into their images, or photograph what has a name on it."""

MODALITIES = frozenset(
    """ANN AR AS ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG EPS
    ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF
    OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV
    SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF VL XA XAPROTOCOL XC""".split()  # noqa: SIM905
)
"""The terms of PS3.3 C.7.3.1.1.1, with those that are retired."""
_TERMS = {
    "CR": ("CR",),
    "CT": ("CT", "CTA", "CBCT"),
    "DX": ("DX", "RG"),
    "ES": ("ES", "CP", "CS", "LP", "AS"),
    "GM": ("GM",),
    "IO": ("IO",),
    "IVOCT": ("IVOCT", "OCT"),
    "MG": ("MG", "DBT"),
    "MR": ("MR", "MRI", "MRT", "MA", "MS"),
    "NM": ("NM", "ST", "SPECT"),
    "OP": ("OP", "FA", "FS", "OPM", "OPV", "OAM", "AR", "LEN", "SRF", "VA", "OPR", "DMS"),
    "OPT": ("OPT", "OPTBSV", "OPTENF"),
    "OT": ("OT", "SC", "HC", "DOC", "EPS", "ECG", "HD", "BMD", "DG", "TG", "BI", "LS", "OSS", "POS", "ASMT"),
    "PT": ("PT", "PET"),
    "PX": ("PX",),
    "RF": ("RF", "CF", "DF", "VF"),
    "RTDOSE": ("RTDOSE",),
    "RTIMAGE": ("RTIMAGE",),
    "SEG": ("SEG",),
    "SM": ("SM", "DM"),
    "US": ("US", "IVUS", "ECHO", "EC", "USG", "BDUS", "DD", "CD", "DUS", "TTE", "TEE", "TOE", "SONO"),
    "XA": ("XA", "DS", "DSA", "XRF", "ANGIO"),
    "XC": ("XC",),
}
_FAMILIES = {term: family for family, terms in _TERMS.items() for term in terms}

STORAGE = "1.2.840.10008.5.1.4.1.1."
"""What the UIDs of storage classes begin with."""
_CLASSES = {
    "1": "CR", "1.1": "DX", "1.2": "MG", "1.3": "IO", "2": "CT", "3": "US", "4": "MR", "5": "NM", "6": "US",
    "7": SECONDARY, "12.1": "XA", "12.2": "RF", "12.3": "XA", "13.1.1": "XA", "13.1.2": "DX", "13.1.3": "MG",
    "13.1.4": "MG", "13.1.5": "MG", "14": "IVOCT", "20": "NM", "30": "SEG", "66.4": "SEG", "66.7": "SEG",
    "77.1.1": "ES", "77.1.2": "GM", "77.1.3": "SM", "77.1.4": "XC", "77.1.5": "OP", "77.1.5.4": "OPT",
    "77.1.5.7": "OPT", "77.1.5.8": "OPT", "77.1.6": "SM", "77.1.7": "XC", "128": "PT", "130": "PT",
    "481.1": "RTIMAGE", "481.2": "RTDOSE",
}  # fmt: skip
"""By what follows the root of the storage classes; a longer number that begins so is of the same family."""
_HARDCOPY = ("1.2.840.10008.5.1.1.29", "1.2.840.10008.5.1.1.30")


def of_modality(modality: str) -> set[str]:
    """The families of the values of a Modality; one that is not known for each other word, and for none at all."""
    return {_FAMILIES.get(value.strip(" \0").upper(), UNKNOWN) for value in modality.split("\\")}


def of_class(sop_class: str) -> str:
    """The family of a storage class's images; one that is not known for classes without images, and private ones."""
    if sop_class in _HARDCOPY:
        return SECONDARY
    if not sop_class.startswith(STORAGE):
        return UNKNOWN
    numbers = sop_class.removeprefix(STORAGE).split(".")
    return next((_CLASSES[key] for key in _shorter(numbers) if key in _CLASSES), UNKNOWN)


def _shorter(numbers: list[str]) -> Iterator[str]:
    """A number and its beginnings, the longest first."""
    for length in range(len(numbers), 0, -1):
        yield ".".join(numbers[:length])
