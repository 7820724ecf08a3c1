"""Screening: objects that a person must look at first, and objects that no program can clean.

Text that is burned into pixels cannot be found reliably by a program: images that may have it are held, by what they
are, unless the profile knows where their device writes.
"""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.image import COLUMNS, ROWS
from hmchain.records.deidentification.dicom.reading import MODALITY, SOP_CLASS, SOP_INSTANCE, DicomHeader
from hmchain.records.deidentification.outcome import Held
from hmchain.records.deidentification.profile import DicomRules
from hmchain.records.sources.item import Rectangles

BURNED_IN = 0x00280301
IMAGE_TYPE, MANUFACTURER, MODEL = 0x00080008, 0x00080070, 0x00081090

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_REPORTS = (f"{_STORAGE}88.", f"{_STORAGE}9.1.88.")
_DOCUMENTS = (f"{_STORAGE}104.",)
_SECONDARY = (f"{_STORAGE}7",)
_DIRECTORY = "1.2.840.10008.1.3.10"
_CONTENT_SEQUENCE, _DOCUMENT, _DIRECTORY_RECORDS = 0x0040A730, 0x00420011, 0x00041220


def refuse(opened: DicomHeader) -> None:
    """Raise `Hold` for what is no object, and for objects whose content is text."""
    kind = opened.ascii(SOP_CLASS)
    if _DIRECTORY_RECORDS in opened.elements or kind == _DIRECTORY:
        raise Hold("dicomdir", "an index of other files, which names their patients")
    if not kind or not opened.ascii(SOP_INSTANCE):
        raise damaged("it is no DICOM object, or lacks its class or instance UID")
    if _DOCUMENT in opened.elements or kind.startswith(_DOCUMENTS):
        raise Hold("encapsulated_document", "a document of another kind within DICOM, which may name anybody")
    if kind.startswith(_REPORTS) or _CONTENT_SEQUENCE in opened.elements:
        raise Hold("structured_report", "a structured report, whose text may name anybody")


def review(opened: DicomHeader, rules: DicomRules, *, blanked: bool, coincidence: str) -> None:
    """Raise a releasable `Hold`, with all its reasons, for an object that a person must judge.

    `blanked` says that its device is known, and where it writes; `coincidence` names an element with a value that may
    be the patient's by chance.
    """
    doubts = [] if blanked else list(_doubts(opened, rules))
    if coincidence:
        what = "a word or number that is also the patient's, perhaps by chance"
        doubts.append(Hold("identifier_suspected", f"{coincidence} has {what}").held)
    if doubts:
        raise Hold(doubts[0].code, "; ".join(doubt.reason for doubt in doubts), releasable=True)


def _doubts(opened: DicomHeader, rules: DicomRules) -> Iterator[Held]:
    """List why a person must look at the pixels, or at an object without any."""
    if opened.pixels is None:
        yield Hold("no_pixel_data", "it has no pixels: a plan, a waveform or the like").held
    elif reason := _suspicion(opened, rules):
        yield Hold("burned_in_text", f"{reason}: its pixels may show a name").held


def rectangles(opened: DicomHeader, rules: DicomRules) -> Rectangles:
    """Choose what the profile blanks on images of this device and size; nothing if it does not know it."""
    own = (opened.ascii(MODALITY), opened.ascii(MANUFACTURER), opened.ascii(MODEL))
    size = (opened.number(ROWS), opened.number(COLUMNS))
    for entry in rules.blank:
        if own == (entry.modality, entry.manufacturer, entry.model) and size == (entry.rows, entry.columns):
            return entry.rectangles
    return ()


def _suspicion(opened: DicomHeader, rules: DicomRules) -> str:
    """Say why the pixels may hold text; nothing if there is no reason to think so."""
    kinds = opened.ascii(IMAGE_TYPE).upper().split("\\")
    modality = opened.ascii(MODALITY)
    if opened.ascii(BURNED_IN).upper() == "YES":
        return "it says that it has burned-in annotation"
    if opened.ascii(SOP_CLASS).startswith(_SECONDARY):
        return "a secondary capture"
    if modality in rules.review_modalities or not modality:
        return f"of modality {modality}" if modality else "of no modality"
    if "SECONDARY" in kinds[1:2] or "SCREEN SAVE" in kinds:
        return "a secondary image"
    if kinds[0] == "DERIVED" and modality not in rules.derived_pass:
        return "a derived image"
    return ""
