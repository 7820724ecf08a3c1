"""Screening: objects that a person must look at first, and objects that no program can clean.

An object says in several places what it is, and in words that somebody configured: whatever any of them says of it,
be it that its pixels may show a name or a word that nobody knows here, holds it for a person, unless the profile knows
where its device writes. Its pixels themselves are judged elsewhere (`picture`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache

from hmchain.records.deidentification.dicom import families, objects
from hmchain.records.deidentification.dicom.families import STORAGE
from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.image import COLUMNS, ROWS, SAMPLES
from hmchain.records.deidentification.dicom.reading import MODALITY, SOP_CLASS, SOP_INSTANCE, DicomHeader
from hmchain.records.deidentification.outcome import Finding, Held
from hmchain.records.deidentification.profile import BlankedDevice, DicomRules, Profile, ReviewedDevice
from hmchain.records.sources.item import Rectangles

BURNED_IN = 0x00280301
IMAGE_TYPE, MANUFACTURER, MODEL = 0x00080008, 0x00080070, 0x00081090

_SERIES_DESCRIPTION, _PROTOCOL_NAME, _CONVERSION_TYPE = 0x0008103E, 0x00181030, 0x00080064

_GREY = frozenset({"CR", "CT", "DX", "IO", "MG", "MR", "PX"})
_SCREEN = re.compile(
    r"SCREEN ?(SAVE|SHOT|CAPT|DUMP|COPY)|SECONDARY CAPTURE|BILDSCHIRM|CAPTURE D.{0,3}CRAN|CAPTURA DE|"
    r"\bDOS(E|IS|I)[ -]?(REPORT|INFO|SUMMARY|RECORD|SHEET|PAGE|BERICHT|PROTO)|DOSISBERICHT|DOSISPROTO|"
    r"(RAPPORT|INFORME|RELATORIO|REFERTO) (DE |DI )?DOS|\b(PATIENT|EXAM)(EN)?[ -]?PROTO[CK]OL|"
    r"\bSOM\d+ PROT\b|\bCSA REPORT\b|MEVIS|\bPROTOCOL PAGE|\bWORKSHEET\b|\bSCANNED (DOC|PAGE|SHEET)|EVIDENCE DOC"
)
"""How makers call what they store of their screens, in the type of an image or in its description."""

_REPORTS = (f"{STORAGE}88.", f"{STORAGE}9.1.88.")
_DOCUMENTS = (f"{STORAGE}104.",)
_DIRECTORY = "1.2.840.10008.1.3.10"
_DOCUMENT, _DIRECTORY_RECORDS = 0x00420011, 0x00041220


def refuse(opened: DicomHeader, rules: DicomRules) -> None:
    """Raise `Hold` for what is no object, and for objects whose content is text."""
    kind = opened.ascii(SOP_CLASS)
    if _DIRECTORY_RECORDS in opened.elements or kind == _DIRECTORY:
        raise Hold("dicomdir", "an index of other files, which names their patients")
    if not kind or not opened.ascii(SOP_INSTANCE):
        raise damaged("it is no DICOM object, or lacks its class or instance UID")
    if _DOCUMENT in opened.elements or kind.startswith(_DOCUMENTS):
        raise Hold("encapsulated_document", "a document of another kind within DICOM, which may name anybody")
    if objects.is_voice(kind):
        raise Hold("voice", "a recording of speech, which nobody can take a name out of")
    if rules.keep_dose_reports and objects.is_dose_report(opened):
        return
    if kind.startswith(_REPORTS) or objects.CONTENT_SEQUENCE in opened.elements:
        raise Hold("structured_report", "a structured report, whose text may name anybody")


def review(
    opened: DicomHeader,
    profile: Profile,
    *,
    found: Sequence[Finding],
    seen: Iterable[Held] = (),
    places: Rectangles = (),
) -> None:
    """Raise a releasable `Hold`, with all its reasons, for an object that a person must judge.

    `found` is what the guard found in what would stay; `seen` is what its pixels show without what is blanked on its
    device, and `places` is where they showed writing that the profile blanks.
    """
    doubts = [] if _is_known(opened, profile) else list(_doubts(opened, profile))
    doubts += seen
    certain = ", ".join(dict.fromkeys(each.place for each in found if each.certain))
    possible = ", ".join(dict.fromkeys(each.place for each in found if not each.certain))
    if certain:
        what = f"what identifies the patient would be left in {certain}"
        doubts.insert(0, Hold("identifier_left", what).held)
    if possible:
        what = f"{possible} has a word or number that is also the patient's, perhaps by chance"
        doubts.append(Hold("identifier_suspected", what).held)
    if doubts:
        reasons = "; ".join(doubt.reason for doubt in doubts)
        regions = (*places, *(region for doubt in doubts for region in doubt.regions))
        raise Hold(doubts[0].code, reasons, releasable=True, regions=regions)


def _doubts(opened: DicomHeader, profile: Profile) -> Iterator[Held]:
    """List why a person must look at an object, by what it says of itself."""
    if opened.pixels is None:
        if objects.passes_unseen(opened):
            return
        yield Hold("no_pixel_data", "it has no pixels: a plan, a waveform or the like").held
    elif reason := _suspicion(opened, profile):
        yield Hold("burned_in_text", f"{reason}: its pixels may show a name").held


def rectangles(opened: DicomHeader, rules: DicomRules) -> Rectangles:
    """Choose what is blanked on images of this device and size; nothing if nobody knows it."""
    return tuple(dict.fromkeys(one for entry in _entries(opened, rules) for one in entry.rectangles))


def _entries(opened: DicomHeader, rules: DicomRules) -> list[BlankedDevice]:
    own = (opened.ascii(MODALITY), opened.ascii(MANUFACTURER), opened.ascii(MODEL))
    size = (opened.number(ROWS), opened.number(COLUMNS))
    return [
        entry
        for entry in rules.blank
        if own == (entry.modality, entry.manufacturer, entry.model) and size == (entry.rows, entry.columns)
    ]


def _is_known(opened: DicomHeader, profile: Profile) -> bool:
    """Tell whether its device is known, and where it writes.

    Of an object that says that it has writing, what reviewers saw on another one is enough only where the rest is
    looked at.
    """
    entries = _entries(opened, profile.dicom)
    if profile.pixels.find_writing or not _says_writing(opened):
        return bool(entries)
    return any(not isinstance(entry, ReviewedDevice) for entry in entries)


def _says_writing(opened: DicomHeader) -> bool:
    return opened.ascii(BURNED_IN).upper() not in ("", "NO")


def _suspicion(opened: DicomHeader, profile: Profile) -> str:
    """Say why the pixels may hold text; nothing if there is no reason to think so."""
    if _says_writing(opened):
        return "it says that it has burned-in annotation"
    kinds = [value.strip(" \0").upper() for value in opened.ascii(IMAGE_TYPE).split("\\")]
    made = families.of_modality(opened.ascii(MODALITY)) | {families.of_class(opened.ascii(SOP_CLASS))}
    return _capture(opened, kinds, made) or _family(opened, profile, made) or _derivation(kinds, made, profile.dicom)


def _capture(opened: DicomHeader, kinds: Sequence[str], made: Set[str]) -> str:
    """Say why it is a picture of a screen, a film or a page."""
    if families.SECONDARY in made or opened.value(_CONVERSION_TYPE).strip(b" \0"):
        return "a secondary capture"
    if "SECONDARY" in kinds[1:2]:
        return "a secondary image"
    texts = map(opened.folded, (_SERIES_DESCRIPTION, _PROTOCOL_NAME, MANUFACTURER))
    if _SCREEN.search(" ".join((*(kind.replace("_", " ") for kind in kinds), *texts))):
        return "a screen or a page of a report, by its type or description"
    if made & _GREY and (opened.number(SAMPLES) or 1) > 1:
        return "a picture in colour of a device that makes grey ones"
    return ""


def _family(opened: DicomHeader, profile: Profile, made: Set[str]) -> str:
    if families.UNKNOWN in made:
        said = opened.ascii(MODALITY)
        return "of a modality or class that is not known" if said else "of no modality"
    reviewed = profile.dicom.review_modalities
    if reviewed is None:
        reviewed = families.REVIEWED if profile.pixels.find_writing else (*families.REVIEWED, *families.PROJECTIONS)
    if known := sorted(made & _all(reviewed)):
        return f"of modality {known[0]}"
    return ""


def _derivation(kinds: Sequence[str], made: Set[str], rules: DicomRules) -> str:
    return "a derived image" if kinds[0] == "DERIVED" and not made <= _all((*rules.derived_pass, "SEG")) else ""


@cache
def _all(modalities: tuple[str, ...]) -> Set[str]:
    """The families of some modalities."""
    return {family for modality in modalities for family in families.of_modality(modality)} - {families.UNKNOWN}
