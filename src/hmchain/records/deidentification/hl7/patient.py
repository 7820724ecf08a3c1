"""Whose a message is: the patient's numbers in PID, and the numbers that turned out to be the same patient's."""

from __future__ import annotations

from hmchain.records.deidentification.patients import Patient
from hmchain.records.sources.hl7.message import Message, Segment

_RECORD_NUMBER = "MR"
_MERGES = frozenset({"A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"})
"""Events after which the patient of MRG is the patient of PID (chapter 3): merges of persons and changes of a number;
those of accounts and visits (A35, A41, A42, A48 to A51) say nothing of persons."""


def patients_of(message: Message) -> list[list[Patient]]:
    """The numbers of each patient that a message is about, the one to know the patient by first.

    That is the number of type MR, else the first of PID-3; in old messages PID-2.
    """
    return [_numbers(segment, 3, message) for segment in message.segments if segment.name == "PID"]


def merges(message: Message) -> list[tuple[Patient, Patient]]:
    """The patients whom a message says to be another: each with whom it is."""
    kind = [*message.header.field(9).split(message.delimiters.component), "", ""]
    found: list[tuple[Patient, Patient]] = []
    lasting: list[Patient] = []
    for segment in message.segments if _MERGES & set(kind[1:2]) else ():
        if segment.name == "PID":
            lasting = _numbers(segment, 3, message)
        elif segment.name == "MRG" and lasting:
            found += [(prior, lasting[0]) for prior in _numbers(segment, 1, message)]
    return found


def _numbers(segment: Segment, field: int, message: Message) -> list[Patient]:
    """The numbers in a list of identifiers (CX)."""
    given = [parts for parts in message.repetitions(segment.field(field)) if parts[0].strip()]
    if not given and segment.name == "PID":
        given = [parts for parts in message.repetitions(segment.field(2)) if parts[0].strip()][:1]
    given.sort(key=lambda parts: parts[4:5] != [_RECORD_NUMBER])  # a stable sort: else they stay in their order
    return [Patient(parts[0].strip(), _authority(parts, message)) for parts in given]


def _authority(parts: list[str], message: Message) -> str:
    """The assigning authority (HD): its name, or its universal id if it has none."""
    named = parts[3].split(message.delimiters.subcomponent) if len(parts) > 3 else []
    return next((part.strip() for part in named if part.strip()), "")
