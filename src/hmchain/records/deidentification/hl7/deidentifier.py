"""De-identifies HL7 v2 messages by an allow list of fields; what comes out has HL7's standard delimiters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hmchain.canonical import digest
from hmchain.records.deidentification.ages import capped, in_a_year
from hmchain.records.deidentification.hl7 import guard
from hmchain.records.deidentification.hl7.guard import KeptSegment
from hmchain.records.deidentification.hl7.patient import merges, patients_of
from hmchain.records.deidentification.hl7.rules import OTHER_SEGMENTS, STANDARD_SEGMENTS, Context, load_segments
from hmchain.records.deidentification.hl7.rules import Segment as Rules
from hmchain.records.deidentification.outcome import (
    GENERALISED,
    KEPT,
    REMOVED,
    SHIFTED,
    Action,
    Clean,
    Finding,
    Held,
    Outcome,
)
from hmchain.records.deidentification.patients import Patient
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.safe_harbor import Dates
from hmchain.records.deidentification.terminology import AGE_CODES, hl7_systems, is_unit
from hmchain.records.sources.hl7.message import MESSAGE_BYTES_MAX, Message, MessageError, Segment, parse
from hmchain.records.sources.item import Item

MEDIA_TYPE = "x-application/hl7-v2+er7"

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

_Log = Counter[tuple[str, str]]


class Hl7Deidentifier:
    """De-identifies messages, one an item."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, as_of: date | None = None) -> None:
        """`as_of` is the day at which ages are counted: today, if it is not given."""
        self._pseudonyms = pseudonyms
        self._as_of = as_of or date.today()
        self._made_of = (profile, pseudonyms, self._as_of)
        self._shifts = profile.dates == "shift"
        self._segments = load_segments(
            hl7_systems(profile.hl7),
            lambda number: pseudonyms.identifier("hl7", number),
            frozenset(profile.hl7.drop),
        )

    def __reduce__(self) -> tuple[type[Hl7Deidentifier], tuple[Profile, Pseudonyms, date]]:
        """Compiled rules do not travel to other processes; what they are made of does."""
        return Hl7Deidentifier, self._made_of

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """One `Clean`, or a `Held` for what is no message or not of exactly one patient."""
        with item.open() as file:
            data = file.read(MESSAGE_BYTES_MAX + 1)
        if len(data) > MESSAGE_BYTES_MAX:
            yield Held("too_large", f"it is larger than {MESSAGE_BYTES_MAX >> 20} MiB", releasable=False)
            return
        try:
            message = parse(data)
        except MessageError as error:
            yield Held("damaged", str(error), releasable=False)
            return
        person = self._pseudonyms.person
        same = tuple((person(prior), person(lasting)) for prior, lasting in merges(message))
        yield replace(self._outcome(message, data, item.keep if reviewed else None), same=same)

    def _outcome(self, message: Message, data: bytes, keep: frozenset[str] | None) -> Clean | Held:
        numbers = patients_of(message)
        patients = [self._pseudonyms.best(each) if each else None for each in numbers]
        subjects = {self._pseudonyms.subject(each.number, each.issuer) if each else "" for each in patients}
        if len(subjects) > 1:
            several = Held("several_patients", "it is about more than one patient: split it", releasable=False)
            return several if "" in subjects else replace(several, subjects=tuple(sorted(subjects)))
        if not patients or patients[0] is None:
            return Held("no_subject", "it has no patient identifier (PID-3)", releasable=False)
        found = self._clean(message, patients[0], data, keep)
        if isinstance(found, Clean):
            return replace(found, patient=self._pseudonyms.note(patients[0], numbers[0]))
        return found

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """List what would stay of a message and tells who its patient is."""
        with item.open() as file:
            data = file.read(MESSAGE_BYTES_MAX)
        try:
            message = parse(data)
        except MessageError:
            return ()
        kept = self._kept(message, "", Counter())
        return tuple(dict.fromkeys(each.finding() for each in guard.found(guard.identity_of(message), kept)))

    def _clean(self, message: Message, patient: Patient, data: bytes, keep: frozenset[str] | None) -> Clean | Held:
        """The record; `keep` names places whose findings stay, and is None if nobody looked."""
        subject = self._pseudonyms.subject(patient.number, patient.issuer)
        log: _Log = Counter()
        kept = self._kept(message, subject, log)
        found = guard.found(guard.identity_of(message), kept)
        if found and keep is None:
            return replace(_held(found), subjects=(subject,))
        for each in found:
            if each.place not in (keep or ()):
                kept[each.segment].fields[each.number - 1] = ""
                log[each.place, REMOVED] += 1
        left = [segment.whole() for segment in kept if segment.is_whole]
        text = "".join("|".join(fields).rstrip("|") + "\r" for fields in left).encode("ascii")
        return Clean(
            record=self._pseudonyms.identifier("hl7 record", _name(message, data)),
            subject=subject,
            media_type=MEDIA_TYPE,
            pieces=lambda: (text,),
            attributes=_attributes(left),
            actions=tuple(Action(element, done, count) for (element, done), count in log.items()),
        )

    def _kept(self, message: Message, subject: str, log: _Log) -> list[KeptSegment]:
        """What the allow list leaves of a message."""
        shift = self._pseudonyms.shift(subject) if self._shifts else None
        at = Context(Dates(shift, self._as_of), subject)
        kept = []
        for segment in message.segments:
            if (rules := self._segments.get(segment.name)) is not None:
                as_they_were = [number for number, done in rules.done.items() if done == KEPT]
                fields = self._fields(segment, rules, message, at, log)
                left = KeptSegment(segment.name, fields, as_they_were, rules.needs)
                if left.is_whole:
                    kept.append(left)
                    continue
            log[segment.name if segment.name in STANDARD_SEGMENTS else OTHER_SEGMENTS, REMOVED] += 1
        return kept

    def _fields(self, segment: Segment, rules: Rules, message: Message, at: Context, log: _Log) -> list[str]:
        """The fields that stay, empty where one does not."""
        if segment.name == "OBX":
            unit = next(message.repetitions(segment.field(6)))[0]
            at = replace(at, value_type=segment.field(2), has_unit=bool(unit) and is_unit(unit))
        kept = [""] * len(segment.fields)
        for index, text in enumerate(segment.fields):
            rule = rules.fields.get(index + 1)
            if not text or (segment.name == "MSH" and index < 2):
                continue
            if rule is not None:
                repetitions = (rule(parts, at) for parts in message.repetitions(text))
                kept[index] = "~".join(dict.fromkeys(filter(None, repetitions)))
            done = rules.done.get(index + 1, "") if kept[index] else REMOVED
            if done:
                log[f"{segment.name}-{index + 1}", GENERALISED if done == SHIFTED and not self._shifts else done] += 1
        if segment.name == "OBX" and _cap_age(kept, segment, message):
            log["OBX-5", GENERALISED if kept[4] else REMOVED] += 1
        if segment.name == "MSH":
            kept[:2] = ["^~\\&"]  # MSH-1 is the separator itself
        return kept


def _held(found: Sequence[guard.Found]) -> Held:
    """Say where a person must look."""
    places = ", ".join(dict.fromkeys(each.place for each in found))
    if any(each.trace is guard.Trace.CERTAIN for each in found):
        return Held("identifier_left", f"what identifies the patient would be left in {places}", releasable=True)
    reason = f"{places} has a word or number that is also the patient's, perhaps by chance"
    return Held("identifier_suspected", reason, releasable=True)


def _name(message: Message, data: bytes) -> str:
    """Name a message by what tells it from all others: its control id at its sender, or its bytes if it has none."""
    header = message.header
    if not header.field(10):
        return digest("hl7", data).hex()
    return "|".join(header.field(number) for number in (3, 4, 7, 10))


def _cap_age(kept: list[str], segment: Segment, message: Message) -> bool:
    """Let an observed time of more than 90 years, and an age without a unit, count as 90 years; whether it changed.

    A value that is said to be an age in what is no unit of time goes.
    """
    if segment.field(2) not in ("NM", "SN", "ST") or not kept[4:5]:
        return False
    (code, *rest), *_ = message.repetitions(segment.field(3))
    is_age = not AGE_CODES.isdisjoint((code.strip(), *rest[2:3]))
    units = [part for part in next(message.repetitions(segment.field(6))) if part]
    unit = next((part for part in units if in_a_year(part)), "a" if is_age and not units else "")
    before = kept[4]
    if is_age and not unit:
        kept[4] = ""
    elif unit:
        kept[4] = _NUMBER.sub(lambda found: str(capped(Decimal(found[0]), unit)), before)
    return kept[4] != before


def _attributes(segments: list[list[str]]) -> dict[str, str]:
    found = {"message": next((fields[8] for fields in segments if fields[0] == "MSH" and len(fields) > 8), "")}
    code = next((fields[4] for fields in segments if fields[0] == "OBR" and len(fields) > 4), "")
    return found | ({"code": code} if code else {})
