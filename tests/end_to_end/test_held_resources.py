"""FHIR of which some resources must not pass: each waits by itself, and what nobody can release stops none of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.health_records import Resource, ndjson, observation, patient
from support.steward import Steward
from support.steward import steward as steward

NUMBER = 48213
"""A patient's, which is also what some of that patient's observations say: by chance, or not."""


def resources() -> list[Resource]:
    """Two patients, two observations that pass, three with the patient's number, and one that is nobody's."""
    told = [observation(number, 1) | {"valueQuantity": None, "valueInteger": NUMBER} for number in range(3)]
    people = [patient(1, identifier=[{"system": "urn:h", "value": str(NUMBER)}]), patient(2)]
    nobodys = observation(9, 1)
    del nobodys["subject"]
    some = [*people, observation(5, 1), observation(5, 2), *told, nobodys]
    return [{name: value for name, value in each.items() if value is not None} for each in some]


def bundled() -> bytes:
    """The same in a bundle whose entries have no ids, and call each other by names of the bundle's own."""
    entries = []
    for each in resources():
        own = each.pop("id")
        entries.append({"fullUrl": f"urn:uuid:{own}", "resource": each})
        if "subject" in each:
            each["subject"] = {"reference": f"urn:uuid:{each['subject']['reference'].removeprefix('Patient/')}"}
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


@pytest.mark.parametrize("form", ["lines", "bundle"])
def test_one_resource_that_nobody_can_release_holds_no_other_of_its_file(
    steward: Steward, tmp_path: Path, form: str
) -> None:
    source = tmp_path / ("all.ndjson" if form == "lines" else "all.json")
    source.write_bytes(ndjson(resources()) if form == "lines" else bundled())
    done = steward.run("extract", str(source), "--into", "labs")
    assert (done["records"], done["held"]) == (4, 4)
    parts = done["account"]["parts"]
    assert (parts["found"], parts["written"], parts["held"]) == (8, 4, 4)
    waiting = steward.run("quarantine", "list", "--names")
    (stuck,) = [held for held in waiting if not held["releasable"]]
    one, two, _ = [held for held in waiting if held["releasable"]]
    assert stuck["code"] == "no_subject" and one["reason"].startswith("1 resource ")
    assert len({held["name"] for held in waiting}) == 4 and all("Observation/" in each["name"] for each in (one, two))

    looked = steward.run("quarantine", "look", one["item"], "--output", str(tmp_path / "one.json"))
    assert [each["word"] for each in looked["told"]] == [str(NUMBER)], "it is judged with its patient's record"
    seen = json.loads((tmp_path / "one.json").read_bytes())
    kinds = [entry["resource"]["resourceType"] for entry in seen["entry"] if len(entry["resource"]) > 2]
    assert kinds == ["Observation", "Patient"], "the reviewer sees the resource, and whose it is"

    assert steward.run("quarantine", "release", one["item"], "--reviewer", "Curie")["records"] == 1
    steward.run("quarantine", "reject", two["item"], "--reviewer", "Curie")
    assert steward.run("show", "labs")["records"] == 5
    steward.run("register", "labs", "--leave-waiting")
    steward.run("export", "labs", "--output", str(tmp_path / "out"))
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.json"))
    assert written.count(b'"Observation"') == 3 and str(NUMBER).encode() not in written

    again = steward.run("extract", str(source), "--into", "labs")
    assert (again["records"], again["released"], again["rejected"], again["held"]) == (5, 1, 1, 2)
    assert again["account"]["parts"]["found"] == 8


def test_very_many_alike_wait_together(steward: Steward, tmp_path: Path) -> None:
    told = [observation(number, 1) | {"valueInteger": NUMBER} for number in range(101)]
    for each in told:
        del each["valueQuantity"]
    known = patient(1, identifier=[{"system": "urn:h", "value": str(NUMBER)}])
    (tmp_path / "all.ndjson").write_bytes(ndjson([known, *told]))
    assert steward.run("extract", str(tmp_path / "all.ndjson"), "--into", "labs")["held"] == 1
    (held,) = steward.run("quarantine", "list")
    done = steward.run("quarantine", "release", held["item"], "--reviewer", "Curie")
    assert (done["released"], done["records"]) == (1, 101)


def test_what_is_of_others_than_who_opted_out_waits_and_nothing_is_kept_of_that_patient(
    steward: Steward, tmp_path: Path
) -> None:
    (tmp_path / "first.ndjson").write_bytes(ndjson([patient(7)]))
    steward.run("extract", str(tmp_path / "first.ndjson"), "--into", "labs")
    steward.run("opt-out", "--patient", "p1")
    other = observation(4, 2) | {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    (tmp_path / "all.ndjson").write_bytes(ndjson([*resources(), other]))
    done = steward.run("extract", str(tmp_path / "all.ndjson"), "--into", "labs")
    assert done["opted_out"] == 5 and done["account"]["parts"]["found"] == 10
    waiting = {held["code"]: held for held in steward.run("quarantine", "list")}
    assert set(waiting) == {"modifier_extension", "opted_out"} and not waiting["opted_out"]["releasable"]
    item = waiting["modifier_extension"]["item"]
    steward.run("quarantine", "look", item, "--output", str(tmp_path / "one.json"))
    assert b"Patient/p1" not in (tmp_path / "one.json").read_bytes()
    assert steward.run("quarantine", "release", item, "--reviewer", "Curie")["records"] == 1


def test_who_is_erased_waits_no_more_beside_a_resource_that_is_nobodys(steward: Steward, tmp_path: Path) -> None:
    known = patient(1, identifier=[{"system": "urn:h", "value": str(NUMBER)}])
    rxnorm = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": str(NUMBER)}
    drug = {"resourceType": "Medication", "id": "m1", "code": {"coding": [rxnorm]}}
    (tmp_path / "all.ndjson").write_bytes(ndjson([known, drug]))
    assert steward.run("extract", str(tmp_path / "all.ndjson"), "--into", "labs")["held"] == 1
    subject = steward.run("show", "labs")["entries"][0]["subject"]
    erased = steward.run("erase", "--subject", subject)
    assert (erased["quarantined"], erased["waiting"]) == (1, 0) and steward.run("quarantine", "list") == []


def test_of_a_second_export_each_resource_that_says_otherwise_is_taken_by_itself(
    steward: Steward, tmp_path: Path
) -> None:
    for name, value in (("first", 5), ("second", 6)):
        some = [observation(number, 1) | {"valueInteger": value} for number in range(2)]
        for each in some:
            del each["valueQuantity"]
        nobodys = observation(9, 1)
        del nobodys["subject"]
        (tmp_path / f"{name}.ndjson").write_bytes(ndjson([patient(1), *some, nobodys]))
    steward.run("extract", str(tmp_path / "first.ndjson"), "--into", "labs")
    done = steward.run("extract", str(tmp_path / "second.ndjson"), "--into", "labs")
    assert (done["held"], done["account"]["parts"]["found"]) == (3, 8)
    one, two = [held for held in steward.run("quarantine", "list") if held["code"] == "conflicting_identifier"]
    assert steward.run("quarantine", "release", one["item"], "--reviewer", "Curie", "--replace")["updated"] == 1
    steward.run("quarantine", "reject", two["item"], "--reviewer", "Curie")
    steward.run("register", "labs", "--leave-waiting")
    steward.run("export", "labs", "--output", str(tmp_path / "out"))
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.json"))
    assert written.count(b'"valueInteger":5') == written.count(b'"valueInteger":6') == 1
