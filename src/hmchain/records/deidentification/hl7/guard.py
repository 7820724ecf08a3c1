"""The guard of an HL7 v2 message: who its patient is by its own word, and whether what stays says it again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain, groupby

from hmchain.records.deidentification.cuts import spelled
from hmchain.records.deidentification.figures import PART_DIGITS_MIN
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
_NO_DIGIT, _DIGITS = re.compile(r"[^0-9]+"), re.compile(r"[0-9]+")
_NO_LETTER, _LETTERS = re.compile(r"[^A-Za-z]+"), re.compile(r"[A-Za-z]")
_SET_ID = 1
PARTS_MAX, APART_MAX, BETWEEN_MAX = 5, 3, 32
"""Into how many parts a number may be cut that stand one after the other, and that others stand between: so many of
them, for a field may repeat thousands of times."""


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


@dataclass(frozen=True)
class _Told:
    """A field that stays as it was."""

    segment: int
    name: str
    number: int
    text: str
    values: tuple[str, ...]
    """Its values but for codes of systems that list all of theirs."""


def found(identity: Identity, kept: Sequence[KeptSegment]) -> list[Found]:
    """Find what fields tell that stay as they are, each by itself and some together: numbers, codes and systems."""
    counted = set(_counted(kept))
    told = [
        _Told(index, segment.name, number, text, _open_values(text))
        for index, segment in enumerate(kept)
        if segment.name != "MSH"
        for number in segment.as_they_were
        if (text := segment.field(number)) and not (number == _SET_ID and index in counted)
    ]
    traces = dict.fromkeys(told, Trace.NONE)
    together = "\n".join(each.text for each in told)
    joined = "\n".join(_NO_DIGIT.sub("", each.text) for each in told)
    if not identity.is_nowhere_in(f"{together}\n{together.replace('.', '')}\n{joined}"):
        traces = {each: worst(_traces(identity, each.text)) for each in told}
    for each in (*_numbers_cut(identity, told), *_names_cut(identity, told)):
        traces[each] = traces[each] or Trace.POSSIBLE
    return [
        Found(each.segment, each.number, f"{each.name}-{each.number}", trace, each.text)
        for each, trace in traces.items()
        if trace is not Trace.NONE
    ]


def _counted(kept: Sequence[KeptSegment]) -> Iterator[int]:
    """The segments whose first field counts them, from 1 on: what tells nobody."""
    last: dict[str, int] = {}
    for index, segment in enumerate(kept):
        number = int(digits) if (digits := segment.field(_SET_ID)).isdecimal() else 0
        if number == 1 or number == last.get(segment.name, 0) + 1:
            last[segment.name] = number
            yield index


def _numbers_cut(identity: Identity, told: Sequence[_Told]) -> Iterator[_Told]:
    """The fields over which a number is cut: of one segment, of neighbouring segments, or one after the other."""
    numbers = identity.numbers(PART_DIGITS_MIN)
    runs = [(digits, each) for each in told for value in each.values for digits in _DIGITS.findall(value)]
    columns: defaultdict[tuple[str, int], list[tuple[str, _Told]]] = defaultdict(list)
    for each in told:
        if digits := _NO_DIGIT.sub("", "".join(each.values)):
            columns[each.name, each.number].append((digits, each))
    for line in (runs, *columns.values()):
        yield from chain.from_iterable(spelled(line, numbers, parts_max=PARTS_MAX))
    for _, segment in groupby(runs, key=lambda run: run[1].segment):
        line = list(segment)
        if sum(len(digits) for digits, _ in line) >= PART_DIGITS_MIN:
            yield from chain.from_iterable(
                spelled(line, numbers, parts_max=APART_MAX, apart=min(len(line), BETWEEN_MAX))
            )


def _names_cut(identity: Identity, told: Sequence[_Told]) -> Iterator[_Told]:
    """The fields over which a name is cut, of one segment or of one column."""
    lines: defaultdict[tuple[str, int], list[_Told]] = defaultdict(list)
    for each in told:
        if _LETTERS.search("".join(each.values)):
            lines["", each.segment].append(each)
            lines[each.name, each.number].append(each)
    for line in lines.values():
        words = "\n".join(_NO_LETTER.sub("", value) for each in line for value in each.values)
        if len(line) > 1 and not identity.is_nowhere_in(words) and identity.in_text(words) is Trace.CERTAIN:
            yield from line


@lru_cache(maxsize=4096)
def _open_values(field: str) -> tuple[str, ...]:
    """The values of a field but for codes of systems that list all of theirs."""
    if "^" not in field:
        return tuple(field.split("~"))
    repetitions = (repetition.split("^") for repetition in field.split("~"))
    return tuple(
        "^".join(parts) if len(parts) != 3 or parts[1] else parts[0]  # code^^system
        for parts in repetitions
        if len(parts) != 3 or parts[1] or parts[2] not in closed_systems()
    )


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
