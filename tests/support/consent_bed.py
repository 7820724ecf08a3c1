"""A hospital in no network with patients in FHIR, and consents that they give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hmchain.application.consent import taking
from hmchain.application.data import extraction
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.records.consents.reading import consents_in
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import read_request
from support.health_records import observation, patient
from support.pcf_consents import rule

PATIENTS = 6
RECORDS_EACH = 3
DATASET = "cohort"
YES, NO = rule("permit", purposes=("HRESCH",)), rule("deny", purposes=("HRESCH",))
_CODE = {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}
_MEDICATION = {"resourceType": "Medication", "id": "m", "code": _CODE}


def founded(place: Path, patients: int = PATIENTS) -> HospitalFolder:
    """A hospital with an open version: of each patient their own resource and two observations, and one medication."""
    lines = [patient(number) for number in range(patients)]
    lines += [observation(each, number) for number in range(patients) for each in range(RECORDS_EACH - 1)]
    file = place / "export.ndjson"
    file.write_text("\n".join(map(json.dumps, [*lines, _MEDICATION])))
    made = hospital.create(place / "north")
    extract(made, file)
    return made


def extract(place: HospitalFolder, file: Path) -> None:
    """Extract a file into the dataset."""
    with hospital.open_records(place) as records, open_source(read_request(str(file))) as source:
        extraction.extract_into(records, DATASET, source, title="Cohort", profile="longitudinal")


def give(records: Records, number: int, *resources: dict[str, Any]) -> None:
    """Take in consents of one patient."""
    give_of(records, f"p{number}", *resources)


def give_of(records: Records, patient_number: str, *resources: dict[str, Any]) -> None:
    """Take in consents of the patient whom the hospital gave this number."""
    lines = (json.dumps(each | {"patient": {"reference": f"Patient/{patient_number}"}}) for each in resources)
    taking.take(records.catalogue, list(consents_in("\n".join(lines).encode(), records.catalogue.patients.rule)))
