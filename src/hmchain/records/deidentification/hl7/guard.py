"""The guard of an HL7 v2 message: who its patient is by its own word, and whether what stays says it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from hmchain.records.deidentification.identity import NUMBER_DIGITS_MIN, Identity, Trace, worst
from hmchain.records.deidentification.terminology import closed_systems
from hmchain.records.sources.hl7.message import Message

__all__ = ["Trace", "identity_of", "trace"]

_NUMBERS: Mapping[str, tuple[int, ...]] = {
    "PID": (2, 3, 4, 13, 14, 18, 19, 20, 21), "PV1": (5, 19, 50), "NK1": (5, 6, 12), "GT1": (2, 6, 7, 12),
    "IN1": (36, 49), "ORC": (2, 3), "OBR": (2, 3),
}  # fmt: skip
"""Fields that identify by a number: the patient, the visit, next of kin, guarantor, insurance and order."""
_NAMES: Mapping[str, tuple[int, ...]] = {"PID": (5, 6, 9), "NK1": (2,), "GT1": (3,), "IN1": (16,)}
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_TOLD = closed_systems()


def identity_of(message: Message) -> Identity:
    """Collect what identifies, of all segments of a message."""
    found = Identity(NUMBER_DIGITS_MIN)
    marks = message.delimiters
    for segment in message.segments:
        for number in _NUMBERS.get(segment.name, ()):
            for repetition in segment.field(number).split(marks.repetition):
                for part in repetition.split(marks.component):
                    found.add_number(marks.unescape(part), own=True)
        if segment.name == "PID":
            found.add_day(segment.field(7))
        for number in _NAMES.get(segment.name, ()):
            for repetition in segment.field(number).split(marks.repetition):
                parts = [marks.unescape(part) for part in repetition.split(marks.component)]
                found.add_name("^".join(parts), own=segment.name == "PID")
    return found


def trace(identity: Identity, fields: Iterable[str]) -> Trace:
    """Find what fields tell that stay as they are: numbers, and codes with their systems."""
    return worst(found for field in fields for found in _traces(identity, field))


def _traces(identity: Identity, field: str) -> Iterator[Trace]:
    for repetition in field.split("~"):
        parts = repetition.split("^")
        if len(parts) == 3 and not parts[1]:  # code^^system
            yield Trace.NONE if parts[2] in _TOLD else identity.in_text(parts[0])
        else:
            yield Trace.CERTAIN if identity.in_text(repetition) is Trace.CERTAIN else Trace.NONE
            yield from (identity.in_number(Decimal(number)) for number in _NUMBER.findall(repetition))
