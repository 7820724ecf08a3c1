"""Made-up patients as FHIR resources, HL7 v2 messages and OMOP tables: the same ones for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from hmchain.keys import SecretKey
from hmchain.records.deidentification.patients import People
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms

Resource = dict[str, Any]

HL7 = "http://terminology.hl7.org/CodeSystem"
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
AS_OF = date(2026, 6, 1)
"""The day at which tests count ages."""

_VITALS = (
    ("8302-2", "Body height", "cm", 171.0),
    ("29463-7", "Body weight", "kg", 74.5),
    ("2345-7", "Glucose", "mmol/L", 5.4),
)
_NAMES = ("Ada", "Bela", "Cyra", "Dov", "Ewa", "Finn", "Gül", "Hugo", "Ines", "Jörg")


def pseudonyms(project: str = "project", secret: bytes = bytes(32)) -> Pseudonyms:
    """Pseudonyms under a secret that everybody knows."""
    return Pseudonyms(SecretKey(secret), project, people=People(home={"hl7": "north"}))


def profile(name: str = "basic") -> Profile:
    """A shipped profile."""
    return load_profile(name)


# -- FHIR --------------------------------------------------------------------------------------------------------------


def patient(number: int, **elements: Any) -> Resource:
    """One patient as a hospital has it."""
    chance = random.Random(number)
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-02T03:04:05Z"},
        "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>A patient</div>"},
        "identifier": [{"system": "urn:oid:1.2.3", "value": f"MRN-{number:08}"}],
        "name": [{"family": "Muster", "given": [chance.choice(_NAMES)]}],
        "telecom": [{"system": "phone", "value": f"555-{number:04}"}],
        "gender": chance.choice(("female", "male")),
        "birthDate": (date(1930, 1, 1) + timedelta(days=chance.randrange(30000))).isoformat(),
        "address": [{"line": ["1 Main Street"], "city": "Boston", "state": "MA", "postalCode": "02139"}],
    } | elements


def observation(number: int, of: int, **elements: Any) -> Resource:
    """One vital sign of patient `of`."""
    chance = random.Random(f"{of}/{number}")
    code, text, unit, typical = chance.choice(_VITALS)
    taken = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(3_000_000))
    return {
        "resourceType": "Observation",
        "id": f"o{of}-{number}",
        "status": "final",
        "category": [{"coding": [{"system": f"{HL7}/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": code, "display": text}], "text": text},
        "subject": {"reference": f"Patient/p{of}"},
        "encounter": {"reference": f"Encounter/e{of}"},
        "effectiveDateTime": taken.isoformat(),
        "issued": taken.isoformat(),
        "valueQuantity": {
            "value": round(typical * chance.uniform(0.8, 1.2), 2), "unit": unit, "system": UCUM, "code": unit,
        },
    } | elements  # fmt: skip


def resources(patients: int, observations: int = 3) -> list[Resource]:
    """Patients, each followed by an encounter, a condition and observations."""
    found = []
    for number in range(patients):
        subject = {"reference": f"Patient/p{number}"}
        started = (date(2020, 1, 1) + timedelta(days=number)).isoformat()
        found += [
            patient(number),
            {
                "resourceType": "Encounter",
                "id": f"e{number}",
                "status": "finished",
                "class": {"system": f"{HL7}/v3-ActCode", "code": "AMB"},
                "subject": subject,
                "period": {"start": f"{started}T08:00:00Z", "end": f"{started}T09:00:00Z"},
            },
            {
                "resourceType": "Condition",
                "id": f"c{number}",
                "subject": subject,
                "code": {"coding": [{"system": SNOMED, "code": "38341003", "display": "Hypertension"}]},
                "onsetDateTime": started,
            },
        ]
        found += [observation(each, number) for each in range(observations)]
    return found


def ndjson(some: Iterable[Resource]) -> bytes:
    """A line a resource."""
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in some)


def bundle(some: Iterable[Resource], kind: str = "collection", **elements: Any) -> Resource:
    """A bundle of resources."""
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": each} for each in some]} | elements


# -- HL7 v2 ------------------------------------------------------------------------------------------------------------


def result_message(number: int, of: int, *, charset: str = "", name: str = "Muster^Ada") -> str:
    """An ORU^R01 with one result of patient `of`."""
    chance = random.Random(f"{of}/{number}")
    code, text, unit, typical = chance.choice(_VITALS)
    return "\r".join([
        f"MSH|^~\\&|LAB|NORTH|EHR|NORTH|20240305101112||ORU^R01^ORU_R01|{number}|P|2.5.1||||||{charset}",
        f"PID|1||{of}^^^NORTH^MR||{name}||19560203|F|||1 Main Street^^Boston^MA^02139^USA||555-{of:04}",
        "PV1|1|O",
        f"OBR|1|{number}^EHR|{number}^LAB|{code}^{text}^LN|||20240305093000",
        f"OBX|1|NM|{code}^{text}^LN||{typical * chance.uniform(0.8, 1.2):.2f}|{unit}^^UCUM|1.0 - 200.0|N|||F",
        "NTE|1||A note about the patient",
    ]) + "\r"  # fmt: skip


def admission_message(number: int, of: int) -> str:
    """An ADT^A01 of patient `of`."""
    return "\r".join([
        f"MSH|^~\\&|ADT|NORTH|EHR|NORTH|20240304080000||ADT^A01^ADT_A01|{number}|P|2.5.1",
        "EVN||20240304080000",
        f"PID|1||{of}^^^NORTH^MR||Muster^Ada||19560203|F",
        "NK1|1|Muster^Bela|SPO||555-0000",
        f"PV1|1|I|WARD^1^2|||||||MED|||||||||{number}^^^NORTH|||||||||||||||||||||||||20240304080000",
        "DG1|1||I10^Hypertension^I10||20240304|A",
    ]) + "\r"  # fmt: skip


# -- OMOP --------------------------------------------------------------------------------------------------------------


def omop_person(patients: int, seed: int = 7) -> pl.DataFrame:
    """The table `person`, with columns that the schema does not declare."""
    chance = random.Random(seed)
    return pl.DataFrame({
        "person_id": range(1, patients + 1),
        "gender_concept_id": [chance.choice((8507, 8532)) for _ in range(patients)],
        "year_of_birth": [chance.randint(1925, 1999) for _ in range(patients)],
        "month_of_birth": [chance.randint(1, 12) for _ in range(patients)],
        "race_concept_id": [8527] * patients,
        "person_source_value": [f"MRN-{number:08}" for number in range(patients)],
    })  # fmt: skip


def omop_measurement(rows: int, patients: int, seed: int = 7) -> pl.DataFrame:
    """The table `measurement`, its rows in the order in which they were taken."""
    chance = random.Random(seed)
    days = sorted(chance.randrange(2000) for _ in range(rows))
    return pl.DataFrame({
        "measurement_id": range(1, rows + 1),
        "person_id": [chance.randint(1, patients) for _ in range(rows)],
        "measurement_concept_id": [3004249] * rows,
        "measurement_date": [date(2019, 1, 1) + timedelta(days=day) for day in days],
        "operator_concept_id": [None] * rows,
        "value_as_number": [round(chance.uniform(90, 180), 1) for _ in range(rows)],
        "value_as_concept_id": [None] * rows,
        "unit_concept_id": [8876] * rows,
        "range_low": [None] * rows,
        "range_high": [140.0] * rows,
        "visit_occurrence_id": [chance.randint(1, 10 * patients) for _ in range(rows)],
    })  # fmt: skip
