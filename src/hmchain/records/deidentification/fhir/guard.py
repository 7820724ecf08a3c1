"""The guard of a FHIR resource: who its patient is by its own word, and whether what stays says it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hmchain.records.deidentification.cuts import spelled
from hmchain.records.deidentification.fhir.rules import objects
from hmchain.records.deidentification.figures import PART_DIGITS_MIN
from hmchain.records.deidentification.identity import NUMBER_DIGITS_MIN, Identity, Trace
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.deidentification.terminology import UCUM, closed_systems

__all__ = ["Found", "Identity", "add", "found", "identity_of", "together", "without"]

_Path = tuple[str | int, ...]
_Arrange = Callable[[Iterable[tuple[str, Any]]], list[tuple[str, Any]]]

_OTHERS_TOLD = frozenset({UCUM, "urn:ietf:rfc:3986"})
"""Systems beside the closed ones whose codes nobody's number or name is."""
_REFERENCE_DEPTH_MAX = 3
_RUN = re.compile(r"\d+", re.ASCII)
PARTS_MAX = 3
"""Into so many values and codes a number may be cut."""


def identity_of(resource: Mapping[str, Any], patient_element: str, patient: Identity | None = None) -> Identity:
    """Collect what identifies: the patient to whom `patient_element` points, or who it is; and its own numbers.

    `patient` is what is known of that patient from elsewhere.
    """
    found = Identity(NUMBER_DIGITS_MIN)
    if patient is not None:
        found.include(patient)
    add(found, resource, patient_element)
    return found


def add(found: Identity, resource: Mapping[str, Any], patient_element: str) -> None:
    """Remember what a resource says of the patient to whom `patient_element` points, or who it is."""
    for pointer in objects(resource.get(patient_element)) if patient_element else ():
        reference = pointer.get("reference")
        if type(reference) is str:
            found.add_number(reference.split("/_history/")[0].split("/")[-1], own=True)
        _add_name(found, pointer.get("display"))
        _add_numbers(found, pointer.get("identifier"))
    _add_numbers(found, resource.get("identifier"))
    for name in _named(resource):
        found.add_name(name, own=False)
    _add_number(found, resource.get("subscriberId"))
    if not patient_element or resource.get("resourceType") == "RelatedPerson":
        _add_patient(found, resource)


def together(identities: Iterable[Identity]) -> Identity:
    """All that some identities tell."""
    found = Identity(NUMBER_DIGITS_MIN)
    for each in identities:
        found.include(each)
    return found


@dataclass(frozen=True)
class Found:
    """A code or number that stays and tells who the patient is."""

    path: _Path
    """Where it is within the resource."""
    trace: Trace
    word: str

    def finding(self, kind: str) -> Finding:
        """The same for a reviewer; `kind` is the type of the resource."""
        place = ".".join((kind, *(step for step in self.path if type(step) is str)))
        return Finding(place, self.word, self.trace is Trace.CERTAIN)


def found(identity: Identity, kept: Mapping[str, Any], encoded: bytes) -> tuple[Found, ...]:
    """Find what the numbers and codes that stay tell; `encoded` is all of `kept`."""
    text = encoded.decode()
    told = [] if identity.is_nowhere_in(text) else list(_found(identity, kept, ()))
    told += _cut(identity.numbers(PART_DIGITS_MIN), kept, {each.path for each in told})
    return tuple(told)


def without(value: Any, paths: Collection[_Path], here: _Path = ()) -> Any:
    """A resource without what is at some paths: with its coding, or its quantity; None if nothing is left."""
    if type(value) is dict:
        if any(path[:-1] == here and path[-1] in ("code", "value") for path in paths) and here:
            return None
        left = {name: without(inner, paths, (*here, name)) for name, inner in value.items()}
        return {name: inner for name, inner in left.items() if inner is not None} or None
    if type(value) is list:
        kept = [without(inner, paths, (*here, index)) for index, inner in enumerate(value)]
        return [inner for inner in kept if inner is not None] or None
    return None if here in paths else value


def _found(identity: Identity, value: Any, here: _Path) -> Iterator[Found]:
    if type(value) is dict:
        code = value.get("code")
        if type(code) is str and not _is_told(value.get("system")) and (trace := identity.in_text(code)):
            yield Found((*here, "code"), trace, code)
        for name, inner in value.items():
            yield from _found(identity, inner, (*here, name))
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from _found(identity, inner, (*here, index))
    elif (type(value) is int or type(value) is Decimal) and (trace := identity.in_number(value)):
        yield Found(here, trace, str(value))


def _cut(numbers: frozenset[str], kept: Mapping[str, Any], told: Collection[_Path]) -> Iterator[Found]:
    """The values and codes over which a number is cut.

    They stand in the order in which they came, and in that in which they are written, which is by name.
    """
    ways = (list(_values(kept, (), arranged)) for arranged in (list, sorted))
    places = {place for way in ways for part in spelled(way, numbers, parts_max=PARTS_MAX) for place in part}
    yield from (Found(path, Trace.POSSIBLE, word) for path, word in sorted(places, key=str) if path not in told)


def _values(value: Any, here: _Path, arranged: _Arrange) -> Iterator[tuple[str, tuple[_Path, str]]]:
    """The digits of the numbers and codes of a resource, in order, each with its path and the whole."""
    if type(value) is dict:
        for name, inner in arranged(value.items()):
            if name != "code" or type(inner) is not str:
                yield from _values(inner, (*here, name), arranged)
            elif not _is_told(value.get("system")):
                yield from ((run, ((*here, name), inner)) for run in _RUN.findall(inner))
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from _values(inner, (*here, index), arranged)
    elif type(value) is int or type(value) is Decimal:
        text = str(value)
        yield "".join(filter(str.isdigit, text)), (here, text)


def _is_told(system: Any) -> bool:
    """Tell whether nobody's number or name is a code of a system."""
    return system in _OTHERS_TOLD or system in closed_systems()


def _add_patient(found: Identity, patient: Mapping[str, Any]) -> None:
    own = patient.get("id")
    if type(own) is str:
        found.add_number(own, own=True)
    for person in (patient, *objects(patient.get("contact"))):  # the patient, and those to call
        for name in objects(person.get("name")):
            given = name.get("given")
            parts = [name.get("family"), *(given if type(given) is list else [given])]
            _add_name(found, "^".join(part for part in parts if type(part) is str))
            _add_name(found, name.get("text"))
        for contact in objects(person.get("telecom")):
            _add_number(found, contact.get("value"))
        for address in objects(person.get("address")):
            lines = address.get("line")
            for words in (*(lines if type(lines) is list else ()), address.get("city"), address.get("district")):
                if type(words) is str:
                    found.add_place(words)
    born = patient.get("birthDate")
    if type(born) is str:
        found.add_day(born)


def _named(value: Any, depth: int = 0) -> Iterator[str]:
    """The names that references give to whom they point to: who ordered, performed, interpreted."""
    if depth > _REFERENCE_DEPTH_MAX:
        return
    if type(value) is dict:
        name = value.get("display")
        if type(name) is str and "code" not in value and "system" not in value:
            yield name
        for inner in value.values():
            if type(inner) is dict or type(inner) is list:
                yield from _named(inner, depth + 1)
    elif type(value) is list:
        for inner in value:
            yield from _named(inner, depth)


def _add_name(found: Identity, name: Any) -> None:
    if type(name) is str:
        found.add_name(name, own=True)


def _add_numbers(found: Identity, identifiers: Any) -> None:
    for identifier in objects(identifiers):
        _add_number(found, identifier.get("value"))


def _add_number(found: Identity, value: Any) -> None:
    if type(value) is str:
        found.add_number(value, own=True)
