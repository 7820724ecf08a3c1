"""The last look before an object passes: what identified its patient must not occur in what is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.dicom.reading import Element
from hmchain.records.deidentification.dicom.rules import Rule

WORD_LETTERS_MIN, NUMBER_DIGITS_MIN = 4, 6
LONG_WORD_LETTERS = 6
PIXEL_BYTES_MIN = 6
"""Shorter words would be met by chance in compressed pixels."""

_WHOLE = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "AccessionNumber", "AdmissionID", "DeviceSerialNumber", "FrameOfReferenceUID", "InstitutionAddress",
        "InstitutionName", "MedicalRecordLocator", "OtherPatientIDs", "PatientAddress", "PatientBirthDate", "PatientID",
        "PatientTelecomInformation", "PatientTelephoneNumbers", "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
    )
)  # fmt: skip
"""Elements whose value identifies as a whole."""
_HARMLESS = frozenset(
    b"ABDOMEN ANKLE ARM AXIAL BRAIN BREAST CHEST ELBOW FOOT HAND HEAD HEART KNEE LEFT LIVER NECK ORIGINAL PELVIS "
    b"PRIMARY RIGHT SKULL SPINE WRIST".lower().split()
)
"""Surnames that are also defined terms of elements that stay."""
_ALPHANUMERIC = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")
_WORD = re.compile(rb"[^\s^=\\,.\x00]+")


class Guard:
    """Remembers what identifies, and looks for it."""

    def __init__(self) -> None:
        self._words: set[bytes] = set()

    def learn(self, tag: int, rule: Rule, element: Element) -> None:
        """Remember the value of an element, if it is one that tells who somebody is and that is not kept on purpose."""
        if rule.option or not isinstance(element, RawDataElement) or not element.value:
            return
        if tag in _WHOLE:
            self._remember(value.strip(b" \0") for value in bytes(element.value).split(b"\\"))
        elif rule.vr == "PN":
            self._remember(_WORD.findall(bytes(element.value)))

    def check(self, texts: Iterable[str], frames: Iterable[bytes] = ()) -> None:
        """Raise `Hold` if anything remembered is in the values that stay, or in compressed frames."""
        folded = "\n".join(texts).lower().encode()
        if any(_occurs(word, folded) for word in self._words):
            raise Hold("identifier_left", "what identifies the patient would be left in an element that stays")
        words = {form for word in self._words if len(word) >= PIXEL_BYTES_MIN for form in _cases(word)}
        for frame in frames:
            if any(word in frame for word in words):
                raise Hold("identifier_left", "what identifies the patient would be left in compressed pixels")

    def _remember(self, values: Iterable[bytes]) -> None:
        for value in values:
            word = value.lower()
            least = NUMBER_DIGITS_MIN if word.isdigit() else WORD_LETTERS_MIN
            if len(word) >= least and word not in _HARMLESS:
                self._words.add(word)


def _occurs(word: bytes, text: bytes) -> bool:
    """Whether a word occurs; a short one or a number by itself: `anna` is not found inside `savannah`."""
    if len(word) >= LONG_WORD_LETTERS and not word.isdigit():
        return word in text
    start = text.find(word)
    while start >= 0:
        around = text[max(start - 1, 0) : start] + text[start + len(word) : start + len(word) + 1]
        if not any(character in _ALPHANUMERIC for character in around):
            return True
        start = text.find(word, start + 1)
    return False


def _cases(word: bytes) -> tuple[bytes, bytes, bytes]:
    return word, word.upper(), word.title()
