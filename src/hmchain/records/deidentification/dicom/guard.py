"""The last look before an object passes: what identified its patient must not occur in what is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.dicom.reading import Element
from hmchain.records.deidentification.dicom.rules import Rule
from hmchain.records.deidentification.identity import Identity, Trace, worst

_OWN_NUMBERS = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "AccessionNumber", "AdmissionID", "MedicalRecordLocator", "OtherPatientIDs", "PatientID",
        "PatientTelecomInformation", "PatientTelephoneNumbers",
    )
)  # fmt: skip
_WHOLE = _OWN_NUMBERS | {
    tag_for_keyword(keyword)
    for keyword in (
        "DeviceSerialNumber", "FillerOrderNumberImagingServiceRequest", "FrameOfReferenceUID", "InstitutionAddress",
        "InstitutionName", "PatientAddress", "PlacerOrderNumberImagingServiceRequest", "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers", "RequestedProcedureID", "SOPInstanceUID", "ScheduledProcedureStepID",
        "SeriesInstanceUID", "ServiceEpisodeID", "StudyID", "StudyInstanceUID",
    )
}  # fmt: skip
"""Elements whose value identifies as a whole."""
_BIRTH = 0x00100030
_OWN_NAMES = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "PatientName")
)
_KINDS = {
    "AT": "<u2", "FD": "<f8", "FL": "<f4", "OB": "u1", "OD": "<f8", "OF": "<f4", "OL": "<u4", "OV": "<u8", "OW": "<u2",
    "SL": "<i4", "SS": "<i2", "SV": "<i8", "UL": "<u4", "US": "<u2", "UV": "<u8",
}  # fmt: skip
"""NumPy's types of the numbers of each VR."""
_ZEROS = re.compile(rb"(?<![\d.])0+(?=\d)")
_NUMBERS_IN_TEXT, _OWN_FORM = ("DS", "IS"), ("DA", "DT", "TM", "UI")


@dataclass(frozen=True)
class KeptValue:
    """A value that stays."""

    rule: Rule
    vr: str
    value: bytes


class Guard:
    """Remembers what identifies, and looks for it."""

    def __init__(self) -> None:
        self._identity = Identity()

    def learn(self, tag: int, rule: Rule, element: Element) -> None:
        """Remember the value of an element, if it is one that tells who somebody is and that is not kept on purpose."""
        if rule.option or not isinstance(element, RawDataElement) or not element.value:
            return
        if tag == _BIRTH:
            self._identity.add_day(bytes(element.value))
        elif tag in _WHOLE:
            for value in bytes(element.value).split(b"\\"):
                self._identity.add_number(value, own=tag in _OWN_NUMBERS)
        elif rule.vr == "PN":
            for value in bytes(element.value).split(b"\\"):
                self._identity.add_name(value.rstrip(b" \0"), own=tag in _OWN_NAMES)

    def check(self, kept: Sequence[KeptValue]) -> str:
        """The name of an element that stays and may tell who the patient is; nothing if there is none.

        Raises `Hold` if what is remembered is certainly in a value that stays.
        """
        doubtful = ""
        for value in self._worth_a_look(kept):
            trace = self._trace(value)
            if trace is Trace.CERTAIN:
                raise Hold("identifier_left", f"what identifies the patient would be left in {value.rule.name}")
            doubtful = doubtful or (value.rule.name if trace is Trace.POSSIBLE else "")
        return doubtful

    def check_frames(self, frames: Iterable[bytes]) -> None:
        """Raise `Hold` if anything remembered is in compressed frames."""
        words = {form for word in self._identity.long_words for form in _cases(word)}
        for frame in frames:
            if any(word in frame for word in words):
                raise Hold("identifier_left", "what identifies the patient would be left in compressed pixels")

    def _worth_a_look(self, kept: Sequence[KeptValue]) -> Iterator[KeptValue]:
        """All binary values, and the texts, unless a look at them together shows that nothing is in any."""
        texts = [value for value in kept if value.vr not in _KINDS]
        numbers = b"\n".join(value.value for value in texts if value.vr in _NUMBERS_IN_TEXT).lower()
        together = b"\n".join(value.value for value in texts if value.vr not in _NUMBERS_IN_TEXT)
        yield from (value for value in kept if value.vr in _KINDS)
        if b"e" in numbers or not self._identity.is_nowhere_in(together + b"\n" + _ZEROS.sub(b"", numbers)):
            yield from texts

    def _trace(self, kept: KeptValue) -> Trace:
        if kept.vr in _KINDS:
            return self._identity.in_numbers(kept.value, _KINDS[kept.vr])
        if kept.vr in _NUMBERS_IN_TEXT:
            return worst(self._identity.in_number(number) for number in _numbers(kept.value))
        if kept.rule.closed or kept.vr in _OWN_FORM:  # defined terms, UIDs of ours, and times, of which ids are made
            return Trace.CERTAIN if self._identity.is_whole_in(kept.value.lower()) else Trace.NONE
        return self._identity.in_text(kept.value)


def _numbers(value: bytes) -> Iterable[float]:
    """The numbers of an IS or DS value."""
    for part in value.split(b"\\"):
        try:
            yield float(part)
        except ValueError:
            continue


def _cases(word: bytes) -> tuple[bytes, bytes, bytes]:
    return word, word.upper(), word.title()
