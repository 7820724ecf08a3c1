"""The systems of codes by the words that queries use for them."""

from __future__ import annotations

from functools import cache

from hmchain.records.deidentification.terminology import shipped_systems

_TITLES = {
    "ATC": "ATC",
    "ICD-10": "ICD10",
    "ICD-10-GM": "ICD10",
    "ICD-11": "ICD11",
    "ICD-O-3": "ICDO3",
    "LOINC": "LOINC",
    "OPS": "OPS",
    "ORPHAcodes": "ORPHA",
    "PZN": "PZN",
    "SNOMED CT": "SNOMED",
}
"""National editions of ICD-10 are one: their first characters mean the same."""
_FURTHER = {
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
}


@cache
def words_of_systems() -> dict[str, str]:
    """The word of each system, by all that FHIR calls it."""
    known = {name: _TITLES[each.title] for each in shipped_systems() if each.title in _TITLES for name in each.names}
    return known | _FURTHER
