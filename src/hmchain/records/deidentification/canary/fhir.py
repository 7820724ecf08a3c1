"""Canaries in FHIR R4: whatever of a resource a person can be named in, and codes, numbers and names abused for it."""

from __future__ import annotations

import base64
import json
from typing import Any

from hmchain.records.deidentification.canary.planting import Canaries, PlantedItem
from hmchain.records.sources.item import FHIR

_LOINC, _SNOMED = "http://loinc.org", "http://snomed.info/sct"


def plant() -> list[PlantedItem]:
    """Resources one by one, a bundle, and NDJSON."""
    return [_patient(), _observation(), _short(), _report(), _bundle(), _lines(), _held(), _own_number()]


def _encoded(*resources: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(resource).encode() for resource in resources)


def _patient() -> PlantedItem:
    at = Canaries("canary/Patient.json")
    day = at.day("Patient.birthDate")
    patient = {
        "resourceType": "Patient",
        "id": at.word("Patient.id"),
        "meta": {"source": f"https://{at.word('Patient.meta.source').lower()}.example.org"},
        "implicitRules": f"https://example.org/{at.word('Patient.implicitRules')}",
        "text": {"status": "generated", "div": at.text("Patient.text.div", "<div>Mr {} was born here</div>")},
        "contained": [{"resourceType": "RelatedPerson", "id": "r", "name": [{"text": at.word("Patient.contained")}]}],
        "extension": [{"url": "http://example.org/mother", "valueString": at.word("Patient.extension")}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": at.number("Patient.identifier", 9)}],
        "name": [{"family": at.word("Patient.name.family"), "given": [at.word("Patient.name.given")]}],
        "telecom": [
            {"system": "phone", "value": at.number("Patient.telecom phone")},
            {"system": "email", "value": at.text("Patient.telecom email", "{}@example.org")},
        ],
        "gender": at.word("Patient.gender"),
        "_gender": {"extension": [{"url": "http://example.org/x", "valueString": at.word("Patient._gender")}]},
        "birthDate": day.isoformat(),
        "_birthDate": {"extension": [{"url": "http://example.org/t", "valueDateTime": f"{day}T10:11:12Z"}]},
        "address": [
            {
                "text": at.word("Patient.address.text"),
                "line": [at.text("Patient.address.line", "12 {} Street")],
                "city": at.word("Patient.address.city"),
                "district": at.word("Patient.address.district"),
                "state": at.word("Patient.address.state"),
                "postalCode": at.number("Patient.address.postalCode", 9),
                "country": at.word("Patient.address.country"),
            }
        ],
        "maritalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": at.word("code")}],
            "text": at.word("Patient.maritalStatus.text"),
        },
        "photo": [{"contentType": "text/plain", "data": _attached(at, "Patient.photo.data")}],
        "contact": [{"name": {"family": at.word("Patient.contact.name")}}],
        "communication": [{"language": {"text": at.word("Patient.communication.language.text")}}],
        "generalPractitioner": [{"display": at.word("Patient.generalPractitioner.display")}],
        "managingOrganization": {"reference": f"https://example.org/Organization/{at.word('Organization.id')}"},
        "link": [{"other": {"reference": f"Patient/{at.word('Patient.link.other')}"}, "type": "seealso"}],
        at.word("Patient, an element's name"): at.word("Patient, an unknown element"),
    }
    return at.planted(FHIR, _encoded(patient))


def _observation() -> PlantedItem:
    at = Canaries("canary/Observation.json")
    day = at.day("Observation.effectiveDateTime")
    observation = {
        "resourceType": "Observation",
        "id": at.number("Observation.id", 12),
        "status": "final",
        "category": [{"coding": [{"system": at.text("system", "https://{}.org"), "code": at.word("category")}]}],
        "code": {
            "coding": [
                {"system": _LOINC, "code": "8302-2", "display": at.word("Observation.code.coding.display")},
                {"system": "urn:local", "code": at.word("Observation.code.coding.code, local")},
                {"system": _LOINC, "code": at.word("Observation.code.coding.code"), "version": at.word("version")},
            ],
            "text": at.word("Observation.code.text"),
        },
        "subject": {
            "reference": f"https://fhir.example.org/r4/Patient/{at.number('Observation.subject.reference')}",
            "display": at.word("Observation.subject.display"),
            "identifier": {"value": at.number("Observation.subject.identifier")},
        },
        "encounter": {"reference": f"Encounter/{at.number('Observation.encounter')}/_history/2"},
        "performer": [{"display": at.word("Observation.performer.display")}],
        "effectiveDateTime": f"{day}T09:08:07+01:00",
        "issued": f"{at.day('Observation.issued')}T09:08:07Z",
        "valueString": at.text("Observation.valueString", "patient {} refused"),
        "valueInteger": int(at.number("Observation.valueInteger, a telephone number")),
        "valueQuantity": {"value": 1.75, "unit": at.word("Observation.valueQuantity.unit"), "system": "urn:x"},
        "note": [{"text": at.word("Observation.note"), "authorString": at.word("Observation.note.authorString")}],
        "bodySite": {"coding": [{"system": _SNOMED, "code": at.word("Observation.bodySite")}]},
        "device": {"reference": f"#{at.word('Observation.device, contained')}"},
        "component": [
            {
                "code": {"coding": [{"system": _LOINC, "code": "8480-6"}], "text": at.word("component.code.text")},
                "valueString": at.word("Observation.component.valueString"),
                "extension": [{"url": "http://example.org", "valueString": at.word("component.extension")}],
            }
        ],
        "referenceRange": [{"text": at.word("Observation.referenceRange.text")}],
    }
    return at.planted(FHIR, _encoded(observation))


def _short() -> PlantedItem:
    """Numbers and names in the places of codes and results, no longer than they are at home."""
    at = Canaries("canary/short.ndjson")
    patient = {
        "resourceType": "Patient",
        "id": at.number("Patient.id, short", 5),
        "address": [{"country": at.given("Patient.address.country, a name", "QUY"), "state": "MA"}],
        "maritalStatus": {"coding": [{"system": "urn:x", "code": at.number("a local code", 5)}]},
    }
    telephone = {
        "resourceType": "Observation",
        "id": "o-1",
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": at.given("a number as a LOINC code", "48219-9")}]},
        "subject": {"reference": "Patient/p-1"},
        "valueInteger": int(at.number("valueInteger, a telephone", 7)),
        "valueQuantity": {"value": int(at.number("valueQuantity without a unit, a telephone", 7))},
        "method": {"coding": [{"system": _SNOMED, "code": at.given("a telephone as a SNOMED code", "5550199003")}]},
        "bodySite": {
            "coding": [
                {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": at.given("a name as a DICOM code", "QUYE"),
                }
            ]
        },
    }
    return at.planted(FHIR, _encoded(patient, telephone))


def _own_number() -> PlantedItem:
    """The patient's own number, which could be a result."""
    at = Canaries("canary/own.json")
    number = at.number("Observation.valueInteger, the patient's number", 5)
    observation = {
        "resourceType": "Observation",
        "id": "o-2",
        "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": "2345-7"}]},
        "subject": {"reference": f"Patient/{number}"},
        "valueInteger": int(number),
    }
    return at.planted(FHIR, _encoded(observation), held="identifier_suspected")


def _report() -> PlantedItem:
    at = Canaries("canary/DiagnosticReport.json")
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report-1",
        "status": "final",
        "identifier": [{"value": at.number("DiagnosticReport.identifier")}],
        "code": {"text": at.word("DiagnosticReport.code.text")},
        "subject": {"reference": "Patient/p-1", "type": at.word("DiagnosticReport.subject.type")},
        "conclusion": at.text("DiagnosticReport.conclusion", "{} has pneumonia"),
        "media": [{"comment": at.word("DiagnosticReport.media.comment"), "link": {"display": "x"}}],
        "presentedForm": [
            {
                "contentType": "application/pdf",
                "data": _attached(at, "DiagnosticReport.presentedForm.data"),
                "title": at.word("DiagnosticReport.presentedForm.title"),
                "url": at.text("DiagnosticReport.presentedForm.url", "https://example.org/{}.pdf"),
            }
        ],
    }
    return at.planted(FHIR, _encoded(report))


def _bundle() -> PlantedItem:
    at = Canaries("canary/Bundle.json")
    patient = {"resourceType": "Patient", "name": [{"text": at.word("Bundle: Patient.name.text")}]}
    study_uid = at.uid("ImagingStudy.identifier")
    study = {
        "resourceType": "ImagingStudy",
        "id": at.word("ImagingStudy.id"),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid}"}],
        "status": "available",
        "subject": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        "description": at.word("ImagingStudy.description"),
        "series": [
            {
                "uid": at.uid("ImagingStudy.series.uid"),
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
                "performer": [{"actor": {"display": at.word("ImagingStudy.series.performer")}}],
                "instance": [{"uid": at.uid("ImagingStudy.series.instance.uid"), "title": at.word("instance.title")}],
            }
        ],
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "identifier": {"value": at.number("Bundle.identifier")},
        "link": [{"relation": "self", "url": at.text("Bundle.link", "https://example.org/Patient?name={}")}],
        "entry": [
            {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": patient},
            {"resource": study, "request": {"method": "POST", "url": at.word("Bundle.entry.request.url")}},
        ],
    }
    return at.planted(FHIR, json.dumps(bundle, indent=2).encode())


def _lines() -> PlantedItem:
    at = Canaries("canary/lines.ndjson")
    condition = {
        "resourceType": "Condition",
        "id": "c-1",
        "subject": {"reference": "Patient/p-1"},
        "code": {"coding": [{"system": _SNOMED, "code": "38341003"}], "text": at.word("Condition.code.text")},
        "onsetString": at.word("Condition.onsetString"),
        "recordedDate": at.day("Condition.recordedDate").isoformat(),
        "asserter": {"reference": f"Practitioner?identifier={at.number('Condition.asserter')}"},
        "evidence": [{"detail": [{"display": at.word("Condition.evidence.detail.display")}]}],
    }
    request = {
        "resourceType": "MedicationRequest",
        "id": "m-1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": at.word("MedicationRequest.medicationCodeableConcept.text")},
        "subject": {"reference": "Patient/p-1"},
        "groupIdentifier": {"value": at.number("MedicationRequest.groupIdentifier")},
        "dosageInstruction": [
            {
                "text": at.word("MedicationRequest.dosageInstruction.text"),
                "patientInstruction": at.word("MedicationRequest.dosageInstruction.patientInstruction"),
                "timing": {"event": [at.day("dosageInstruction.timing.event").isoformat()]},
            }
        ],
    }
    practitioner = {"resourceType": "Practitioner", "id": "d-1", "name": [{"text": at.word("Practitioner.name")}]}
    return at.planted(FHIR, _encoded(condition, practitioner, request))


def _held() -> PlantedItem:
    at = Canaries("canary/held.ndjson")
    unknown = {"resourceType": at.word("resourceType"), "id": "u-1", "title": at.word("an unknown resource")}
    return at.planted(FHIR, _encoded(unknown), held="passed_over")


def _attached(at: Canaries, place: str) -> str:
    return base64.b64encode(at.text(place, "Report on {}, seen today").encode()).decode()
