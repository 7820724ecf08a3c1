"""The allow list of FHIR R4, compiled: for each resource type a function that copies what may stay, and only that.

The list itself is `rules/fhir_r4.toml`. A rule takes a value of the decoded JSON and returns what stays of it, or None;
a value that is not of the rule's type is as good as one that is not on the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hmchain import decoding
from hmchain.records.deidentification.fhir.quantities import BARE_LIMIT, age, number, quantity
from hmchain.records.deidentification.outcome import GENERALISED, REMOVED, REPLACED, SHIFTED, Action
from hmchain.records.deidentification.safe_harbor import Dates, zip3
from hmchain.records.deidentification.terminology import RULES, Check, text_of

Spec = str | list[str] | dict[str, Any]
Rule = Callable[[Any, "Pass"], Any]

MASKED = {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "masked"}
"""Stands where FHIR requires a code and the one that was there may not stay."""

_REFERENCE = re.compile(
    r"(?:https?://[^?#\s]+/)?([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?", re.ASCII
)
_UID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*)){1,62}", re.ASCII)
_SOP_CLASS = re.compile(r"(?:urn:oid:)?(1\.2\.840\.10008\.5\.1\.4\.[\d.]{1,20})", re.ASCII)
_VERSION = re.compile(
    r"(19|20)\d\d(-\d\d){0,2}|\d{1,2}(\.\d{1,3}){1,2}|http://snomed\.info/sct/\d{6,18}(/version/20\d{6})?", re.ASCII
)
_OTHER = "(other)"


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `rules/fhir_r4.toml`."""

    dropped: frozenset[str]
    logical: frozenset[str]
    nobodys: frozenset[str]
    contained: frozenset[str]
    extensions: frozenset[str]
    reported: frozenset[str]
    held: frozenset[str]
    types: dict[str, dict[str, Spec]]
    resources: dict[str, dict[str, Spec]]


def load_book() -> Book:
    """Read the shipped allow list."""
    return decoding.from_toml((RULES / "fhir_r4.toml").read_bytes(), Book)


@dataclass(frozen=True)
class Names:
    """Makes pseudonyms of what FHIR points with."""

    resource: Callable[[str, str], str]
    """The new id of a resource, from its type and id."""
    uid: Callable[[str], str]
    """The new DICOM UID for one."""


@dataclass
class Pass:
    """One resource on its way through the rules."""

    dates: Dates
    """What becomes of its patient's dates."""
    aliases: Mapping[str, str]
    """What a bundle calls its entries (`fullUrl`), as `Type/id`."""
    contained: Mapping[str, str] = field(default_factory=dict)
    """Ids of the resources within it that stay, and what they are called from now on."""
    log: list[Action] = field(default_factory=list)
    """What was done, an entry each time."""


def objects(element: Any) -> list[dict[str, Any]]:
    """An element's objects, though FHIR has one where there may be a list, or the other way round."""
    return [inner for inner in (element if type(element) is list else [element]) if type(inner) is dict]


def target(reference: Any, aliases: Mapping[str, str]) -> tuple[str, str] | None:
    """Type and id that a `Reference` points to, relative, absolute or by a bundle's own name; None if by none."""
    text = reference.get("reference") if type(reference) is dict else None
    if type(text) is not str:
        return None
    found = _REFERENCE.fullmatch(aliases.get(text, text))
    return (found[1], found[2]) if found else None


class Compiler:
    """Turns the allow list into functions, for one project's pseudonyms and one profile."""

    def __init__(self, book: Book, names: Names, systems: Mapping[str, Check], dropped: frozenset[str]) -> None:
        """`dropped` are elements that the profile drops although the list has them, as `Patient.address`."""
        self._book, self._names, self._systems, self._dropped = book, names, systems, dropped
        self._said: Rule | None = None

    def resource(self, kind: str) -> Rule:
        """The function for resources of type `kind`; it leaves out `resourceType` and `id`."""
        own: dict[str, Spec] = {"resourceType": "ignored", "id": "ignored"}
        return self._elements(kind, own | self._book.resources[kind])

    def patient_element(self, kind: str) -> str:
        """The element that says whose a resource of type `kind` is; nothing if it is the patient."""
        return next((name for name, spec in self._book.resources[kind].items() if spec == "patient"), "")

    def _rule(self, path: str, spec: Spec) -> Rule:
        if isinstance(spec, list):
            codes = frozenset(spec)
            return lambda value, at: value if type(value) is str and value in codes else None
        if isinstance(spec, dict):
            return self._elements(path, spec)
        if spec[0].isupper():
            return self._elements(path, self._book.types[spec])
        make: Callable[[str], Rule] = getattr(self, f"_{spec}")
        return make(path)

    def _elements(self, path: str, specs: Mapping[str, Spec], *, inner: bool = True) -> Rule:
        paths = {name: f"{path}.{name}" for name in specs}
        rules = {name: self._rule(paths[name], spec) for name, spec in specs.items() if spec != "ignored"}
        for name in [name for name in rules if paths[name] in self._dropped]:
            del rules[name]
        if inner:
            rules["extension"] = self._extension(path)
        silent = {name for name, spec in specs.items() if spec == "ignored"}
        removed = {name: Action(f"{path}.{name}", REMOVED) for name in self._book.reported | set(rules)}
        other = Action(f"{path}.{_OTHER}", REMOVED)

        def copy(value: Any, at: Pass) -> dict[str, Any] | None:
            if type(value) is not dict:
                return None
            kept = {}
            for name, inner in value.items():
                rule = rules.get(name)
                if rule is None:
                    if name not in silent:
                        at.log.append(removed.get(name, other))
                    continue
                left = rule(inner, at) if type(inner) is not list else _each(rule, inner, at)
                if left is None:
                    at.log.append(removed[name])
                else:
                    kept[name] = left
            return kept or None

        return copy

    def _boolean(self, path: str) -> Rule:
        return lambda value, at: value if type(value) is bool else None

    def _integer(self, path: str) -> Rule:
        return lambda value, at: value if type(value) is int and abs(value) < BARE_LIMIT else None

    def _number(self, path: str) -> Rule:
        return lambda value, at: number(value)

    def _quantity(self, path: str) -> Rule:
        return self._measured(path, quantity)

    def _age(self, path: str) -> Rule:
        return self._measured(path, age)

    def _measured(self, path: str, measure: Callable[[Any], dict[str, Any] | None]) -> Rule:
        capped = Action(path, GENERALISED)

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            measured = measure(value)
            if measured and measured["value"] != value["value"]:
                at.log.append(capped)
            return measured

        return rule

    def _instant(self, path: str) -> Rule:
        """A point in time that FHIR wants to the second, so that its year alone would be no instant."""
        dated = self._date(path)

        def rule(value: Any, at: Pass) -> str | None:
            moved = dated(value, at)
            return moved if moved is not None and "T" in moved else None

        return rule

    def _date(self, path: str) -> Rule:
        shifted, generalised = Action(path, SHIFTED), Action(path, GENERALISED)

        def rule(value: Any, at: Pass) -> str | None:
            if type(value) is not str:
                return None
            at.log.append(generalised if at.dates.shift is None else shifted)
            return at.dates.iso(value)

        return rule

    def _extension(self, path: str) -> Rule:
        """An extension whose URL is on the list, with a value of a kind that says nothing of itself."""

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            if type(value) is not dict or value.get("url") not in self._book.extensions:
                return None
            said: dict[str, Any] | None = self._value_of_extension()(value, at)
            return {"url": value["url"]} | said if said else None

        return rule

    def _value_of_extension(self) -> Rule:
        """Compiled when the first is met, and once: codings have extensions, whose values are codings."""
        if self._said is None:
            self._said = self._elements("extension", self._book.types["Extension"] | {"url": "ignored"}, inner=False)
        return self._said

    def _coding(self, path: str) -> Rule:
        display, extension = Action(f"{path}.display", REMOVED), self._extension(path)

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            if type(value) is not dict:
                return None
            system, code = value.get("system"), value.get("code")
            kept: dict[str, Any] = {}
            if type(system) is str and type(code) is str and (check := self._systems.get(system)) and check(code):
                kept = {"system": system, "code": code}
            text = text_of(kept["system"], kept["code"]) if kept and "display" in value else ""
            if text:
                kept["display"] = text
            elif "display" in value:
                at.log.append(display)
            if kept and type(value.get("version")) is str and _VERSION.fullmatch(value["version"]):
                kept["version"] = value["version"]
            if kept and type(value.get("extension")) is list and (more := _each(extension, value["extension"], at)):
                kept["extension"] = more
            return kept or None

        return rule

    def _required_coding(self, path: str) -> Rule:
        coding, masked = self._coding(path), Action(path, REPLACED)

        def rule(value: Any, at: Pass) -> dict[str, Any]:
            left = coding(value, at)
            if left is None:
                at.log.append(masked)
            return left or dict(MASKED)

        return rule

    def _required_concept(self, path: str) -> Rule:
        concept, masked = self._elements(path, self._book.types["Concept"]), Action(path, REPLACED)

        def rule(value: Any, at: Pass) -> dict[str, Any]:
            left = concept(value, at)
            if left is None:
                at.log.append(masked)
            return left or {"coding": [dict(MASKED)]}

        return rule

    def _reference(self, path: str) -> Rule:
        """A reference to a resource of a type that stays; to others what tells them apart, or nothing."""
        pointer = self._pointer(path, frozenset(self._book.resources))
        replaced = Action(path, REPLACED)

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            text = value.get("reference") if type(value) is dict else None
            if type(text) is str and text.startswith("#"):
                inside = at.contained.get(text[1:])
                return {"reference": f"#{inside}"} if inside else None
            found = target(value, at.aliases)
            if found is None or found[0] not in self._book.logical:
                kept: dict[str, Any] | None = pointer(value, at)
                return kept
            at.log.append(replaced)
            return {"type": found[0], "identifier": {"value": self._names.resource(*found)}}

        return rule

    def _patient(self, path: str) -> Rule:
        return self._pointer(path, frozenset({"Patient"}))

    def _pointer(self, path: str, targets: frozenset[str]) -> Rule:
        replaced = Action(path, REPLACED)

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            found = target(value, at.aliases)
            if found is None or found[0] not in targets:
                return None
            at.log.append(replaced)
            return {"reference": f"{found[0]}/{self._names.resource(*found)}"}

        return rule

    def _uid(self, path: str) -> Rule:
        replaced = Action(path, REPLACED)

        def rule(value: Any, at: Pass) -> str | None:
            if type(value) is not str or not _UID.fullmatch(value):
                return None
            at.log.append(replaced)
            return self._names.uid(value)

        return rule

    def _study_uid(self, path: str) -> Rule:
        """Of an ImagingStudy's identifiers the study's UID, so that the images that belong to it are found."""
        uid = self._uid(path)

        def rule(value: Any, at: Pass) -> dict[str, str] | None:
            if type(value) is not dict or value.get("system") != "urn:dicom:uid":
                return None
            text = value.get("value")
            new = uid(text.removeprefix("urn:oid:"), at) if type(text) is str else None
            return new and {"system": "urn:dicom:uid", "value": f"urn:oid:{new}"}

        return rule

    def _sop_class(self, path: str) -> Rule:
        """A class of DICOM objects that DICOM itself defines; any other could end in a record number."""
        from pydicom._uid_dict import UID_dictionary

        def rule(value: Any, at: Pass) -> dict[str, str] | None:
            code = value.get("code") if type(value) is dict else None
            found = _SOP_CLASS.fullmatch(code) if type(code) is str else None
            return (
                {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{found[1]}"}
                if found and found[1] in UID_dictionary
                else None
            )

        return rule

    def _address(self, path: str) -> Rule:
        """State, country, and of a code that may be a ZIP code three digits."""
        elements = self._elements(path, self._book.types["Address"])

        def rule(value: Any, at: Pass) -> dict[str, Any] | None:
            kept: dict[str, Any] = elements(value, at) or {}
            if kept.get("country", "US") not in ("US", "USA"):
                kept.pop("postalCode", None)
            return kept or None

        return rule

    def _zip3(self, path: str) -> Rule:
        generalised = Action(path, GENERALISED)

        def rule(value: Any, at: Pass) -> str | None:
            short = zip3(value) if type(value) is str else None
            if short is not None:
                at.log.append(generalised)
            return short

        return rule


def _each(rule: Rule, values: list[Any], at: Pass) -> list[Any] | None:
    kept = [left for value in values if (left := rule(value, at)) is not None]
    return kept or None
