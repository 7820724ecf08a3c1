"""FHIR resources: what stays is on the allow list, follows Safe Harbor, is valid FHIR, and is the same at every run."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from hmchain.records.deidentification.canary import fhir as canaries
from hmchain.records.deidentification.canary.planting import PlantedItem
from hmchain.records.deidentification.canary.survivors import scan, survivors
from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.outcome import Clean, PassedOver
from hmchain.records.deidentification.profile import FhirRules, Profile, ProfileError, load_profile
from support.fhir_outcomes import BASIC, LONGITUDINAL, clean, content, held, outcomes
from support.health_records import (
    AS_OF,
    LOINC,
    SNOMED,
    UCUM,
    Resource,
    bundle,
    ndjson,
    observation,
    patient,
    pseudonyms,
    resources,
)

HL7 = "http://terminology.hl7.org/CodeSystem"


# -- the canary gate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [BASIC, LONGITUDINAL], ids=["basic", "longitudinal"])
@pytest.mark.parametrize("planted", canaries.plant(), ids=lambda planted: planted.item.name)
def test_no_canary_survives(planted: PlantedItem, rules: FhirDeidentifier) -> None:
    found = list(rules.deidentify(planted.item))
    assert survivors(planted, found) == []
    passed = ["passed_over"] if all(isinstance(outcome, PassedOver) for outcome in found) else []
    assert held(found) + passed == ([planted.held] if planted.held else [])


@pytest.mark.parametrize("planted", canaries.plant(), ids=lambda planted: planted.item.name)
def test_every_canary_is_planted(planted: PlantedItem) -> None:
    with planted.item.open() as file:
        assert set(scan(file.read(), planted.canaries)) == set(planted.canaries)


def test_at_least_25_canaries() -> None:
    assert sum(len(planted.canaries) for planted in canaries.plant()) >= 25


# -- Safe Harbor -------------------------------------------------------------------------------------------------------


def test_a_patient_keeps_gender_year_state_and_three_digits() -> None:
    [kept] = clean(patient(1, birthDate="1956-02-03", gender="female"))
    assert kept == {
        "resourceType": "Patient",
        "id": pseudonyms().subject("p1"),
        "meta": {"security": [{"system": f"{HL7}/v3-ObservationValue", "code": "PSEUDED"}]},
        "gender": "female",
        "birthDate": "1956",
        "address": [{"state": "MA", "postalCode": "021"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("born", "kept"),
    [("1937-06-01", "1937"), ("1936-12-31", "1936"), ("1930-01-01", "1936"), ("1901", "1936"), ("yesterday", None)],
)
def test_all_years_of_birth_of_90_years_and_older_are_one(born: str, kept: str | None) -> None:
    assert clean(patient(1, birthDate=born))[0].get("birthDate") == kept


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ({"postalCode": "02139-4307"}, "021"),
        ({"postalCode": "03601"}, "000"),
        ({"postalCode": "82190", "country": "US"}, "000"),
        ({"postalCode": "80331", "country": "DE"}, None),
        ({"postalCode": "SW1A 1AA"}, None),
        ({"postalCode": "12"}, None),
    ],
)
def test_a_zip_code_keeps_three_digits_unless_few_live_there(address: Resource, kept: str | None) -> None:
    [found] = clean(patient(1, address=[address]))
    assert found.get("address", [{}])[0].get("postalCode") == kept


def test_an_observed_age_of_90_and_more_is_90() -> None:
    age = {"code": {"coding": [{"system": LOINC, "code": "30525-0"}]}}
    old = {"valueQuantity": {"value": 97, "system": UCUM, "code": "a"}}
    in_months = {"valueQuantity": {"value": 1200, "system": UCUM, "code": "mo"}}
    young = {"valueQuantity": {"value": 89, "system": UCUM, "code": "a"}}
    found = clean(*(observation(n, 1, **age, **value) for n, value in enumerate((old, in_months, young))))
    assert [kept["valueQuantity"]["value"] for kept in found] == [90, 1080, 89]


@pytest.mark.parametrize("code", ["30525-0", "29553-5", "21612-7", "63900-5"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"valueInteger": 97}, {"valueInteger": 90}),
        ({"valueInteger": 89}, {"valueInteger": 89}),
        ({"valueQuantity": {"value": 97}}, {"valueQuantity": {"value": 90}}),
        ({"valueQuantity": {"value": 97, "unit": "years"}}, {"valueQuantity": {"value": 90}}),
        ({"valueQuantity": {"value": 1164, "unit": "mo"}}, {"valueQuantity": {"value": 1080, "unit": "mo"}}),
        ({"valueQuantity": {"value": 97, "comparator": ">"}}, {"valueQuantity": {"value": 90}}),
        ({"valueQuantity": {"value": 97, "unit": "winters"}}, {}),
        ({"valueQuantity": {"value": 97, "system": UCUM, "code": "mg"}}, {}),
        ({"valueRange": {"low": {"value": 95}, "high": {"value": 99}}},
         {"valueRange": {"low": {"value": 90}, "high": {"value": 90}}}),
        ({"valueString": "97 years"}, {}),
    ],
)  # fmt: skip
def test_an_age_however_it_is_said_is_at_most_90(code: str, value: Resource, kept: Resource) -> None:
    local = {"coding": [{"system": "urn:local", "code": "AGE"}, {"system": LOINC, "code": code}]}
    of_another = {"code": {"coding": [{"system": LOINC, "code": "8302-2"}]}}
    for found in clean(
        observation(1, 1, **{"code": local, "valueQuantity": None} | value),
        observation(2, 1, code=local, valueQuantity=None, component=[of_another | value]),
        observation(3, 1, **of_another, valueQuantity=None, component=[{"code": local} | value]),
    ):
        parts = [found, *found.get("component", [])]
        assert {name: part[name] for part in parts for name in part if name.startswith("value")} == kept


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        ({"value": 93}, {"value": 90}),
        ({"value": 850000, "system": UCUM, "code": "h"}, {"value": 788400, "system": UCUM, "code": "h"}),
        ({"value": 700000, "system": UCUM, "code": "h"}, {"value": 700000, "system": UCUM, "code": "h"}),
        ({"value": 34000, "system": UCUM, "code": "d"}, {"value": 32850, "system": UCUM, "code": "d"}),
        ({"value": 1140, "unit": "months"}, {"value": 1080}),
        ({"value": 30, "unit": "fortnights"}, None),
    ],
)
def test_an_age_of_onset_keeps_its_unit(age: Resource, kept: Resource | None) -> None:
    onset = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "onsetAge": age}
    assert clean(onset)[0].get("onsetAge") == kept


def test_a_time_of_90_years_is_an_age_whatever_it_is_called() -> None:
    [found] = clean(observation(1, 1, valueQuantity={"value": 97, "system": UCUM, "code": "a"}))
    assert found["valueQuantity"]["value"] == 90


@pytest.mark.parametrize("rules", [BASIC, LONGITUDINAL], ids=["basic", "longitudinal"])
def test_an_event_of_more_than_89_years_ago_tells_no_age(rules: FhirDeidentifier) -> None:
    birth = {"code": {"coding": [{"system": LOINC, "code": "21112-8"}]}, "valueDateTime": "1921-04-05"}
    event = {"effectiveDateTime": "1921-05-06T07:08:09Z", "issued": "1921-05-06T07:08:09Z"}
    surgery = {
        "resourceType": "Procedure", "id": "s", "status": "completed", "subject": {"reference": "Patient/p1"},
        "performedPeriod": {"start": "1921-05", "end": "1930"},
    }  # fmt: skip
    observed, done, born = clean(
        observation(1, 1, **birth, **event), surgery, patient(1, birthDate="1901"), rules=rules
    )
    years = {
        born["birthDate"], observed["valueDateTime"], observed["effectiveDateTime"], *done["performedPeriod"].values(),
    }  # fmt: skip
    assert len(years) == 1 and len(years.pop()) == 4 and "issued" not in observed


def test_basic_keeps_years_alone() -> None:
    [kept] = clean(observation(1, 1, effectiveDateTime="2021-03-04T05:06:07+01:00"))
    assert kept["effectiveDateTime"] == "2021"
    assert "issued" not in kept  # an instant has no year of its own


def test_longitudinal_moves_all_dates_of_a_patient_alike() -> None:
    shift = pseudonyms().shift(pseudonyms().subject("p1"))
    day = date(2021, 3, 4)
    first, second = clean(
        observation(1, 1, effectiveDateTime=f"{day}T05:06:07+01:00"),
        observation(2, 1, effectiveDateTime="2021-03-14", issued="2021-03-14T00:00:00Z"),
        rules=LONGITUDINAL,
    )
    assert first["effectiveDateTime"] == f"{day + shift}T05:06:07+01:00"
    assert date.fromisoformat(second["effectiveDateTime"]) - (day + shift) == date(2021, 3, 14) - day
    assert second["issued"] == f"{date(2021, 3, 14) + shift}T00:00:00Z"


@pytest.mark.parametrize("text", ["0001-01-01", "2021-02-30", "2021-13", "soon", "2021-01-01T99", "1"])
def test_what_is_no_date_is_dropped(text: str) -> None:
    assert "effectiveDateTime" not in clean(observation(1, 1, effectiveDateTime=text), rules=LONGITUDINAL)[0]


# -- codes, numbers, references ----------------------------------------------------------------------------------------


def test_only_codes_of_public_systems_stay_and_never_their_text() -> None:
    codings = [
        {"system": LOINC, "code": "8302-2", "display": "Body height"},
        {"system": "urn:local", "code": "HEIGHT"},
        {"system": LOINC, "code": "Ada Muster"},
        {"system": SNOMED, "code": "50373000", "version": "of Ada"},
        {"code": "8302-2"},
    ]
    [kept] = clean(observation(1, 1, code={"coding": codings, "text": "Height of Ada"}))
    assert kept["code"] == {"coding": [{"system": LOINC, "code": "8302-2"}, {"system": SNOMED, "code": "50373000"}]}


def test_a_required_code_that_may_not_stay_is_masked() -> None:
    [kept] = clean(observation(1, 1, code={"text": "Height of Ada"}))
    masked = {"system": f"{HL7}/data-absent-reason", "code": "masked"}
    assert kept["code"] == {"coding": [masked]}


def test_a_profile_adds_code_systems_and_drops_elements() -> None:
    own = Profile(
        name="own", title="", fhir=FhirRules(systems={"urn:local": r"[A-Z]{6}"}, drop=("Patient.address",))
    )  # fmt: skip
    rules = FhirDeidentifier(own, pseudonyms(), AS_OF)
    local = {"coding": [{"system": "urn:local", "code": "HEIGHT"}, {"system": "urn:local", "code": "of Ada"}]}
    seen, person = clean(observation(1, 1, code=local), patient(1), rules=rules)
    assert seen["code"] == {"coding": [{"system": "urn:local", "code": "HEIGHT"}]}
    assert "address" not in person


def test_a_pattern_that_is_none_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\ntitle = ""\n[fhir.systems]\n"urn:x" = "["\n')
    with pytest.raises(ProfileError, match="no regular expression"):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"value": 1.50, "unit": "kg"}, {"value": Decimal("1.5"), "unit": "kg"}),
        ({"value": 5, "unit": "of Ada"}, {"value": 5}),
        ({"value": 5, "system": UCUM, "code": "Ada"}, {"value": 5}),
        ({"value": 5551234567, "unit": "kg"}, None),
        ({"value": "5"}, None),
        ({"value": True}, None),
        ({"unit": "kg"}, None),
        ("5 kg", None),
    ],
)
def test_quantities_are_numbers_with_units_of_ucum(value: Any, kept: Any) -> None:
    assert clean(observation(1, 1, valueQuantity=value))[0].get("valueQuantity") == kept


def test_numbers_keep_their_precision() -> None:
    data = ndjson([observation(1, 1)]).replace(
        b'"valueQuantity": {"value": ', b'"valueQuantity": {"value": 0.10, "x": '
    )
    [found] = outcomes(data)
    assert isinstance(found, Clean) and b'"value":0.10' in b"".join(bytes(piece) for piece in found.pieces())


@pytest.mark.parametrize(
    ("reference", "points_to"),
    [
        ("Patient/p1", "Patient"),
        ("https://fhir.example.org/r4/Patient/p1", "Patient"),
        ("Patient/p1/_history/3", "Patient"),
    ],
)
def test_every_spelling_of_a_reference_gives_one_pseudonym(reference: str, points_to: str) -> None:
    [kept] = clean(observation(1, 1, subject={"reference": reference, "display": "Ada Muster"}))
    assert kept["subject"] == {"reference": f"{points_to}/{pseudonyms().subject('p1')}"}


@pytest.mark.parametrize("reference", ["#contained", "Practitioner?identifier=12", "Ada/1", "urn:uuid:0", "", None, 7])
def test_a_reference_that_points_nowhere_known_is_dropped(reference: Any) -> None:
    assert "encounter" not in clean(observation(1, 1, encounter={"reference": reference}))[0]


def test_references_follow_the_ids_of_their_targets() -> None:
    found = clean(*resources(2, observations=1))
    by_kind = {(kept["resourceType"], kept["id"]) for kept in found}
    for kept in found:
        for name in ("subject", "encounter"):
            if name in kept:
                assert tuple(kept[name]["reference"].split("/")) in by_kind


def test_a_bundle_points_by_its_own_names() -> None:
    person = patient(1) | {"id": None}
    del person["id"]
    entries = [
        {"fullUrl": "urn:uuid:9f0e", "resource": person},
        {"fullUrl": "urn:uuid:77aa", "resource": observation(1, 1, subject={"reference": "urn:uuid:9f0e"})},
    ]
    someone, seen = map(content, outcomes(json.dumps(bundle([], entry=entries), indent=1).encode()))
    assert seen["subject"] == {"reference": f"Patient/{someone['id']}"}


def test_images_keep_their_link_to_dicom() -> None:
    study = {
        "resourceType": "ImagingStudy",
        "id": "s",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.4"}, {"value": "ACC-1"}],
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "series": [{"uid": "1.2.3.4.5", "modality": {"code": "MR"}, "instance": [{"uid": "1.2.3.4.5.6"}]}],
    }
    [kept] = clean(study)
    new = pseudonyms().uid
    assert kept["identifier"] == [{"system": "urn:dicom:uid", "value": f"urn:oid:{new('1.2.3.4')}"}]
    assert kept["series"][0]["uid"] == new("1.2.3.4.5")
    assert kept["series"][0]["instance"] == [{"uid": new("1.2.3.4.5.6")}]
