"""FHIR that is held, and what comes out as a whole: valid, told of, and without a word of the patient."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.fhir.rules import load_book
from hmchain.records.deidentification.outcome import GENERALISED, REMOVED, REPLACED, SHIFTED, Clean, Held, PassedOver
from hmchain.records.deidentification.profile import FhirRules, Profile
from hmchain.records.sources.item import Item
from support.fhir_outcomes import BASIC, LONGITUDINAL, clean, content, held, outcomes
from support.health_records import (
    AS_OF,
    LOINC,
    SNOMED,
    Resource,
    bundle,
    ndjson,
    observation,
    patient,
    profile,
    pseudonyms,
    resources,
)

# -- what is held ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_bad_lines_hold_nothing_else_back(order: tuple[int, ...]) -> None:
    parts = (ndjson([patient(1)]), b"{broken\n[]\n", ndjson([observation(1, 1)]))
    found = outcomes(b"".join(parts[number] for number in sorted(order, key=order.index)))
    found.sort(key=lambda outcome: outcome.attributes["resource"] if isinstance(outcome, Clean) else "", reverse=True)
    assert [content(each)["resourceType"] for each in found[:2]] == ["Patient", "Observation"]
    assert isinstance(found[2], Held) and found[2].code == "damaged" and found[2].reason.startswith("2 resources ")


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"not json", b"[]", b"{}", b'{"resourceType": 5}', b"\xff\xfe", b'{"a":' * 5000]
)
def test_what_is_no_resource_is_held_as_it_is(data: bytes) -> None:
    assert held(outcomes(data)) in (["damaged"], ["no_record"])


def test_a_document_that_breaks_off_is_one_damaged_item() -> None:
    text = json.dumps(bundle(resources(3)), indent=2)
    [found] = outcomes(text[: len(text) // 2].encode())
    assert isinstance(found, Held) and found.reason == "1 resource that cannot be read as FHIR in JSON"


def test_a_byte_order_mark_is_no_damage() -> None:
    assert [content(each)["resourceType"] for each in outcomes(b"\xef\xbb\xbf" + ndjson([patient(1)]))] == ["Patient"]


def test_unknown_types_are_passed_over_and_named_only_if_fhir_knows_them() -> None:
    found = outcomes(ndjson([{"resourceType": "Task"}, {"resourceType": "Ada Muster"}, {"resourceType": "Task"}]))
    assert found == [PassedOver("Task: never taken", 2, 3), PassedOver("another type: never taken", 1, 3)]


def test_staff_and_bills_are_dropped_whole_and_counted() -> None:
    found = outcomes(ndjson([patient(1), {"resourceType": "Practitioner"}, {"resourceType": "Claim"}]))
    assert isinstance(found[0], Clean) and found[0].of == 3
    assert found[1:] == [PassedOver("Claim: never taken", 1, 3), PassedOver("Practitioner: never taken", 1, 3)]
    assert {(a.element, a.done, a.count) for a in found[0].actions} >= {
        ("Practitioner", REMOVED, 1),
        ("Claim", REMOVED, 1),
    }
    assert held(outcomes(b'{"resourceType": "Bundle", "entry": []}')) == ["no_record"]


def test_a_resource_of_nobody_is_held() -> None:
    group = observation(1, 1, subject={"reference": "Group/g"})
    assert held(outcomes(ndjson([group]))) == ["no_subject"]


RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MILLIGRAM = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}


def measure(value: int) -> dict[str, Any]:
    return {"valueQuantity": {"value": value}}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"valueRange": {"low": {"value": 12345}, "high": {"value": 6789}}}, ["identifier_suspected"]),
        ({"valueQuantity": {"value": 123.45, **MILLIGRAM}, "referenceRange": [{"low": {"value": 6789}}]},
         ["identifier_suspected"]),
        ({"valueRange": {"low": {"value": 12345}, "high": {"value": 6788}}}, []),
        ({"valueQuantity": {"value": 123}, "component": [measure(45), measure(6789)]}, ["identifier_suspected"]),
        ({"component": [{"valueRatio": {"numerator": {"value": 123}, "denominator": {"value": 45}}}, measure(6789)]},
         ["identifier_suspected"]),
        ({"valueCodeableConcept": {"coding": [{"system": RXNORM, "code": "12345"}]}, "component": [measure(6789)]},
         ["identifier_suspected"]),
    ],
)  # fmt: skip
def test_a_number_that_is_cut_over_elements_is_found(values: dict[str, Any], found: list[str]) -> None:
    known = patient(1, telecom=[{"value": "0123 456789"}])
    measured = {key: value for key, value in observation(1, 1).items() if not key.startswith("value")} | values
    assert held(outcomes(ndjson([known, measured]))) == found


@pytest.mark.parametrize("place", ["resource", "component"])
def test_a_modifier_extension_waits_for_a_reviewer(place: str) -> None:
    modifier = {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    changed = observation(1, 1, **(modifier if place == "resource" else {"component": [modifier]}))
    data = ndjson([changed])
    [waiting] = outcomes(data)
    assert isinstance(waiting, Held) and waiting.code == "modifier_extension" and waiting.releasable
    assert held(outcomes(data.replace(b"modifierE", b"\\u006dodifierE"))) == ["modifier_extension"]
    [passed] = outcomes(ndjson([changed]), reviewed=True)
    assert "modifierExtension" not in json.dumps(content(passed), default=str)


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_what_comes_out_is_valid_fhir() -> None:
    models: Callable[..., Any] = pytest.importorskip("fhir.resources.R4B").get_fhir_model_class
    for rules in (BASIC, LONGITUDINAL):
        for kept in clean(*resources(5), rules=rules):
            models(kept["resourceType"]).model_validate_json(json.dumps(kept, default=float))


def test_actions_name_elements_and_what_was_done() -> None:
    [found] = outcomes(ndjson([patient(1) | {"Ada Muster": 1}]), LONGITUDINAL)
    assert isinstance(found, Clean)
    done = {action.element: action.done for action in found.actions}
    assert done["Patient.name"] == REMOVED and done["Patient.(other)"] == REMOVED
    assert done["Patient.birthDate"] == SHIFTED and done["Patient.address.postalCode"] == GENERALISED
    assert "Ada" not in str(done)
    [seen] = outcomes(ndjson([observation(1, 1)]))
    assert isinstance(seen, Clean) and {a.element: a.done for a in seen.actions}["Observation.subject"] == REPLACED
    assert seen.attributes["resource"] == "Observation" and seen.attributes["code"].startswith(LOINC)


def test_records_repeat_within_a_project_and_share_nothing_between_two() -> None:
    data = ndjson(resources(2))
    travelled: FhirDeidentifier = pickle.loads(pickle.dumps(BASIC))
    other = FhirDeidentifier(profile(), pseudonyms("another project"), AS_OF)
    first, second, third = (
        {(each.record, each.subject, bytes(b"".join(map(bytes, each.pieces())))) for each in outcomes(data, rules)
         if isinstance(each, Clean)} for rules in (BASIC, travelled, other)
    )  # fmt: skip
    assert first == second
    assert {record for record, _, _ in first}.isdisjoint(record for record, _, _ in third)
    assert {subject for _, subject, _ in first}.isdisjoint(subject for _, subject, _ in third)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("zqj ", max_size=8) | st.just("Patient/p1"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["coding", "text", "value", "reference", "zqj", "code"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(sorted(load_book().resources)), st.data())
def test_whatever_is_in_its_elements_a_resource_lets_no_text_through(kind: str, data: st.DataObject) -> None:
    """The letters z, q and j together occur in no code that may stay."""
    specs = load_book().resources[kind]
    elements = data.draw(st.dictionaries(st.sampled_from([*sorted(specs), "zqj"]), _JSON, max_size=6))
    subject = {name: {"reference": "Patient/p1"} for name, spec in specs.items() if spec == "patient"}
    resource = {"id": "x"} | elements | subject | {"resourceType": kind}
    for outcome in outcomes(json.dumps(resource).encode(), LONGITUDINAL, reviewed=True):
        assert isinstance(outcome, Clean)
        text = b"".join(bytes(piece) for piece in outcome.pieces()) + repr(outcome.actions).encode()
        assert b"zqj" not in text and b"p1" not in text


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"valueInteger": 48213}, "identifier_suspected"),
        ({"valueQuantity": {"value": 48213, "unit": "mg"}}, "identifier_suspected"),
        ({"valueQuantity": {"value": 48213.5, "unit": "mg"}}, ""),
        (
            {"bodySite": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "48213"}]}},
            "identifier_suspected",
        ),
        ({"valueInteger": 555019}, "identifier_left"),
        ({"valueInteger": 4821}, ""),
    ],
)
def test_the_patients_own_numbers_are_not_left_in_results(elements: Resource, code: str) -> None:
    subject = {"reference": "Patient/48213", "identifier": {"value": "MRN 555019"}}
    data = ndjson([observation(1, 1, **{"valueQuantity": None, "subject": subject} | elements)])
    [found] = outcomes(data)
    assert (found.code if isinstance(found, Held) else "") == code
    [after] = outcomes(data, reviewed=True)
    left = set(content(after)) & set(elements)
    assert left == (set() if code else set(elements))
    found = BASIC.findings(Item("x", "fhir", lambda: io.BytesIO(data)))
    assert [each.certain for each in found] == ([code == "identifier_left"] if code else [])
    if found:
        keeping = Item("x", "fhir", lambda: io.BytesIO(data), keep=frozenset({found[0].place}))
        [kept] = BASIC.deidentify(keeping, reviewed=True)
        assert set(content(kept)) & set(elements) == set(elements) and found[0].place.startswith("Observation.")


@pytest.mark.parametrize("as_bundle", [True, False])
@pytest.mark.parametrize("written", [b"Patient", b"\\u0050atient"], ids=["plain", "escaped"])
def test_what_a_patient_resource_tells_is_looked_for_in_all_of_its_item(as_bundle: bool, written: bytes) -> None:
    known = patient(1, identifier=[{"value": "MRN-48213"}], telecom=[{"value": "555-0199"}])
    some = [observation(n, 1, valueQuantity=None, valueInteger=value) for n, value in ((1, 48213), (2, 5), (3, 555019))]
    of_another = observation(4, 2, valueQuantity=None, valueInteger=48213)
    everything = [*some, of_another, known]
    data = json.dumps(bundle(everything)).encode() if as_bundle else ndjson(everything)
    found = outcomes(data.replace(b'"Patient"', b'"%b"' % written))
    assert held(found) == ["identifier_suspected"] and sum(isinstance(each, Clean) for each in found) == 4


RELATIVE = {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/p1"}, "telecom": [{"value": "555 0199"}]}


@pytest.mark.parametrize(
    "beside",
    [
        [patient(1, telecom=[{"value": "555 0199"}]), patient(1)],
        [patient(2, telecom=[{"value": "555 0199"}]), patient(1, link=[{"other": {"reference": "Patient/p2"}}])],
        [patient(1), RELATIVE],
        [
            patient(1),
            {"resourceType": "Coverage", "beneficiary": {"reference": "Patient/p1"}, "subscriberId": "5550199"},
        ],
        [patient(2, telecom=[{"value": "555 0199"}]), patient(1)],
    ],
    ids=["edition", "merged", "relative", "insurance", "somebody else"],
)
def test_what_is_beside_a_patient_tells_of_the_patient(beside: list[Resource]) -> None:
    measured = observation(1, 1, valueQuantity={"value": 5550199, **MILLIGRAM})
    found = outcomes(ndjson([measured, *beside]))
    is_told = "link" in str(beside) or beside[0]["id"] == "p1"
    assert held(found) == (["identifier_left"] if is_told else [])
    for each in found:
        if isinstance(each, Held) and each.excerpt is not None:
            [released] = outcomes(each.excerpt.content, reviewed=True)
            assert "5550199" not in json.dumps(content(released), default=str)


def test_what_is_nobodys_is_compared_with_a_family_and_not_with_a_ward() -> None:
    some = [patient(number, telecom=[{"value": f"555 019{number}"}]) for number in range(1, 10)]
    drug = {"resourceType": "Medication", "id": "m", "amount": {"numerator": {"value": 5550192, **MILLIGRAM}}}
    assert held(outcomes(ndjson([*some[:2], drug]))) == ["identifier_left"]
    assert held(outcomes(ndjson([*some, drug]))) == []


def test_the_patients_own_name_is_not_left_in_a_code() -> None:
    rules = FhirDeidentifier(
        Profile(name="own", title="", fhir=FhirRules(systems={"urn:own": "[A-Z]+"})), pseudonyms(), AS_OF
    )
    named = patient(1, name=[{"family": "Kim", "given": ["Su"]}])
    status = {"coding": [{"system": "urn:own", "code": "KIMSU"}]}
    assert held(outcomes(ndjson([named | {"maritalStatus": status}]), rules)) == ["identifier_left"]
    assert (
        held(outcomes(ndjson([named | {"maritalStatus": {"coding": [{"system": "urn:own", "code": "M"}]}}]), rules))
        == []
    )


@pytest.mark.parametrize("code", ["LOKATUS", "MUTTERER", "HINTERTUPFING", "MULLERSCHON"])
def test_all_people_and_places_that_a_patient_names_are_looked_for(code: str) -> None:
    rules = FhirDeidentifier(
        Profile(name="own", title="", fhir=FhirRules(systems={"urn:own": "[A-Z]+"})), pseudonyms(), AS_OF
    )
    named = patient(
        1,
        name=[{"family": "Müllerschön", "given": ["Jörg"]}],
        contact=[{"name": {"family": "Mutterer", "given": ["Ida"]}}],
        address=[{"line": ["Am Bach 3"], "city": "Hintertupfing"}],
        generalPractitioner=[{"reference": "Practitioner/9", "display": "Dr. Eva Lokatus"}],
        maritalStatus={"coding": [{"system": "urn:own", "code": code}]},
    )
    assert held(outcomes(ndjson([named]), rules)) == ["identifier_left"]


@pytest.mark.parametrize(
    ("system", "code", "stays"),
    [
        (SNOMED, "38341003", True), (SNOMED, "38341004", False), (SNOMED, "5550199003", False),
        (SNOMED, "999000071000001104", False), (SNOMED, "900000001000000103", False),
        (LOINC, "8302-2", True), (LOINC, "8302-3", False), (LOINC, "LA33-6", True), (LOINC, "LA33-7", False),
        (LOINC, "LA18976-3", True), (LOINC, "LP14635-4", True), (LOINC, "LP7839-6", True), (LOINC, "48213-9", False),
    ],
)  # fmt: skip
def test_codes_have_their_check_digit(system: str, code: str, stays: bool) -> None:
    [found] = clean(observation(1, 1, bodySite={"coding": [{"system": system, "code": code}]}))
    assert ("bodySite" in found) is stays


@pytest.mark.parametrize(
    ("country", "stays"), [("KR", True), ("KOR", True), ("LEE", False), ("QUY", False), ("kr", False)]
)
def test_a_country_is_one_of_iso_3166(country: str, stays: bool) -> None:
    [found] = clean(patient(1, address=[{"country": country, "state": "MA"}]))
    assert ("country" in found["address"][0]) is stays


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ({"valueInteger": 999_999}, True), ({"valueInteger": 5_550_199}, False),
        ({"valueQuantity": {"value": 5_550_199}}, False),
        ({"valueQuantity": {"value": 5_550_199, "unit": "Ada"}}, False),
        ({"valueQuantity": {"value": 5_550_199, "unit": "/mL"}}, True),
    ],
)  # fmt: skip
def test_a_number_as_long_as_a_telephone_counts_something_or_goes(value: Resource, stays: bool) -> None:
    [found] = clean(observation(1, 1, **{"valueQuantity": None} | value))
    assert (next(iter(value)) in found) is stays
