"""Read FHIR R4 Consents (6.2). What changes a consent's meaning and is not understood is a doubt, never passed over.

A doubt leaves the consent undecided, and what is undecided is not permitted. Elements that say who signed, where and
on which paper are known and not kept.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from hmchain.canonical import digest
from hmchain.errors import DataError
from hmchain.records.consents.consent import Actor, Coding, Consent, DataRef, Provision, Span, Status
from hmchain.records.deidentification.fhir.patient import patient_of
from hmchain.records.deidentification.fhir.resources import BAD_JSON, Raw, decode, kind_of, resources
from hmchain.records.deidentification.fhir.rules import objects, target
from hmchain.records.deidentification.patients import Patient, PatientRule

SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
DEEP_MAX = 8
"""Exceptions of exceptions that are read; deeper ones are a doubt."""

_OF_DATA, _OF_OTHER = ("patient-privacy", "research"), ("treatment", "adr")
_DECIDED = {"resourceType", "id", "meta", "status", "scope", "patient", "dateTime", "policy", "policyRule", "provision"}
_NOT_KEPT = {
    "category", "contained", "extension", "identifier", "language", "organization", "performer", "sourceAttachment",
    "sourceReference", "text", "verification",
}  # fmt: skip
_RULE = {
    "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data", "provision",
}  # fmt: skip
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_BASES = {"OPTIN": True, "OPTINR": True, "OPTOUT": False, "OPTOUTE": False}
"""Codes of v3 ActCode by which a policy permits, or denies, what no rule is about."""
_RESTRICTED = "OPTINR"
"""The one of these whose restrictions must stand in a rule."""
_TYPES = {"permit": True, "deny": False}
_STATUSES = {each.value: each for each in Status}
_VERIFICATION = {"verified", "verifiedWith", "verificationDate", "extension", "id"}
_NAME = re.compile(r"[A-Za-z]{1,40}", re.ASCII)
_MEANINGS = ("instance", "related", "dependents", "authoredby")
_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII
)


class ConsentFileError(DataError):
    """A file holds no consent, or one that cannot be read as FHIR, or that says not whose it is."""

    code = "consent_file"


@dataclass(frozen=True)
class Given:
    """A consent and who gave it."""

    patient: Patient
    consent: Consent


def consents_in(data: bytes, rule: PatientRule) -> Iterator[Given]:
    """The consents of one resource, of a bundle, or of lines that are a document each; others are passed over.

    `rule` says which numbers are patients'. Raises `ConsentFileError`, which tells nothing of a patient.
    """
    for place, raw in enumerate(resources(data), 1):
        if kind_of(raw.data) == "Consent":
            yield read(raw, rule, f"consent {place}")
        elif not _is_fhir(raw):
            raise ConsentFileError(f"resource {place} cannot be read as FHIR in JSON", "export the consents anew")


def read(raw: Raw, rule: PatientRule, named: str = "the consent") -> Given:
    """Read one Consent. Raises `ConsentFileError`; `named` is what it is called then."""
    try:
        resource = decode(raw.data)
    except BAD_JSON as error:
        raise ConsentFileError(f"{named} cannot be read as FHIR in JSON", "export the consents anew") from error
    patient = _patient(resource.get("patient"), raw.aliases, rule)
    if patient is None:
        hint = "its `patient` must refer to Patient/ID, or have an identifier with a system and a value"
        raise ConsentFileError(f"{named} does not say whose it is", hint)
    return Given(patient, _Reader(raw).consent(resource))


def moment(text: Any) -> Span | None:
    """All the time that a FHIR date or dateTime may mean, UTC where it says no other zone; None if it is none."""
    found = _TIME.fullmatch(text) if type(text) is str else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        if hour is not None:
            shown = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone}"
            at = datetime.fromisoformat(shown)
            first = _ms(at) + int(f"{fraction or 0:0<3}"[:3])
            return Span(first, first if second else first + 59_999)
        last_month = int(month or 12)
        last_day = int(day or calendar.monthrange(int(year), last_month)[1])
        first_day = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        end = datetime(int(year), last_month, last_day, tzinfo=UTC) + timedelta(days=1)
        return Span(_ms(first_day), _ms(end) - 1)
    except (ValueError, OverflowError):
        return None


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _names_twice(data: bytes) -> bool:
    """Whether an object of a document has two elements of one name, of which another program may take the other."""
    found = False

    def read(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in pairs}) < len(pairs)

    json.loads(data, object_pairs_hook=read)
    return found


def _is_fhir(raw: Raw) -> bool:
    try:
        return type(decode(raw.data)) is dict
    except BAD_JSON:
        return False


def _patient(element: Any, aliases: Mapping[str, str], rule: PatientRule) -> Patient | None:
    found = target(element, aliases)
    if found is not None:
        return patient_of(found[1], rule) if found[0] == "Patient" and found[1] else None
    for identifier in objects(element.get("identifier") if type(element) is dict else None):
        system, value = identifier.get("system"), identifier.get("value")
        if type(value) is str and value.strip() and type(system) is str:
            return Patient(value, system)
    return None


class _Reader:
    """Reads one Consent, and notes what it does not understand."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._doubts: list[str] = []

    def consent(self, resource: Mapping[str, Any]) -> Consent:
        self._known("Consent", resource, _DECIDED | _NOT_KEPT)
        if _names_twice(bytes(self._raw.data)):
            self._doubt("an element stands twice")
        own = resource.get("id")
        status = _STATUSES.get(str(resource.get("status")))
        if status is None:
            self._doubt("its status is none")
        given, edited = moment(resource.get("dateTime")), None
        if given is None and resource.get("dateTime") is not None:
            self._doubt("its `dateTime` is no time")
        if type(meta := resource.get("meta")) is dict:
            edited = moment(meta.get("lastUpdated"))
        self._verified(resource)
        rule = self._base(resource)
        return Consent(
            name=f"Consent/{own if type(own) is str and own else digest('consent', bytes(self._raw.data)).hex()}",
            status=status or Status.ACTIVE,
            rule=rule,
            at_ms=given.first_ms if given else None,
            at_last_ms=given.last_ms if given else None,
            policies=tuple(sorted(self._policies(resource))),
            is_of_data=self._is_of_data(resource.get("scope")),
            doubts=tuple(dict.fromkeys(self._doubts)),
            edition_ms=edited.first_ms if edited else None,
        )

    def _verified(self, resource: Mapping[str, Any]) -> None:
        for each in self._objects(resource, "verification"):
            self._known("verification", each, _VERIFICATION)
            if each.get("verified") is not True:
                self._doubt("its verification does not say that it was verified")

    def _base(self, resource: Mapping[str, Any]) -> Provision | None:
        """The first rule; if it does not say whether it permits its policy may; one that denies comes before it."""
        policy = [each for each in self._codings(resource.get("policyRule"), "") if each.system == _ACT_CODE]
        bases = {_BASES[each.code] for each in policy if each.code in _BASES}
        said = bases.pop() if len(bases) == 1 else None
        element = resource.get("provision")
        if type(element) is not dict:
            if element is not None:
                self._doubt("`provision` is no rule")
            if any(each.code == _RESTRICTED for each in policy):
                self._doubt("its policy permits with restrictions, and no rule says with which")
            return None if said is None else Provision(said)
        rule = self._rule(element, 0)
        if said is None:
            return rule
        if rule.permits is None:
            rule = replace(rule, permits=said)
        return rule if said else Provision(False, period=rule.period, exceptions=(rule,))

    def _rule(self, element: Mapping[str, Any], depth: int) -> Provision:
        self._known("provision", element, _RULE | {"extension", "id"})
        kind = element.get("type")
        permits = _TYPES.get(kind) if type(kind) is str else None
        if permits is None and (kind is not None or depth):
            self._doubt("a rule does not say whether it permits or denies")
        inner = self._objects(element, "provision")
        if inner and depth == DEEP_MAX:
            self._doubt("its rules are nested too deep")
            inner = []
        return Provision(
            permits=permits,
            period=self._span(element, "period"),
            actors=tuple(map(self._actor, self._objects(element, "actor"))),
            actions=self._codings(self._objects(element, "action"), "action"),
            labels=self._codings(self._objects(element, "securityLabel"), "securityLabel"),
            purposes=self._codings(self._objects(element, "purpose"), "purpose"),
            classes=self._codings(self._objects(element, "class"), "class"),
            codes=self._codings(self._objects(element, "code"), "code"),
            data_period=self._span(element, "dataPeriod"),
            data=tuple(map(self._data, self._objects(element, "data"))),
            exceptions=tuple(self._rule(each, depth + 1) for each in inner),
        )

    def _span(self, element: Mapping[str, Any], name: str) -> Span | None:
        period = element.get(name)
        if period is None:
            return None
        if type(period) is not dict:
            self._doubt(f"`{name}` is no period")
            return None
        self._known(name, period, {"start", "end", "extension", "id"})
        start, end = moment(period.get("start")), moment(period.get("end"))
        if (start is None) != (period.get("start") is None) or (end is None) != (period.get("end") is None):
            self._doubt(f"a time of `{name}` is none")
        span = Span(start.first_ms if start else None, end.last_ms if end else None)
        if span.first_ms is not None and span.last_ms is not None and span.last_ms < span.first_ms:
            self._doubt(f"`{name}` ends before it begins")
        return span

    def _actor(self, element: Mapping[str, Any]) -> Actor:
        self._known("actor", element, {"role", "reference", "extension", "id"})
        reference = element.get("reference")
        found = target(reference, self._raw.aliases)
        identifiers = objects(reference.get("identifier") if type(reference) is dict else None)
        value = next((str(each["value"]) for each in identifiers if each.get("value")), "")
        role = next(iter(self._codings(element.get("role"), "")), None)
        return Actor("/".join(found) if found else "", value, role)

    def _data(self, element: Mapping[str, Any]) -> DataRef:
        self._known("data", element, {"meaning", "reference", "extension", "id"})
        meaning, found = element.get("meaning"), target(element.get("reference"), self._raw.aliases)
        if meaning not in _MEANINGS or found is None:
            self._doubt("`data` names nothing, or not how it is meant")
        return DataRef(str(meaning), "/".join(found) if found else "")

    def _codings(self, element: Any, name: str) -> tuple[Coding, ...]:
        """The codes of Codings or CodeableConcepts; a concept in words alone is a doubt where a rule has it."""
        found: list[Coding] = []
        for each in objects(element):
            own = objects(each.get("coding")) if "coding" in each or "text" in each else [each]
            codes = [Coding(str(one.get("system", "")), str(one["code"])) for one in own if one.get("code")]
            if name and not codes:
                self._doubt(f"a `{name}` has no code")
            found += codes
        return tuple(found)

    def _objects(self, element: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        """An element's objects.

        One that is there and has none, or something else beside them, restricts nobody knows what: that is a doubt.
        """
        given = element.get(name)
        found = objects(given)
        if given is not None and (not found or len(found) != (len(given) if type(given) is list else 1)):
            self._doubt(f"`{name}` is not what FHIR has there")
        return found

    def _policies(self, resource: Mapping[str, Any]) -> Iterator[str]:
        for policy in self._objects(resource, "policy"):
            self._known("policy", policy, {"authority", "uri", "extension", "id"})
            yield from (str(policy[name]) for name in ("uri", "authority") if policy.get(name))
        yield from (f"{each.system}|{each.code}" for each in self._codings(resource.get("policyRule"), ""))

    def _is_of_data(self, scope: Any) -> bool:
        codes = [each.code for each in self._codings(scope, "") if each.system == SCOPES]
        if any(code in _OF_OTHER for code in codes) and not any(code in _OF_DATA for code in codes):
            return False
        if not any(code in _OF_DATA for code in codes):
            self._doubt("its scope is not known")
        return True

    def _known(self, where: str, element: Mapping[str, Any], names: set[str]) -> None:
        """Note elements that may change the meaning: modifier extensions, implicit rules, and any unknown one."""
        for name in element:
            plain = name.removeprefix("_")
            if plain not in names or (plain != name and plain not in element):
                shown = plain if _NAME.fullmatch(plain) else "an element"  # whose name may be anything
                self._doubt(f"`{where}.{shown}` is not understood")

    def _doubt(self, words: str) -> None:
        self._doubts.append(words)
