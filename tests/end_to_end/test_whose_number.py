"""A steward's hospital whose numbers are not the only ones: issuers, merges, and the way back to a patient."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import msgspec
import polars as pl
import pytest

from hmchain.application.site import activity
from support.dicom_objects import ct, written
from support.health_records import omop_person
from support.steward import Steward
from support.steward import steward as steward

pytestmark = pytest.mark.network


def message(folder: Path, number: int, numbers: str, more: str = "", event: str = "ORU^R01") -> None:
    folder.mkdir(exist_ok=True)
    lines = [
        f"MSH|^~\\&|LAB|NORTH|||20240101||{event}|{number}|P|2.5.1", f"PID|1||{numbers}||Quince^A||19310203|M",
        *([more] if more else []), "OBX|1|NM|8480-6^Systolic^LN||120|mm[Hg]|||||F",
    ]  # fmt: skip
    (folder / f"{number}.hl7").write_text("\r".join(lines))


def subjects(steward: Steward, dataset: str) -> list[str]:
    return [each["subject"] for each in steward.run("show", dataset)["entries"]]


def test_two_people_of_one_number_stay_two_and_the_hospitals_own_are_linked(steward: Steward, tmp_path: Path) -> None:
    images, messages = tmp_path / "images", tmp_path / "messages"
    images.mkdir()
    for index, issuer in enumerate(("NORTHPACS", "SOUTH")):
        image = ct(PatientID="4711", IssuerOfPatientID=issuer, SOPInstanceUID=f"1.2.3.{index}")
        (images / f"{index}.dcm").write_bytes(written(image))
    message(messages, 1, "4711^^^NORTH^MR")
    message(messages, 2, "4711^^^SOUTH^MR")
    (steward.folder / "patients.toml").write_text('own = ["NORTH", "NORTHPACS"]')
    for source, name in ((images, "scans"), (messages, "lab")):
        done = steward.run("extract", str(source), "--into", name, "--project", "one")
        assert (done["records"], steward.run("show", name)["subjects"]) == (2, 2)
    assert len({*subjects(steward, "scans"), *subjects(steward, "lab")}) == 2, "own with own, SOUTH with SOUTH"
    assert steward.run("erase", "--patient", "4711", "--issuer", "south")["records"] == 2
    assert steward.run("show", "lab")["subjects"] == 1


def test_without_a_rule_another_hospitals_disc_is_nobodys_here_and_messages_say_whose_numbers_are_ours(
    steward: Steward, tmp_path: Path
) -> None:
    for number, issuer in enumerate(("SOUTH", "")):
        folder = tmp_path / f"images{number}"
        folder.mkdir()
        image = ct(PatientID="4711", IssuerOfPatientID=issuer, SOPInstanceUID=f"1.2.3.{number}")
        (folder / "1.dcm").write_bytes(written(image))
        steward.run("extract", str(folder), "--into", f"scans{number}", "--project", "one")
    message(tmp_path / "hl7", 1, "4711^^^NORTH^MR")
    steward.run("extract", str(tmp_path / "hl7"), "--into", "lab", "--project", "one")
    assert steward.run("patients", "show")["own_issuers"] == {"hl7": "north"}
    (disc,), (own,), (lab,) = (subjects(steward, name) for name in ("scans0", "scans1", "lab"))
    assert own == lab != disc
    assert steward.run("erase", "--patient", "4711")["records"] == 2
    assert steward.run("show", "scans0")["records"] == 1


def test_erasing_and_opting_out_by_any_of_a_patients_numbers_takes_all_of_it(steward: Steward, tmp_path: Path) -> None:
    message(tmp_path / "hl7", 1, "A100^^^NORTH^MR")
    message(tmp_path / "hl7", 2, "X1^^^REGISTRY^MR~A100^^^NORTH^MR")
    message(tmp_path / "hl7", 3, "B200^^^NORTH^MR~B201^^^NORTH^PI")
    steward.run("extract", str(tmp_path / "hl7"), "--into", "lab", "--project", "one")
    assert len(set(subjects(steward, "lab"))) == 2
    assert steward.run("erase", "--patient", "A100")["records"] == 2
    assert steward.run("erase", "--patient", "B201")["records"] == 1
    again = steward.run("extract", str(tmp_path / "hl7"), "--into", "more", "--project", "one")
    assert (again["records"], again["opted_out"]) == (0, 3)


def test_a_merge_is_heard_before_the_first_record_whatever_the_order(steward: Steward, tmp_path: Path) -> None:
    message(tmp_path / "hl7", 1, "111^^^NORTH^MR")
    message(tmp_path / "hl7", 2, "222^^^NORTH^MR", "MRG|111^^^NORTH^MR", "ADT^A40")
    steward.run("extract", str(tmp_path / "hl7"), "--into", "lab")
    assert len(set(subjects(steward, "lab"))) == 1
    assert steward.run("patients", "show")["merged"] == 1
    assert steward.run("erase", "--patient", "111")["records"] == 2


def test_links_are_heard_where_ids_are_no_numbers(steward: Steward, tmp_path: Path) -> None:
    (steward.folder / "patients.toml").write_text('own = ["https://north/mrn"]\nfhir_ids = false')
    (tmp_path / "fhir").mkdir()
    people = {
        "p2": {"identifier": [{"system": "https://north/mrn", "value": "4712"}]},
        "p3": {
            "identifier": [{"system": "https://north/mrn", "value": "4713"}],
            "link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}],
        },
    }
    for name, rest in people.items():
        (tmp_path / "fhir" / f"{name}.json").write_text(json.dumps({"resourceType": "Patient", "id": name} | rest))
    steward.run("extract", str(tmp_path / "fhir"), "--into", "people")
    assert len(set(subjects(steward, "people"))) == 1
    assert steward.run("erase", "--patient", "4713")["records"] == 2


def test_who_opted_out_by_a_pseudonym_stays_out_after_a_merge(steward: Steward, tmp_path: Path) -> None:
    message(tmp_path / "before", 1, "111^^^NORTH^MR")
    steward.run("extract", str(tmp_path / "before"), "--into", "lab", "--project", "one")
    steward.run("opt-out", "--subject", subjects(steward, "lab")[0])
    message(tmp_path / "after", 2, "222^^^NORTH^MR", "MRG|111^^^NORTH^MR", "ADT^A40")
    message(tmp_path / "after", 3, "333^^^NORTH^MR")
    done = steward.run("extract", str(tmp_path / "after"), "--into", "more", "--project", "one")
    assert (done["records"], done["opted_out"]) == (1, 1)


def forge(steward: Steward, **changed: str) -> None:
    """Add a line to the log that takes its signatures from another one."""
    log = steward.folder / "activity.db"
    (line,) = (line for line in activity.read_lines(log) if line.deed.what is activity.What.REIDENTIFY)
    with contextlib.closing(activity.ActivityLog(log)) as opened:
        opened.begin(msgspec.structs.replace(line.deed, **changed))


def test_two_people_go_back_to_the_patient_and_the_log_says_why(steward: Steward, tmp_path: Path) -> None:
    message(tmp_path / "hl7", 1, "4711^^^NORTH^MR")
    steward.run("extract", str(tmp_path / "hl7"), "--into", "lab")
    (pseudonym,) = subjects(steward, "lab")
    keys = [str(tmp_path / f"{name}.key") for name in ("ada", "marie")]
    for name, key in zip(("Ada", "Marie"), keys, strict=True):
        steward.run("person", "add", name, key)
    ask = ("patients", "reidentify", pseudonym, "--reason", "nodule on CT", "--person", keys[0])
    assert steward.run(*ask, expect=2)["error"]["code"] == "persons_missing"
    assert steward.run(*ask, "--person", keys[0], expect=2)["error"]["code"] == "persons_missing"
    short = ("patients", "reidentify", pseudonym[:12], *ask[3:], "--person", keys[1])
    assert "as a whole" in steward.run(*short, expect=2)["error"]["hint"], "which tables and BIDS show: nobody signs"
    assert "as a whole" in steward.run("erase", "--subject", pseudonym[:12], "--preview", expect=2)["error"]["hint"]
    found = steward.run(*ask, "--person", keys[1])
    assert found["patients"] == [{"number": "4711", "issuer": "NORTH"}] and found["approved_by"] == ["Ada", "Marie"]
    (line,) = steward.run("log", "--what", "reidentify")["entries"]
    assert (line["person"], line["subject"], line["reason"]) == ("Ada and Marie", pseudonym, "nodule on CT")
    added = {each["person"]: each["public"] for each in steward.run("log", "--what", "person")["entries"]}
    assert line["is_signed"] and {each["person"]: each["public"] for each in line["signatures"]} == added
    forge(steward, reason="no reason of theirs")
    _, forged = steward.run("log", "--what", "reidentify")["entries"]
    assert forged["signatures"] == line["signatures"] and not forged["is_signed"]
    steward.run("erase", "--patient", "4711")
    assert steward.run(*ask, "--person", keys[1], expect=2)["error"]["code"] == "unknown_pseudonym"
    for path in steward.folder.rglob("*"):
        assert not path.is_file() or b"4711" not in path.read_bytes(), f"{path} tells the number"


@pytest.mark.parametrize("rule", ["own = 7", "own = ['']"])
def test_a_rule_that_cannot_be_read_stops_everything_and_names_the_file(steward: Steward, rule: str) -> None:
    (steward.folder / "patients.toml").write_text(rule)
    assert steward.run("list", expect=2)["error"]["code"] == "patient_rule"


def one_patient(steward: Steward, dataset: str, folder: Path) -> dict[str, object]:
    """The only line about patients of a bulk export, as whose id all references are."""
    steward.run("export", dataset, "--output", str(folder), "--as", "ndjson")
    (line,) = (folder / "Patient.ndjson").read_text().splitlines()
    found: dict[str, object] = json.loads(line)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"type": "Patient", "url": "Patient.ndjson", "count": 1} in manifest["output"]
    assert manifest["extension"]["referencesToOthers"] == {}
    return found


PRIOR = {"gender": "female", "birthDate": "1931-02-03", "maritalStatus": {"coding": [
    {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]}}  # fmt: skip


def bulk(folder: Path, prior: dict[str, object], lasting: dict[str, object]) -> None:
    """A bulk export of two patients, an observation of each."""
    folder.mkdir()
    people = [{"resourceType": "Patient", "id": "111"} | prior, {"resourceType": "Patient", "id": "222"} | lasting]
    of = [{"resourceType": "Observation", "id": f"o{each['id']}", "status": "final", "code": {"coding": [
        {"system": "http://loinc.org", "code": "8480-6"}]}, "subject": {"reference": f"Patient/{each['id']}"}}
          for each in people]  # fmt: skip
    (folder / "all.ndjson").write_text("".join(json.dumps(each) + "\n" for each in (*people, *of)))


def test_who_reads_a_bulk_export_finds_one_patient_of_linked_ones(steward: Steward, tmp_path: Path) -> None:
    link = [{"other": {"reference": "Patient/222"}, "type": "replaced-by"}]
    bulk(tmp_path / "fhir", PRIOR | {"active": False, "link": link}, {"gender": "male", "active": True})
    steward.run("extract", str(tmp_path / "fhir"), "--into", "people")
    found = one_patient(steward, "people", tmp_path / "out")
    assert (found["gender"], found["active"]) == ("male", True), "the lasting one has the word"
    assert found["maritalStatus"] == PRIOR["maritalStatus"], "and says what the other one said"


def test_who_reads_a_bulk_export_finds_one_patient_of_those_that_messages_merge(
    steward: Steward, tmp_path: Path
) -> None:
    message(tmp_path / "hl7", 1, "222^^^NORTH^MR", "MRG|111^^^NORTH^MR", "ADT^A40")
    steward.run("extract", str(tmp_path / "hl7"), "--into", "lab", "--project", "one")
    bulk(tmp_path / "fhir", PRIOR, {"gender": "male"})
    steward.run("extract", str(tmp_path / "fhir"), "--into", "people", "--project", "one")
    found = one_patient(steward, "people", tmp_path / "out")
    assert (found["gender"], found["maritalStatus"]) == ("male", PRIOR["maritalStatus"])
    steward.run("erase", "--patient", "111")
    assert steward.run("show", "people")["records"] == 0


def test_who_reads_omop_finds_one_person_of_merged_numbers(steward: Steward, tmp_path: Path) -> None:
    people, source = omop_person(3), tmp_path / "omop"
    source.mkdir()
    (source / "person.csv").write_bytes(people.write_csv().encode())
    profile = tmp_path / "own.toml"
    profile.write_text('name = "own"\ntitle = ""\ndates = "remove"\n[table]\nk_min = 1\nl_min = 1\n')
    numbers = [str(each) for each in people["person_id"]]
    steward.run("patients", "merge", *numbers[:2])
    steward.run("extract", str(source), "--into", "omop", "--schema", "omop", "--profile", str(profile))
    steward.run("export", "omop", "--output", str(tmp_path / "out"), "--as", "omop")
    found = pl.read_parquet(tmp_path / "out" / "person.parquet")
    assert (found.height, found["person_id"].n_unique()) == (2, 2)
