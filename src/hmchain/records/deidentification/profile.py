"""Profiles: what is kept beyond the strictest rules, chosen by a steward and written down in TOML.

A profile ships with the package (`basic`, `longitudinal`, ...) or is the hospital's own file. Each kind of data has
a section; what a profile does not say is as strict as the standard knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from hmchain.errors import InputError
from hmchain.files import read
from hmchain.records import shipped

_SHIPPED = Path(__file__).parent / "profiles"
_AFTER_CODE = re.compile(r"[\t;,|]")


class ProfileError(InputError):
    """A de-identification profile does not exist or cannot be read."""

    code = "profile"


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a profile's tables."""


class BlankedDevice(Section, frozen=True):
    """The places of burnt-in text, by device. An object matches if all that is given here is equal to its own."""

    rectangles: tuple[tuple[int, int, int, int], ...]
    """(left, top, width, height) in pixels; set to 0 in every frame."""
    modality: str
    manufacturer: str
    model: str
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if not self.rectangles or any(min(left, top, w - 1, h - 1) < 0 for left, top, w, h in self.rectangles):
            raise ValueError("rectangles must be a list of [left, top, width, height], in pixels")


class ReviewedDevice(BlankedDevice, frozen=True):
    """The same by reviewers of the hospital, beyond its profile."""


class SafePrivate(Section, frozen=True):
    """A private element that is known to be safe; only numbers are ever kept (PS3.15 E.3.10)."""

    creator: str
    """The private creator, for instance `SIEMENS MR HEADER`."""
    group: int
    """An odd number, for instance 0x0019."""
    element: int
    """The last two hexadecimal digits of the element number, for instance 0x0C."""

    def __post_init__(self) -> None:
        if not self.group % 2 or not 0 <= self.element <= 0xFF:
            raise ValueError("a private element has an odd group and an element of 0x00 to 0xFF")


class DicomRules(Section, frozen=True):
    """DICOM objects: PS3.15 E.1, Basic Application Confidentiality Profile, and the options taken beyond it.

    Dates are the profile's: `shift` is the option Retain Longitudinal Temporal Information with Modified Dates.
    """

    retain: tuple[Literal["patient_characteristics", "device_identity", "institution_identity"], ...] = ()
    """The options Retain Patient Characteristics, Device Identity and Institution Identity."""
    private: tuple[Literal["standard", "acquisition"], ...] = ()
    """The option Retain Safe Private: `standard` is PS3.15 Table E.3.10-1, `acquisition` what images need beside it."""
    safe_private: tuple[SafePrivate, ...] = ()
    """The same, for further elements that the hospital knows to be safe."""
    descriptors: bool = False
    """The option Clean Descriptors: descriptions of studies, series and protocols stay word by word."""
    words: tuple[str, ...] = ()
    """Words of the hospital's own that may stay in descriptions."""
    words_file: str = ""
    """A file of more of them, one or several a line; its path is relative to the profile's."""
    remove: tuple[str, ...] = ()
    """Keywords of further elements to remove, for instance `BodyPartExamined`."""
    keep_dose_reports: bool = False
    """Keep radiation dose reports, without their texts and names; other structured reports are held."""
    blank: tuple[BlankedDevice, ...] = ()
    """The option Clean Pixel Data, for these devices: blanked where they write, and not held for a review."""
    decode_pixels: bool = False
    """Decode compressed pixels and store them as they are, which leaves no place for anything else; larger files."""
    review_modalities: tuple[str, ...] | None = None
    """Modalities whose images are held for a review, and with them what else belongs to their families
    (`dicom/families.py`): by itself ES, GM, IVOCT, OP, OPT, OT, RF, SM, US, XA and XC; where no writing is looked for
    also CR, DX, IO, MG, PX and RTIMAGE. One that is left out passes if its pixels show no writing. Secondary captures,
    images that say that they have burned-in annotation, and what is of no known modality always are."""
    derived_pass: tuple[str, ...] = ()
    """Modalities whose derived images are not held for that alone (a mammogram for presentation is a derived image)."""

    def __post_init__(self) -> None:
        unknown = [keyword for keyword in self.remove if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", keyword)]
        if unknown:
            raise ValueError(f"remove takes keywords such as BodyPartExamined, not {unknown[0]}")


def _check_patterns(systems: Mapping[str, str]) -> None:
    for name, pattern in systems.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the pattern of system {name} is no regular expression: {error}") from error


class PixelRules(Section, frozen=True):
    """The pixels of DICOM objects and image files."""

    find_writing: bool = True
    """Look for writing in all pixels that would pass, and hold what has some. If not, only objects that say of
    themselves that they are slices of CT, MR, PET or nuclear medicine pass without a review."""
    blank_found: bool = False
    """Set the writing that is found to 0, look again, and let pass what shows none then."""


class CodedRules(Section, frozen=True):
    """What FHIR and HL7 v2 have in common: codes of systems that the program does not know, and elements to drop."""

    systems: dict[str, str] = {}
    """Code systems of the hospital's own whose codes may stay: URI (in HL7 v2 name), and what a code looks like."""
    lists: dict[str, str | tuple[str, ...]] = {}
    """Lists of codes that the hospital has, in the place of any pattern: the codes, or the path of a file with one a
    line, relative to the profile. A profile that was read holds the codes."""
    drop: tuple[str, ...] = ()
    """Elements or fields to drop although they are on the list, such as `Patient.address` or `PID-11`."""

    def __post_init__(self) -> None:
        _check_patterns(self.systems)

    @property
    def listed(self) -> dict[str, frozenset[str]]:
        """The codes of each list; none of a list whose file was not read."""
        return {name: frozenset(() if isinstance(codes, str) else codes) for name, codes in self.lists.items()}


class FhirRules(CodedRules, frozen=True):
    """FHIR resources: the allow list is `rules/fhir_r4.toml`."""


class Hl7Rules(CodedRules, frozen=True):
    """HL7 v2 messages: the allow list is `rules/hl7_v2.toml`."""


class TableRules(Section, frozen=True):
    """Tables: what becomes of a column is said in its schema."""

    k_min: int = 5
    """At least so many patients share each combination of quasi-identifiers (k-anonymity); 1 asks for nothing."""
    l_min: int = 2
    """At least so many values of each sensitive column are among them (distinct l-diversity); 1 asks for nothing."""
    suppress_max: float = 0.05
    """The share of rows that may be left out to get there; above it the table is refused."""

    def __post_init__(self) -> None:
        if self.k_min < 1 or self.l_min < 1:
            raise ValueError("k_min and l_min must be at least 1")
        if not 0 <= self.suppress_max < 1:
            raise ValueError("suppress_max must be from 0 to below 1")


class ReviewRules(Section, frozen=True):
    """People who decide about what no program may decide."""

    persons: Literal[1, 2] = 1
    """So many people, each with a key of their own, must say that an item may pass; one is enough to reject it."""


class Profile(Section, frozen=True):
    """One profile."""

    name: str
    title: str
    """One line for people."""
    dates: str = "remove"
    """`remove`, or `shift` by a number of days of the patient's own."""
    pixels: PixelRules = PixelRules()
    dicom: DicomRules = DicomRules()
    fhir: FhirRules = FhirRules()
    hl7: Hl7Rules = Hl7Rules()
    table: TableRules = TableRules()
    review: ReviewRules = ReviewRules()

    def __post_init__(self) -> None:
        if self.dates not in ("remove", "shift"):
            raise ValueError("dates must be 'remove' or 'shift'")


def profiles() -> list[str]:
    """The names of the profiles that ship with the package."""
    return shipped.names(_SHIPPED)


def load_profile(name: str) -> Profile:
    """Read a profile: the name of a shipped one, or the path of a TOML file, with the lists and words of its files.

    Raises `ProfileError` if there is none, or saying which entry is wrong.
    """
    profile, folder = shipped.load(name, _SHIPPED, Profile, "profile", ProfileError), Path(name).parent
    fhir, hl7 = (msgspec.structs.replace(each, lists=_lists(each, folder)) for each in (profile.fhir, profile.hl7))
    profile = msgspec.structs.replace(profile, fhir=fhir, hl7=hl7)
    return _with_words(profile, folder) if profile.dicom.words_file else profile


def _lists(rules: CodedRules, folder: Path) -> dict[str, str | tuple[str, ...]]:
    """The lists of codes with the codes of their files in them."""
    return {
        system: _codes(folder / codes, system) if isinstance(codes, str) else codes
        for system, codes in rules.lists.items()
    }


def _codes(path: Path, system: str) -> tuple[str, ...]:
    try:
        lines = read(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = f"the list of {system} cannot be read: {path}"
        raise ProfileError(what, "give a file in UTF-8 with one code a line") from error
    found = (_AFTER_CODE.split(line.strip(), maxsplit=1)[0].strip('"') for line in lines)
    return tuple(sorted({code for code in found if code and not code.startswith("#")}))


def _with_words(profile: Profile, folder: Path) -> Profile:
    """The profile with the words of its file in it: they are a part of what it says."""
    rules = profile.dicom
    try:
        words = read(folder / rules.words_file).decode("utf-8").split()
    except (OSError, UnicodeDecodeError) as cause:
        hint = "give the path of a text file in UTF-8, relative to the profile"
        raise ProfileError(f"words_file {rules.words_file} cannot be read", hint) from cause
    rules = msgspec.structs.replace(rules, words=(*rules.words, *words), words_file="")
    return msgspec.structs.replace(profile, dicom=rules)
