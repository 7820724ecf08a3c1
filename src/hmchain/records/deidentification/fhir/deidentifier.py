"""De-identifies FHIR R4 by an allow list: what is not on it is dropped, and Safe Harbor rules change what is.

One `Clean` comes of each resource, in JSON with sorted keys. What must not pass comes at the end of the item: what a
person may decide about each by itself, with what it is judged by; what nobody can let through together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from hmchain.canonical import digest
from hmchain.records.deidentification.fhir import guard
from hmchain.records.deidentification.fhir.contained import Contained
from hmchain.records.deidentification.fhir.patient import merged, merges, patient_of
from hmchain.records.deidentification.fhir.people import FEW, identities, known_of
from hmchain.records.deidentification.fhir.quantities import observed_age
from hmchain.records.deidentification.fhir.resources import (
    BAD_JSON,
    ITEM_BYTES_MAX,
    Raw,
    decode,
    excerpt,
    leading,
    resources,
)
from hmchain.records.deidentification.fhir.rules import Compiler, Names, Pass, Rule, load_book, objects, target
from hmchain.records.deidentification.outcome import (
    GENERALISED,
    REMOVED,
    Action,
    Clean,
    Edition,
    Excerpt,
    Finding,
    Held,
    Outcome,
    PassedOver,
)
from hmchain.records.deidentification.patients import PatientNote
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.safe_harbor import Dates
from hmchain.records.deidentification.terminology import AGE_CODES, fhir_systems
from hmchain.records.sources.item import Item

MEDIA_TYPE = "application/fhir+json"
APART_MAX = 100
"""So many resources of one type that an item holds for one reason wait by themselves; more of them wait together."""

_PSEUDONYMISED = {
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}]
}
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


@dataclass(frozen=True)
class _Apart:
    """A resource that must not pass, where it stands, and whose it is."""

    raw: Raw = field(repr=False)
    position: int
    subject: str


@dataclass
class _Run:
    """One item on its way."""

    known: Mapping[str, Sequence[Raw]]
    """What tells who its patients are, by the ids of their resources."""
    reviewed: bool
    keep: frozenset[str] = frozenset()
    """Places of findings that a reviewer keeps."""
    found: list[Finding] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    """Resources of types that are dropped whole."""
    never_taken: Counter[str] = field(default_factory=Counter)
    """Resources of types that no rule takes: they are counted, and not kept for anybody to look at."""

    @cached_property
    def people(self) -> Mapping[str, guard.Identity]:
        """What identifies the patients of the item, by the ids of their resources."""
        return identities(self.known)


class _Refused(Exception):
    """One resource cannot pass, for a reason of `_REASONS`."""

    def __init__(self, code: str, kind: str = "", subject: str = "") -> None:
        self.code, self.kind, self.subject = code, kind, subject


_REASONS = {
    "damaged": "that cannot be read as FHIR in JSON",
    "no_subject": "of no patient, or one that cannot be told: {}",
    "identifier_left": "with what identifies the patient in an element that stays: {}",
    "identifier_suspected": "with a number that is also the patient's, perhaps by chance: {}",
    "modifier_extension": "changed in meaning by a modifier extension, which would be dropped: {}",
}

_RELEASABLE = frozenset({"identifier_left", "identifier_suspected", "modifier_extension"})


class FhirDeidentifier:
    """De-identifies single resources, bundles and NDJSON."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, as_of: date | None = None) -> None:
        """`as_of` is the day at which ages are counted: today, if it is not given."""
        self._book = load_book()
        self._pseudonyms = pseudonyms
        self._as_of = as_of or date.today()
        self._made_of = (profile, pseudonyms, self._as_of)
        self._shifts = profile.dates == "shift"
        self._name = lru_cache(maxsize=1 << 16)(self._new_name)
        self._dates = lru_cache(maxsize=1 << 12)(self._new_dates)
        self._note = lru_cache(maxsize=1 << 12)(self._new_note)
        names = Names(self._name, pseudonyms.uid)
        compiler = Compiler(self._book, names, fhir_systems(profile.fhir), frozenset(profile.fhir.drop))
        self._rules: dict[str, Rule] = {kind: compiler.resource(kind) for kind in self._book.resources}
        self._patient_in = {kind: compiler.patient_element(kind) for kind in self._book.resources}

    def __reduce__(self) -> tuple[type[FhirDeidentifier], tuple[Profile, Pseudonyms, date]]:
        """Compiled rules do not travel to other processes; what they are made of does."""
        return FhirDeidentifier, self._made_of

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """List what would stay of an item and tells who its patients are."""
        with item.open() as file:
            data = file.read(ITEM_BYTES_MAX)
        raws = list(resources(data))
        run = _Run(known_of(raws), reviewed=True)
        for raw in raws[: leading(data)]:
            with suppress(_Refused):
                self._clean(raw, run)
        return tuple(dict.fromkeys(run.found))

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """A `Clean` a resource; then a `Held` for each reason why others may not pass, and a `PassedOver` for each type
        that is never taken, such as Practitioner.

        `reviewed` lets resources pass that have a modifier extension, and those with a number or name of the patient's
        without it, but for the places that `item.keep` names.
        """
        with item.open() as file:
            data = file.read(ITEM_BYTES_MAX + 1)
        if len(data) > ITEM_BYTES_MAX:
            yield Held("too_large", f"it is larger than {ITEM_BYTES_MAX >> 20} MiB: split it", releasable=False)
            return
        refused: defaultdict[tuple[str, str], list[_Apart]] = defaultdict(list)
        last: Clean | None = None
        raws = list(resources(data))
        run = _Run(known_of(raws), reviewed, item.keep)
        meant = raws[: leading(data)] if reviewed else raws
        for position, raw in enumerate(meant, 1):
            try:
                clean = self._clean(raw, run)
            except _Refused as refusal:
                refused[refusal.code, refusal.kind].append(_Apart(raw, position, refusal.subject))
                continue
            if last is not None and clean is not None:
                yield last
            last = replace(clean, of=len(meant)) if clean else last
        if last is not None:  # what was dropped whole is reported with a record that was kept
            whole = tuple(Action(kind, REMOVED, count) for kind, count in sorted(run.dropped.items()))
            yield replace(last, actions=last.actions + whole)
        elif not raws:
            yield Held("no_record", "it holds no resource", releasable=False)
        for (code, kind), some in refused.items():
            yield from self._held(code, kind, some, run.known, len(meant))
        for kind, count in sorted((run.dropped + run.never_taken).items()):
            yield PassedOver(f"{kind}: never taken", count, len(meant))

    def excerpts(self, item: Item, records: Container[str]) -> Iterator[tuple[str, Excerpt]]:
        """The resources of an item by themselves that make some records."""
        with item.open() as file:
            raws = list(resources(file.read(ITEM_BYTES_MAX)))
        run = _Run(known_of(raws), reviewed=False)
        for position, raw in enumerate(raws, 1):
            with suppress(_Refused):
                clean = self._clean(raw, run)
                if clean is not None and clean.record in records:
                    kind = clean.attributes["resource"]
                    yield clean.record, self._excerpt(kind, [_Apart(raw, position, clean.subject)], run.known)

    def _held(
        self, code: str, kind: str, some: Sequence[_Apart], known: Mapping[str, Sequence[Raw]], total: int
    ) -> Iterator[Held]:
        """What must not pass for one reason; each by itself, if a person may decide about it and others go with it."""
        is_apart = code in _RELEASABLE and total > 1
        for part in [[each] for each in some] if is_apart and len(some) <= APART_MAX else [some]:
            reason = f"{len(part)} {'resource' if len(part) == 1 else 'resources'} {_REASONS[code].format(kind)}"
            whose = {each.subject for each in part}
            yield Held(
                code, reason, releasable=code in _RELEASABLE, subjects=() if "" in whose else tuple(sorted(whose)),
                parts=len(part), of=total, excerpt=self._excerpt(kind, part, known) if is_apart else None,
            )  # fmt: skip

    def _excerpt(self, kind: str, part: Sequence[_Apart], known: Mapping[str, Sequence[Raw]]) -> Excerpt:
        """Resources with what tells whose identity they were compared with (`_found`)."""
        wanted: dict[int, Raw] = {}
        patients: set[str] = set()
        for each in part:
            names = self._compared_with(kind, decode(each.raw.data), each.raw, known)
            wanted |= {id(raw): raw for name in names for raw in known[name]}
            patients.update(names)
        for each in part:
            wanted.pop(id(each.raw), None)
        own = decode(part[0].raw.data).get("id", part[0].raw.name)
        name = f"{kind}/{own}" if own else f"{kind}, resource {part[0].position}"
        if len(part) > 1:
            name = f"{len(part)} resources from {name}"
        around = tuple(sorted(self._name("Patient", patient) for patient in patients))
        return Excerpt(name, excerpt([each.raw for each in part], wanted.values()), around)

    def _clean(self, raw: Raw, run: _Run) -> Clean | None:
        """One resource's record; None if it is of a type that is never taken. Raises `_Refused`."""
        if isinstance(raw.data, msgspec.Raw) and not bytes(raw.data):
            run.never_taken["bundle entry without a resource"] += 1
            return None
        try:
            resource = decode(raw.data)
        except BAD_JSON as error:
            raise _Refused("damaged") from error
        kind = resource.get("resourceType") if type(resource) is dict else None
        if type(kind) is not str:
            raise _Refused("damaged")
        if kind in self._book.dropped:
            run.dropped[kind] += 1
            return None
        rule = self._rules.get(kind)
        if rule is None:
            run.never_taken[kind if kind in self._book.held else "another type"] += 1
            return None
        if not run.reviewed and _is_modified(bytes(raw.data), resource):
            raise _Refused("modifier_extension", kind, self._whose(kind, resource, raw))
        return self._record(kind, resource, raw, rule, run)

    def _record(self, kind: str, resource: dict[str, Any], raw: Raw, rule: Rule, run: _Run) -> Clean:
        own = resource.get("id", raw.name)
        if type(own) is not str or not _ID.fullmatch(own):
            own = ""
        patient = self._patient_id(kind, resource, own, raw.aliases)
        subject = self._name("Patient", patient) if patient else ""
        name = f"{kind}/{own}" if own else digest("fhir", bytes(raw.data)).hex()
        inside = Contained(resource.get("contained"), self._book.contained)
        at = Pass(self._dates(subject), raw.aliases, inside.names)
        if kind == "Observation":
            resource = _with_ages(resource, at)
        kept = rule(resource, at) or {}
        if within := inside.kept(kept, self._rules, at):
            kept["contained"] = within
        kept["resourceType"] = kind
        kept["id"] = self._name(kind, own) if own else self._pseudonyms.identifier("fhir", name)
        kept["meta"] = _PSEUDONYMISED
        data = _encode(kept)
        if found := self._found(kind, resource, raw, kept, data, run):
            kept, data = self._reviewed(kind, subject, kept, found, run)
        return Clean(
            record=self._pseudonyms.identifier("fhir record", name),
            subject=subject,
            media_type=MEDIA_TYPE,
            pieces=lambda: (data,),
            attributes=_attributes(kind, kept) | (merged(own, resource, self._pseudonyms) if kind == "Patient" else {}),
            actions=_summed(at.log),
            edition=_edition(resource),
            patient=self._note(patient) if patient else None,
            same=self._same(own, resource, raw.aliases) if kind == "Patient" else (),
        )

    def _same(
        self, own: str, resource: Mapping[str, Any], aliases: Mapping[str, str]
    ) -> tuple[tuple[bytes, bytes], ...]:
        person = self._pseudonyms.person
        pairs = merges(own, resource, aliases, self._pseudonyms.rule)
        return tuple((person(prior), person(lasting)) for prior, lasting in pairs)

    def _found(
        self, kind: str, resource: dict[str, Any], raw: Raw, kept: dict[str, Any], data: bytes, run: _Run
    ) -> tuple[guard.Found, ...]:
        """Find what identifies the patient in what is left of a resource."""
        people = (run.people[name] for name in self._compared_with(kind, resource, raw, run.known))
        element = "" if kind == "Patient" else self._patient_in[kind] or "patient"
        identity = guard.identity_of(resource, element, guard.together(people))
        return guard.found(identity, kept, data)

    def _compared_with(
        self, kind: str, resource: Mapping[str, Any], raw: Raw, known: Mapping[str, object]
    ) -> Iterable[str]:
        """The ids of the patients with whose identity a resource is compared: of a few, if it is nobody's."""
        element = self._patient_in[kind]
        patient = target(resource.get(element), raw.aliases) if element else None
        if kind == "Patient" or patient is not None:
            own = patient[1] if patient else str(resource.get("id", raw.name))
            return [own] if own in known else []
        return known if len(known) <= FEW else []

    def _reviewed(
        self, kind: str, subject: str, kept: dict[str, Any], found: tuple[guard.Found, ...], run: _Run
    ) -> tuple[dict[str, Any], bytes]:
        """What is left without what was found, but for what a reviewer keeps. Raises `_Refused` if nobody looked."""
        findings = [each.finding(kind) for each in found]
        run.found += findings
        if not run.reviewed:
            certain = any(each.certain for each in findings)
            raise _Refused("identifier_left" if certain else "identifier_suspected", kind, subject)
        gone = {each.path for each, finding in zip(found, findings, strict=True) if finding.place not in run.keep}
        left = guard.without(kept, gone) or {}
        return left, _encode(left)

    def _patient_id(self, kind: str, resource: dict[str, Any], own: str, aliases: Mapping[str, str]) -> str:
        """The id of the patient whom a resource is about, if any. Raises `_Refused` if that cannot be told."""
        element = self._patient_in[kind]
        if kind in self._book.nobodys and element not in resource:
            return ""
        found = target(resource.get(element), aliases) if element else ("Patient", own)
        if found is None or found[0] != "Patient" or not found[1]:
            raise _Refused("no_subject", kind)
        return found[1]

    def _whose(self, kind: str, resource: dict[str, Any], raw: Raw) -> str:
        """The pseudonym of the patient whom a resource names that is refused; nothing if it names none."""
        own = resource.get("id", raw.name)
        named = ("Patient", own if type(own) is str else "") if kind == "Patient" else None
        for element in ("subject", "patient"):
            named = named or target(resource.get(element), raw.aliases)
        return self._name(*named) if named and named[0] == "Patient" and named[1] else ""

    def _new_name(self, kind: str, own: str) -> str:
        if kind == "Patient":
            patient = patient_of(own, self._pseudonyms.rule)
            return self._pseudonyms.subject(patient.number, patient.issuer)
        return self._pseudonyms.identifier("fhir", f"{kind}/{own}")

    def _new_note(self, own: str) -> PatientNote:
        return self._pseudonyms.note(patient_of(own, self._pseudonyms.rule))

    def _new_dates(self, subject: str) -> Dates:
        return Dates(self._pseudonyms.shift(subject) if self._shifts else None, self._as_of)


def _is_modified(data: bytes, resource: dict[str, Any]) -> bool:
    """Tell whether a resource has a modifier extension anywhere, however its letters are escaped."""
    return b'"modifierExtension"' in (_encode(resource) if b"\\u" in data else data)


def _with_ages(observation: dict[str, Any], at: Pass) -> dict[str, Any]:
    """An Observation whose values are ages that may stay, where its code, or that of a component, is one of an age."""
    is_age = _is_age(observation)
    parts = [_aged(part, at) if is_age or _is_age(part) else part for part in objects(observation.get("component"))]
    whole = _aged(observation, at) if is_age else observation
    return whole | {"component": parts} if parts else whole


def _aged(part: dict[str, Any], at: Pass) -> dict[str, Any]:
    kept = dict(part)
    for name in [name for name in part if name.startswith("value")]:
        value = observed_age(name, part[name])
        if value != part[name]:
            at.log.append(Action(f"Observation.{name}", GENERALISED if value is not None else REMOVED))
        kept[name] = value
    return {name: value for name, value in kept.items() if value is not None}


def _is_age(part: Mapping[str, Any]) -> bool:
    """Tell whether a code says that a value is an age, in whatever system: a hospital may have left that out."""
    codes = [coding.get("code") for coding in _codings(part)]
    return any(type(code) is str and code.strip() in AGE_CODES for code in codes)


def _codings(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [coding for concept in objects(part.get("code")) for coding in objects(concept.get("coding"))]


def _edition(resource: Mapping[str, Any]) -> Edition | None:
    """Read which edition a resource is, by the server that has it; None if it does not say."""
    meta = resource.get("meta")
    updated, number = (meta.get("lastUpdated"), meta.get("versionId")) if type(meta) is dict else (None, None)
    count = int(number) if type(number) is str and _COUNT.fullmatch(number) else None
    when = ""
    if type(updated) is str and "T" in updated:
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(updated)
            if moment.tzinfo is not None:
                when = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return Edition(when, count) if when or count is not None else None


def _attributes(kind: str, kept: Mapping[str, Any]) -> dict[str, str]:
    first = next((f"{coding['system']}|{coding['code']}" for coding in _codings(kept)), "")
    return {"resource": kind, "code": first} if first else {"resource": kind}


def _summed(log: list[Action]) -> tuple[Action, ...]:
    counts = Counter((action.element, action.done) for action in log)
    return tuple(Action(element, done, count) for (element, done), count in counts.items())
