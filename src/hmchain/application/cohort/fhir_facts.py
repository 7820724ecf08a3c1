"""What FHIR resources say of a person, as far as queries ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from hmchain.application.cohort.persons import About, Days, Fact
from hmchain.application.cohort.systems import words_of_systems
from hmchain.decoding import mapping, mappings
from hmchain.ledger.contracts.data.queries import Code, Kind, Sex, is_day
from hmchain.records.deidentification.fhir.resources import BAD_JSON, decode

Resource = Mapping[str, Any]
_NOT_SO = frozenset({"entered-in-error", "not-done", "cancelled", "not-taken", "refuted"})
"""Statuses of what did not happen."""


def fhir_facts(data: bytes) -> Iterator[About | Fact]:
    """What a de-identified resource says; nothing if it cannot be read, or is of a type that no query asks about."""
    try:
        resource = decode(data)
    except BAD_JSON:
        return
    read = _READERS.get(str(resource.get("resourceType")))
    if read is not None and not _is_denied(resource):
        yield from read(resource)


def _is_denied(resource: Resource) -> bool:
    verified = mappings(mapping(resource.get("verificationStatus")).get("coding"))
    said = {str(resource.get("status")), *(str(coding.get("code")) for coding in verified)}
    return bool(said & _NOT_SO)


def _patient(resource: Resource) -> Iterator[About]:
    sex = resource.get("gender")
    born = _days(resource.get("birthDate"))
    yield About(sex if sex in list(Sex) else "", born[0] // 10_000 if born else None)


def _condition(resource: Resource) -> Iterator[Fact]:
    when = _when(resource, "onsetDateTime", "onsetPeriod", "recordedDate")
    yield Fact(Kind.CONDITION, _codes(resource.get("code")), when)


def _procedure(resource: Resource) -> Iterator[Fact]:
    when = _when(resource, "performedDateTime", "performedPeriod")
    yield Fact(Kind.PROCEDURE, _codes(resource.get("code")), when)


def _drug(resource: Resource) -> Iterator[Fact]:
    """A drug named by its code, or by a medication that stands within the resource."""
    named = [resource.get("medicationCodeableConcept"), resource.get("vaccineCode")]
    reference = mapping(resource.get("medicationReference")).get("reference")
    named += [inner.get("code") for inner in mappings(resource.get("contained")) if f"#{inner.get('id')}" == reference]
    when = _when(resource, "effectiveDateTime", "effectivePeriod", "occurrenceDateTime", "authoredOn", "whenHandedOver")
    yield Fact(Kind.DRUG, tuple(code for each in named for code in _codes(each)), when)


def _observation(resource: Resource) -> Iterator[Fact]:
    when = _when(resource, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
    for said in (resource, *mappings(resource.get("component"))):
        quantity = mapping(said.get("valueQuantity"))
        number = quantity.get("value", said.get("valueInteger"))
        value = Decimal(number) if isinstance(number, int | Decimal) and not quantity.get("comparator") else None
        unit = str(quantity.get("code") or quantity.get("unit") or "")
        yield Fact(Kind.MEASUREMENT, _codes(said.get("code")), when, value=value, unit=unit)


def _imaging(resource: Resource) -> Iterator[Fact]:
    """A series each, and what the study says of all."""
    when = _when(resource, "started")
    made: list[tuple[Resource, tuple[Code, ...]]] = [(coding, ()) for coding in mappings(resource.get("modality"))]
    for series in mappings(resource.get("series")):
        made.append((mapping(series.get("modality")), _coded([series.get("bodySite")])))
    for coding, parts in made:
        yield Fact(Kind.MODALITY, parts, when, modality=str(coding.get("code", "")))


_READERS: Mapping[str, Callable[[Resource], Iterator[About | Fact]]] = {
    "Patient": _patient,
    "Condition": _condition,
    "Procedure": _procedure,
    "MedicationRequest": _drug,
    "MedicationStatement": _drug,
    "MedicationAdministration": _drug,
    "MedicationDispense": _drug,
    "Immunization": _drug,
    "Observation": _observation,
    "ImagingStudy": _imaging,
}


def _codes(concept: Any) -> tuple[Code, ...]:
    return _coded(mappings(mapping(concept).get("coding")))


def _coded(codings: list[Any]) -> tuple[Code, ...]:
    systems = words_of_systems()
    found = ((systems.get(str(each.get("system"))), each.get("code")) for each in map(mapping, codings))
    return tuple(Code(system, str(code)) for system, code in found if system and code)


def _when(resource: Resource, *elements: str) -> Days | None:
    """The first of these that says when; of a period its beginning."""
    for element in elements:
        value = resource.get(element)
        if (days := _days(value.get("start") if isinstance(value, dict) else value)) is not None:
            return days
    return None


def _days(text: Any) -> Days | None:
    """The days that a FHIR date may mean, by its precision."""
    digits = text[:10].split("-") if isinstance(text, str) else []
    if not 1 <= len(digits) <= 3 or not all(part.isdecimal() for part in digits):
        return None
    number = int("".join(digits)) * 100 ** (3 - len(digits))
    first, last = (number + rest % 100 ** (3 - len(digits)) for rest in (101, 1231))
    if len(digits) == 2:
        last = next(number + day for day in (31, 30, 29, 28) if is_day(number + day)) if is_day(first) else 0
    return (first, last) if is_day(first) and is_day(last) else None
