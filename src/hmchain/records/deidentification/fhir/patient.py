"""Whose a resource is: ids and identifiers of Patient, and links between those that are one person (R4 8.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hmchain.decoding import mappings
from hmchain.records.deidentification.fhir.rules import target
from hmchain.records.deidentification.patients import Patient, PatientRule, issuer_name
from hmchain.records.deidentification.pseudonyms import Pseudonyms

MERGED, PRIOR_NUMBER, REPLACED = "merged", "prior number", "replaced"
"""An attribute of Patient resources of a patient who has several, since numbers turned out to mean one person."""
_IDS = "fhir id"
"""Stands for the issuer of the ids of resources where those are no numbers of the hospital's."""


def patient_of(own: str, rule: PatientRule) -> Patient:
    """The patient whose resource has an id."""
    return Patient(own, "" if rule.fhir_ids else _IDS)


def merges(
    own: str, resource: Mapping[str, Any], aliases: Mapping[str, str], rule: PatientRule
) -> Iterator[tuple[Patient, Patient]]:
    """The patients whom a Patient resource says to be another: each with whom it is.

    `replaced-by` says it of the resource itself, the other links of the one that they name. Where ids are no numbers,
    an identifier of one of the hospital's own systems says whose the id is.
    """
    for link in mappings(resource.get("link")):
        found = target(link.get("other"), aliases)
        if found is not None and found[0] == "Patient" and found[1] not in ("", own):
            pair = patient_of(own, rule), patient_of(found[1], rule)
            yield pair if link.get("type") == "replaced-by" else pair[::-1]
    if (number := _number(resource, rule)) is not None:
        yield patient_of(own, rule), number


def merged(own: str, resource: Mapping[str, Any], pseudonyms: Pseudonyms) -> dict[str, str]:
    """Say, as an attribute, of a Patient resource of somebody who turned out to be another, that the other's counts."""
    if any(link.get("type") == "replaced-by" for link in mappings(resource.get("link"))):
        return {MERGED: REPLACED}
    number = _number(resource, pseudonyms.rule) or patient_of(own, pseudonyms.rule)
    return {MERGED: PRIOR_NUMBER} if pseudonyms.is_another(number) else {}


def _number(resource: Mapping[str, Any], rule: PatientRule) -> Patient | None:
    systems = set(map(issuer_name, () if rule.fhir_ids else rule.own))
    for identifier in mappings(resource.get("identifier")):
        system, value = identifier.get("system"), identifier.get("value")
        if type(system) is str and type(value) is str and value.strip() and issuer_name(system) in systems:
            return Patient(value, system)
    return None
