"""The guard of an HL7 v2 message: who its patient is by its own word, and whether what stays says it again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hmchain.records.deidentification.identity import NUMBER_DIGITS_MIN, Identity, Trace, worst
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.deidentification.terminology import closed_systems
from hmchain.records.sources.hl7.message import Message, Segment

__all__ = ["Found", "KeptSegment", "Trace", "found", "identity_of"]

_NUMBERS: Mapping[str, tuple[int, ...]] = {
    "PID": (2, 3, 4, 13, 14, 18, 19, 20, 21), "MRG": (1, 2, 3, 4, 5, 6), "PV1": (5, 19, 50), "NK1": (5, 6, 12),
    "GT1": (2, 6, 7, 12), "IN1": (36, 49), "ORC": (2, 3), "OBR": (2, 3),
}  # fmt: skip
"""Fields that identify by a number: the patient, the visit, next of kin, guarantor, insurance and order."""
_NAMES: Mapping[str, tuple[int, ...]] = {"PID": (5, 6, 9), "MRG": (7,), "NK1": (2, 30), "GT1": (3,), "IN1": (16,)}
_STAFF: Mapping[str, tuple[int, ...]] = {
    "PV1": (7, 8, 9, 17, 52), "OBR": (10, 16, 28, 32, 33, 34, 35), "ORC": (10, 11, 12), "OBX": (16,), "DG1": (16,),
    "PR1": (8, 11, 12), "PD1": (4,), "ROL": (4,), "TXA": (5, 9, 10, 11),
}  # fmt: skip
"""Names after a number: physicians and others who are named."""
_ADDRESSES: Mapping[str, tuple[int, ...]] = {"PID": (11,), "NK1": (4,), "GT1": (5,), "IN1": (19,), "MSH": (4, 6)}
_STREET, _CITY = 0, 2
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_NO_DIGIT = re.compile(r"[^0-9]+")


def identity_of(message: Message) -> Identity:
    """Collect what identifies, of all segments of a message."""
    found = Identity(NUMBER_DIGITS_MIN)
    for segment in message.segments:
        is_own = segment.name in ("PID", "MRG")
        for parts in _each(message, segment, _NUMBERS):
            for part in parts:
                found.add_number(part, own=True)
        for parts in _each(message, segment, _NAMES):
            found.add_name("^".join(parts), own=is_own)
        for parts in _each(message, segment, _STAFF):
            found.add_name("^".join(parts[1:3]), own=False)
        for parts in _each(message, segment, _ADDRESSES):
            for part in (parts[_STREET], *parts[_CITY : _CITY + 1]):
                found.add_place(part)
        if segment.name == "PID":
            found.add_day(segment.field(7), NUMBER_DIGITS_MIN)
    return found


def _each(message: Message, segment: Segment, fields: Mapping[str, tuple[int, ...]]) -> Iterator[list[str]]:
    """The components of each repetition of some fields of a segment, without escapes."""
    for number in fields.get(segment.name, ()):
        if text := segment.field(number):
            yield from message.repetitions(text)


@dataclass(frozen=True)
class KeptSegment:
    """What is left of a segment."""

    name: str
    fields: list[str]
    as_they_were: Sequence[int]
    """The fields that stay as they were."""
    needs: Sequence[int]
    """The fields without which it says nothing."""

    def field(self, number: int) -> str:
        """Field `number`, counted from 1; empty if nothing of it is left."""
        return self.fields[number - 1] if number <= len(self.fields) else ""

    @property
    def is_whole(self) -> bool:
        """Tell whether it has all that it needs."""
        return all(self.field(number) for number in self.needs)

    def whole(self) -> list[str]:
        """Its name and its fields."""
        return [self.name, *self.fields]


@dataclass(frozen=True)
class Found:
    """A field that stays and tells who the patient is."""

    segment: int
    """Which of the segments that are left."""
    number: int
    place: str
    trace: Trace
    word: str = field(repr=False)

    def finding(self) -> Finding:
        """The same for a reviewer."""
        return Finding(self.place, self.word, self.trace is Trace.CERTAIN)


def found(identity: Identity, kept: Sequence[KeptSegment]) -> list[Found]:
    """Find what fields tell that stay as they are: numbers, and codes with their systems."""
    told = [
        (index, number, text)
        for index, segment in enumerate(kept)
        if segment.name != "MSH"
        for number in segment.as_they_were
        if (text := segment.field(number))
    ]
    together = "\n".join(text for *_, text in told)
    joined = "\n".join(_NO_DIGIT.sub("", text) for *_, text in told)
    if identity.is_nowhere_in(f"{together}\n{together.replace('.', '')}\n{joined}"):
        return []
    traces = ((index, number, text, worst(_traces(identity, text))) for index, number, text in told)
    return [
        Found(index, number, f"{kept[index].name}-{number}", trace, text)
        for index, number, text, trace in traces
        if trace is not Trace.NONE
    ]


def _traces(identity: Identity, field: str) -> Iterator[Trace]:
    """What a field tells: its codes, its numbers one by one, and all digits of its values as one number."""
    values = []
    for repetition in field.split("~"):
        parts = repetition.split("^")
        if len(parts) == 3 and not parts[1]:  # code^^system
            yield Trace.NONE if parts[2] in closed_systems() else identity.in_text(parts[0])
        else:
            values.append(repetition)
            yield Trace.CERTAIN if identity.in_text(repetition) is Trace.CERTAIN else Trace.NONE
            yield from (identity.in_number(Decimal(number)) for number in _NUMBER.findall(repetition))
    yield identity.in_text(_NO_DIGIT.sub("", "".join(values)))
