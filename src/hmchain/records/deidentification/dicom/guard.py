"""The last look before an object passes: what identified its patient must not occur in what is written."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from pydicom import charset
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from hmchain.records.deidentification.cuts import spelled
from hmchain.records.deidentification.dicom.reading import Element
from hmchain.records.deidentification.dicom.rules import Rule
from hmchain.records.deidentification.dicom.terms import is_term
from hmchain.records.deidentification.identity import Identity, Trace, worst
from hmchain.records.deidentification.outcome import Finding

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
        "DeviceSerialNumber", "FillerOrderNumberImagingServiceRequest", "InstitutionAddress", "InstitutionName",
        "PatientAddress", "PersonAddress", "PersonTelephoneNumbers", "PlacerOrderNumberImagingServiceRequest",
        "ReferringPhysicianAddress", "ReferringPhysicianTelephoneNumbers", "RequestedProcedureID",
        "ScheduledProcedureStepID", "ServiceEpisodeID", "StudyID",
    )
}  # fmt: skip
"""Elements whose value identifies as a whole."""
_UIDS = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("FrameOfReferenceUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
)
_PLACES = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "InstitutionAddress", "InstitutionName", "PatientAddress", "PersonAddress", "ReferringPhysicianAddress",
    )
)  # fmt: skip
"""Elements whose words are those of a place."""
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
SHOWN_NUMBERS = 8
_NUMBERS_IN_TEXT = ("DS", "IS")
_DECIMAL = re.compile(r"\d[\d.]{9,}", re.ASCII)
_WHOLE_VRS, _RUN, CUT_PARTS_MAX = frozenset({"CS", "IS", "LO", "LT", "SH", "ST", "UC", "UT"}), re.compile(rb"\d+"), 3
"""Where a number may be cut over elements, and into how many parts; decimals change from slice to slice."""
DECIMALS_MAX, WITHIN_DIGITS_MIN = 64, 8
"""In so few decimals a number of so many digits is looked for among the digits of each; in more it is met by chance."""
_OURS = frozenset({"DA", "DT", "UI"})
"""VRs of which no value stays as it was but the UIDs of the standard. Values that can be nothing but one of the
standard's terms (`Rule.closed`) are nobody's name either."""


Fact = tuple[int, bool, bytes]
"""A value that tells who somebody is: its tag, whether it is a name, its bytes."""


def is_standard(uid: str) -> bool:
    """Tell whether a UID is one that DICOM itself defines."""
    return uid in UID_dictionary


@dataclass(frozen=True)
class KeptValue:
    """A value that stays."""

    rule: Rule
    vr: str
    value: bytes


@dataclass(frozen=True)
class Found:
    """A value that stays and tells who the patient is."""

    kept: KeptValue
    trace: Trace
    word: str
    """What tells it."""
    rest: bytes
    """The value without the parts that tell it."""

    def finding(self) -> Finding:
        """The same for a reviewer."""
        return Finding(self.kept.rule.name, self.word, self.trace is Trace.CERTAIN)


class Guard:
    """Remembers what identifies, and looks for it."""

    def __init__(self, encodings: Sequence[str] = (), removed: Iterable[Found] = ()) -> None:
        """`encodings` are the character sets of the object's names, as Python calls them; `removed` must not stay."""
        self._encodings = tuple(encodings)
        self._removed = {(each.kept.rule.name, each.kept.value): each.rest for each in removed}
        self._facts: set[Fact] = set()
        self._uids: set[str] = set()

    def learn(self, tag: int, rule: Rule, element: Element) -> None:
        """Remember the value of an element, if it is one that tells who somebody is and that is not kept on purpose."""
        if rule.option or not isinstance(element, RawDataElement) or not element.value:
            return
        if tag in _UIDS:
            self._uids.add(bytes(element.value).decode("ascii", "replace").strip(" \0"))
        elif tag == _BIRTH or tag in _WHOLE or rule.vr == "PN":
            self._facts.add((tag, rule.vr == "PN", bytes(element.value)))

    @property
    def identity(self) -> Identity:
        """All that is remembered so far, to look for."""
        people, places = self._known()
        people.include(places)
        return people

    def _known(self) -> tuple[Identity, Identity]:
        """The people and numbers that are remembered, and the places."""
        own = Identity()
        people, places = _identities(frozenset(self._facts), self._encodings)
        own.include(people)
        for uid in self._uids:
            if not is_standard(uid):
                own.add_number(uid, own=False)
        return own, places

    def text(self, value: bytes) -> str:
        """A text in the character set that its object declares, or in the first that it may be in."""
        return next(_texts(value, self._encodings), "")

    def passed(self, rule: Rule, value: bytes) -> bytes:
        """A value that would stay, without what a reviewer had removed; nothing if it goes."""
        return self._removed.get((rule.name, value), value) if self._removed else value

    def found(self, kept: Sequence[KeptValue]) -> tuple[Found, ...]:
        """The values that stay and tell who the patient is."""
        found: defaultdict[KeptValue, list[Identity]] = defaultdict(list)
        for value, identity in self._worth_a_look(kept):
            if _trace(identity, value) is not Trace.NONE:
                found[value].append(identity)
        cut = (value for value in self._cut(kept) if value not in found)
        return (*(_found(value, identities) for value, identities in found.items()), *map(_cut_off, cut))

    def _cut(self, kept: Sequence[KeptValue]) -> Iterator[KeptValue]:
        """The whole numbers and codes over which a number is cut, one after the other."""
        numbers = self._known()[0].numbers(WITHIN_DIGITS_MIN)
        whole = [value for value in kept if value.vr in _WHOLE_VRS and not value.rule.closed]
        lines = (whole, [value for value in whole if not value.rule.option]) if numbers else ()
        parts = [part for line in lines for part in spelled(_runs(line), numbers, parts_max=CUT_PARTS_MAX)]
        return iter(dict.fromkeys(value for part in parts for value in part))

    def _worth_a_look(self, kept: Sequence[KeptValue]) -> Iterator[tuple[KeptValue, Identity]]:
        """All binary values, and the texts, unless a look at them together shows that nothing is in any.

        What an option of the profile keeps may name a place: a station is called after its hospital.
        """
        people, places = self._known()
        texts = [value for value in kept if _may_tell(value)]
        numbers = [value for value in kept if value.vr in _KINDS]
        if not people.is_nowhere_in_numbers([(_KINDS[value.vr], value.value) for value in numbers]):
            yield from ((value, people) for value in numbers)
        if not (_is_in_no_number(people, texts) and people.is_nowhere_in(_words(texts))):
            yield from ((value, people) for value in texts)
        texts = [value for value in texts if not value.rule.option and value.vr not in _NUMBERS_IN_TEXT]
        if not places.is_nowhere_in(_words(texts)):
            yield from ((value, places) for value in texts)


@lru_cache(maxsize=256)
def _identities(facts: frozenset[Fact], encodings: tuple[str, ...]) -> tuple[Identity, Identity]:
    """The people and the places that some elements tell: the same for all images of a series, or nearly."""
    people, places = Identity(), Identity()
    for tag, is_name, value in facts:
        for text in _texts(value, encodings):
            for part in text.split("\\"):
                if tag == _BIRTH:
                    people.add_day(part)
                elif is_name:
                    people.add_name(part, own=tag in _OWN_NAMES)
                elif tag in _PLACES:
                    places.add_place(part)
                else:
                    people.add_number(part, own=tag in _OWN_NUMBERS)
    return people, places


def _runs(values: Iterable[KeptValue]) -> list[tuple[str, KeptValue]]:
    return [(digits.decode(), value) for value in values for digits in _RUN.findall(value.value)]


def _texts(value: bytes, encodings: tuple[str, ...]) -> Iterator[str]:
    """A value in the character set that its object declares, and in those that it may be in if that is not true."""
    if value.isascii() and b"\x1b" not in value:
        yield value.decode("ascii")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield charset.decode_bytes(value, list(encodings), set(b"^=\\"))
    for encoding in ("utf-8", "latin-1"):
        with suppress(UnicodeDecodeError):
            yield value.decode(encoding)
            return


def _may_tell(value: KeptValue) -> bool:
    """Tell whether a text that stays may hold a name: dates and UIDs of ours and terms of the standard hold none."""
    return value.vr not in _KINDS and value.vr not in _OURS and not value.rule.closed


def _words(texts: Sequence[KeptValue]) -> str:
    """Texts together, but for numbers."""
    return b"\n".join(value.value for value in texts if value.vr not in _NUMBERS_IN_TEXT).decode("ascii")


def _is_in_no_number(identity: Identity, texts: Sequence[KeptValue]) -> bool:
    """Look at numbers in texts together."""
    values = [value.value.decode("ascii") for value in texts if value.vr in _NUMBERS_IN_TEXT]
    together = "\\".join(values)
    if not identity.is_nowhere_in_values(list(_numbers(together))):
        return False
    numbers = identity.numbers(WITHIN_DIGITS_MIN)
    return not any(_is_within(numbers, value) for value in values)


def _trace(identity: Identity, kept: KeptValue) -> Trace:
    if kept.vr in _KINDS:
        return identity.in_numbers(kept.value, _KINDS[kept.vr])
    text = kept.value.decode("ascii")
    if kept.vr in _NUMBERS_IN_TEXT:
        is_within = _is_within(identity.numbers(WITHIN_DIGITS_MIN), text)
        within = Trace.POSSIBLE if is_within else Trace.NONE
        return worst((within, *(identity.in_number(number) for number in _numbers(text))))
    if kept.vr == "TM":  # ids are made of times
        return identity.in_text(text.partition(".")[2])
    keyword = kept.rule.name.rpartition(" ")[2]
    return identity.in_text("\\".join(part for part in text.split("\\") if not is_term(keyword, kept.vr, part)))


def _cut_off(kept: KeptValue) -> Found:
    """A value that tells with others who the patient is."""
    return Found(kept, Trace.POSSIBLE, kept.value.decode("ascii").strip(), b"")


def _found(kept: KeptValue, identities: Sequence[Identity]) -> Found:
    """What tells in a value who the patient is, and the value without the parts that do."""

    def trace(value: bytes) -> Trace:
        return worst(_trace(identity, replace(kept, value=value)) for identity in identities)

    if kept.vr in _KINDS:
        numbers = np.frombuffer(kept.value, _KINDS[kept.vr])[:SHOWN_NUMBERS].tolist()
        return Found(kept, trace(kept.value), ", ".join(map(str, numbers)), b"")
    parts = kept.value.split(b"\\")
    told = [trace(part) is not Trace.NONE for part in parts]
    rest = b"\\".join(b"" if tells else part for part, tells in zip(parts, told, strict=True)).rstrip(b"\\")
    if not any(told) or trace(rest) is not Trace.NONE:  # over several of them
        return Found(kept, trace(kept.value), kept.value.decode("ascii"), b"")
    words = ", ".join(part.decode("ascii").strip() for part, tells in zip(parts, told, strict=True) if tells)
    return Found(kept, trace(kept.value), words, rest)


def _is_within(numbers: frozenset[str], text: str) -> bool:
    """Tell whether one of a few long decimals has one of these among its digits: `0.57101412345678`."""
    long = _DECIMAL.findall(text) if numbers and text.count("\\") < DECIMALS_MAX else ()
    digits = [decimal.replace(".", "") for decimal in long]
    return bool(digits) and any(number in each for number in numbers for each in digits)


def _numbers(value: str) -> Iterable[float]:
    """The numbers of an IS or DS value."""
    for part in value.split("\\"):
        try:
            yield float(part)
        except ValueError:
            continue
