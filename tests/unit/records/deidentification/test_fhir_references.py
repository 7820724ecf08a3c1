"""References between FHIR resources: what stays points to what stays, or says plainly that it points outside."""

from __future__ import annotations

from typing import Any

from hmchain.records.deidentification.fhir.rules import load_book
from support.fhir_outcomes import clean, outcomes
from support.health_records import SNOMED, Resource, bundle, ndjson, observation, patient

GM, ATC = "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/bfarm/atc"
MORE = "http://fhir.de/StructureDefinition/icd-10-gm-mehrfachcodierungs-kennzeichen"


def coded(system: str, code: str, **more: Any) -> Resource:
    return {"coding": [{"system": system, "code": code} | more]}


def statement(reference: str, **elements: Any) -> Resource:
    return {
        "resourceType": "MedicationStatement",
        "id": "s1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationReference": {"reference": reference},
    } | elements


MEDICATION: Resource = {
    "resourceType": "Medication",
    "id": "m1",
    "identifier": [{"value": "Made for Ada Muster"}],
    "code": coded(ATC, "L01XK02") | {"text": "Niraparib for Ada"},
    "form": coded("http://standardterms.edqm.eu", "10219000"),
    "batch": {"lotNumber": "A-1"},
    "ingredient": [{"itemCodeableConcept": coded(SNOMED, "387207008"), "strength": {
        "numerator": {"value": 1, "system": "http://standardterms.edqm.eu", "code": "15054000", "unit": "Stück"},
        "denominator": {"value": 2, "system": "http://unitsofmeasure.org", "code": "mg"},
    }}],
}  # fmt: skip


def test_a_medication_stays_nobodys_and_the_statement_points_to_it() -> None:
    said, made = clean(statement("Medication/m1"), MEDICATION)
    assert said["medicationReference"] == {"reference": f"Medication/{made['id']}"}
    assert made["code"] == coded(ATC, "L01XK02") and made["form"] == coded("http://standardterms.edqm.eu", "10219000")
    assert made["ingredient"][0]["strength"]["numerator"] == {
        "value": 1, "system": "http://standardterms.edqm.eu", "code": "15054000",
    }  # fmt: skip
    assert "Ada" not in str(made) and "batch" not in made
    first, second = outcomes(ndjson([statement("Medication/m1"), MEDICATION]))
    assert getattr(first, "subject", "") and getattr(second, "subject", None) == ""


def test_what_is_contained_stays_within_where_it_is_needed() -> None:
    inside = [
        MEDICATION | {"id": "med"},
        {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Huber"}]},
        MEDICATION | {"id": "unused"},
    ]
    more = {"informationSource": {"reference": "#doc"}, "derivedFrom": [{"reference": "#doc"}]}
    [said] = clean(statement("#med", contained=inside, **more))
    assert said["medicationReference"] == {"reference": "#c1"}
    [within] = said["contained"]
    assert (within["resourceType"], within["id"], within["code"]) == ("Medication", "c1", coded(ATC, "L01XK02"))
    assert "Huber" not in str(said) and "derivedFrom" not in said


def test_places_are_told_apart_by_a_pseudonym_that_points_nowhere_and_people_are_not_named() -> None:
    visit = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "IMP",
            "display": "Ada's visit",
        },
        "subject": {"reference": "Patient/p1"},
        "serviceProvider": {"reference": "Organization/ward-of-dr-huber", "display": "Huber"},
        "participant": [{"individual": {"reference": "Practitioner/huber"}}],
        "location": [{"location": {"reference": "Location/bed-7"}}],
    }
    [kept] = clean(visit)
    assert kept["serviceProvider"]["type"] == "Organization" and set(kept["serviceProvider"]) == {"type", "identifier"}
    assert "huber" not in str(kept).lower() and "participant" not in kept
    assert kept["class"]["display"] == "inpatient encounter", "the terminology's own text, not the sender's"


def test_a_german_diagnosis_keeps_its_signs_and_year() -> None:
    sign = {"system": "http://fhir.de/CodeSystem/icd-10-gm-mehrfachcodierungs-kennzeichen", "code": "*"}
    said = [
        {"url": MORE, "valueCoding": sign},
        {"url": "http://north.example.org/ada", "valueString": "Ada"},
        {"url": MORE, "valueString": "Ada"},
    ]
    coding = {"version": "2024", "display": "Bursitis (Ada)", "extension": said}
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": coded(GM, "M73.04", **coding),
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/condition-related",
                "valueReference": {"reference": "Condition/c2"},
            },
            {"url": "http://north.example.org/name", "valueString": "Muster"},
        ],
        "_recordedDate": {"extension": [{"url": "x", "valueString": "Ada"}]},
    }
    [kept] = clean(condition)
    assert kept["code"] == coded(GM, "M73.04", version="2024", extension=[{"url": MORE, "valueCoding": sign}])
    [related] = kept["extension"]
    assert related["valueReference"]["reference"].startswith("Condition/") and "c2" not in str(related)
    assert "Ada" not in str(kept) and "Muster" not in str(kept)


def test_bundles_within_bundles_are_opened_and_their_names_are_known() -> None:
    inner = bundle([patient(1)])
    inner["entry"][0]["fullUrl"] = "urn:uuid:1"
    seen = observation(1, 1, subject={"reference": "urn:uuid:1"})
    inner["entry"].append({"resource": seen})
    kept = clean(bundle([inner, observation(2, 1)]))
    assert [each["resourceType"] for each in kept] == ["Patient", "Observation", "Observation"]
    assert len({each["subject"]["reference"] for each in kept[1:]} | {f"Patient/{kept[0]['id']}"}) == 1


def test_no_reference_is_kept_to_a_type_that_is_dropped() -> None:
    book = load_book()
    assert not book.logical & set(book.resources) and book.nobodys | book.contained <= set(book.resources)
    assert not book.dropped & set(book.resources) and book.logical <= book.dropped
    for gone in ("Practitioner/x", "PractitionerRole/x", "DocumentReference/x", "RelatedPerson/x", "Binary/x"):
        [kept] = clean(observation(1, 1, derivedFrom=[{"reference": gone}], basedOn=[{"reference": "CarePlan/x"}]))
        assert "derivedFrom" not in kept and kept["basedOn"][0]["reference"].startswith("CarePlan/")
