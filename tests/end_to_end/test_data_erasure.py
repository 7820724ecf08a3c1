"""A patient who is erased is gone from everywhere, and stays away; through the commands."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.dicom_objects import ct, written
from support.steward import NUMBER, Steward, contents
from support.steward import steward as steward

pytestmark = pytest.mark.network

PATIENT = f"{NUMBER}-2"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Eight slices of four patients, a screenshot of the third, and a file that is cut short."""
    folder = tmp_path / "export"
    folder.mkdir()
    rng = np.random.Generator(np.random.PCG64(3))
    for number in range(8):
        pixels = rng.integers(0, 4000, (8, 8), dtype=np.uint16).tobytes()
        put(folder, f"{number}", PatientID=f"{NUMBER}-{number % 4}", SOPInstanceUID=f"1.2.3.{number}", PixelData=pixels)
    put(folder, "shot", PatientID=PATIENT, SOPInstanceUID="1.2.4.1", BurnedInAnnotation="YES")
    (folder / "short.dcm").write_bytes(written(ct(SOPInstanceUID="1.2.4.2"))[:300])
    return folder


def put(folder: Path, name: str, **elements: object) -> None:
    made = ct(**elements)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    (folder / f"{name}.dcm").write_bytes(written(made))


def message(patient: str, number: int, *more: str) -> str:
    lines = [
        f"MSH|^~\\&|LAB|HOSP|X|Y|20240101||ORU^R01|{number}|P|2.5",
        *(f"PID|1||{each}^^^H||Quince^A||19310203|M" for each in (patient, *more)),
        "OBX|1|NM|8480-6^Systolic^LN||120|mm[Hg]|||||F",
    ]
    return "\r".join(lines)


def test_a_patient_is_erased_from_every_project(steward: Steward, scans: Path) -> None:
    for name, project in (("head", "one"), ("neck", "two"), ("chest", "two")):
        steward.run("extract", str(scans), "--into", name, "--project", project)
    done = steward.run("erase", "head", "--patient", PATIENT)
    assert done["records"] == 6 and sorted(done["versions"]) == [["chest", 1], ["head", 1], ["neck", 1]]
    for name in ("head", "neck", "chest"):
        assert steward.run("show", name)["subjects"] == 3


def test_what_waited_in_quarantine_is_erased_with_its_patient(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    blobs = {path.name for path in (steward.folder / "records").rglob("*") if path.is_file()}
    done = steward.run("erase", "--patient", PATIENT)
    assert (done["records"], done["quarantined"], done["waiting"]) == (2, 1, 1)
    assert [held["code"] for held in steward.run("quarantine", "list", "--decided")] == ["damaged"]
    left = {path.name for path in (steward.folder / "records").rglob("*") if path.is_file()}
    assert len(blobs - left) == 4  # two records, the item as it came, its name


def test_an_erased_patient_does_not_come_back_until_it_is_lifted(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    steward.run("register", "head", "--leave-waiting")
    steward.run("erase", "--patient", PATIENT)
    again = steward.run("extract", str(scans), "--into", "head")
    assert (again["version"], again["records"], again["opted_out"], again["held"]) == (2, 6, 3, 1)
    elsewhere = steward.run("extract", str(scans), "--into", "later", "--project", "new", "--workers", "2")
    assert (elsewhere["records"], elsewhere["opted_out"]) == (6, 3)
    out = tmp_path / "clean"
    steward.run("deidentify", str(scans), "--output", str(out), "--project", "newer")
    report = json.loads((out / "report.json").read_text())
    assert (report["records"], report["opted_out"]) == ({"application/dicom": 6}, 3)
    assert PATIENT.encode() not in contents(steward.folder)

    assert steward.run("opt-out", "--patient", PATIENT, "--lift")["lifted"] == 1
    assert steward.run("opt-out", "--patient", PATIENT, "--lift")["lifted"] == 0
    back = steward.run("extract", str(scans), "--into", "head")
    assert (back["records"], back["held"], back["opted_out"], back["resumed"]) == (2, 1, 0, 7)


def test_a_pseudonym_or_a_record_that_was_erased_does_not_come_back(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    shown = steward.run("show", "head")["entries"]
    steward.run("register", "head", "--leave-waiting")
    subject = shown[0]["subject"]
    other = next(entry["record"] for entry in shown if entry["subject"] != subject)
    assert steward.run("erase", "--subject", subject)["records"] == 2
    assert steward.run("erase", "head", "--record", other)["records"] == 1
    again = steward.run("extract", str(scans), "--into", "head")
    assert again["records"] == 5 and again["opted_out"] >= 3
    assert steward.run("opt-out", "--record", other, "--lift")["lifted"] == 1
    assert steward.run("extract", str(scans), "--into", "head")["records"] == 1


def test_a_patient_can_opt_out_before_anything_is_extracted(steward: Steward, scans: Path) -> None:
    steward.run("opt-out", "--patient", PATIENT)
    done = steward.run("extract", str(scans), "--into", "head")
    assert (done["records"], done["opted_out"], done["held"]) == (6, 3, 1)


def test_a_message_about_two_patients_goes_with_either(steward: Steward, tmp_path: Path) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "1.hl7").write_text(message("A-1", 1))
    (folder / "2.hl7").write_text(message("A-2", 2))
    (folder / "3.hl7").write_text(message("A-1", 3, "A-2"))
    done = steward.run("extract", str(folder), "--into", "lab", "--as", "hl7")
    assert (done["records"], done["held"]) == (2, 1)
    erased = steward.run("erase", "--patient", "A-2")
    assert (erased["records"], erased["quarantined"], erased["waiting"]) == (1, 1, 0)
    again = steward.run("extract", str(folder), "--into", "lab2", "--as", "hl7")
    assert (again["records"], again["held"], again["opted_out"]) == (1, 0, 2)


def test_of_a_block_of_resources_nothing_is_kept_whose_patient_opted_out(steward: Steward, tmp_path: Path) -> None:
    def resource(kind: str, number: int, **more: object) -> str:
        return json.dumps({"resourceType": kind, "id": f"r{number}", "subject": {"reference": "Patient/p1"}, **more})

    odd = {"modifierExtension": [{"url": "http://x", "valueBoolean": True}], "status": "final"}
    lines = [
        json.dumps({"resourceType": "Patient", "id": "p1", "gender": "male"}),
        json.dumps({"resourceType": "Patient", "id": "p2", "gender": "female"}),
        resource("Observation", 1, **odd),
        json.dumps({"resourceType": "Observation", "id": "r2", "status": "final"}),
    ]
    file = tmp_path / "block.ndjson"
    file.write_text("\n".join(lines))
    done = steward.run("extract", str(file), "--into", "notes", "--as", "fhir")
    assert (done["records"], done["held"]) == (2, 2)
    # What is nobody's waits with the block as it came, which is about both: it goes with either. The other is p1's.
    assert steward.run("erase", "--patient", "p2")["quarantined"] == 1
    assert [held["code"] for held in steward.run("quarantine", "list")] == ["modifier_extension"]
    again = steward.run("extract", str(file), "--into", "more", "--as", "fhir")
    assert (again["records"], again["opted_out"], again["held"]) == (1, 1, 2)
    held, own = sorted(steward.run("quarantine", "list", "more"), key=lambda each: each["releasable"])
    assert (held["code"], held["releasable"], own["code"]) == ("opted_out", False, "modifier_extension")
    steward.run("quarantine", "look", own["item"], "--output", str(tmp_path / "own"))
    assert b'"p1"' in (tmp_path / "own").read_bytes() and b"p2" not in (tmp_path / "own").read_bytes()
    error = steward.run("quarantine", "look", held["item"], "--output", str(tmp_path / "look"), expect=2)["error"]
    assert error["code"] == "not_held" and "opted out" in error["what"]
    steward.run("quarantine", "reject", held["item"], "--reviewer", "Curie")


def test_an_unknown_dataset_is_named_and_makes_no_key(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    error = steward.run("erase", "brian", "--patient", PATIENT, expect=2)["error"]
    assert error["code"] == "no_such_dataset" and "brian" in error["what"] and "head" in error["hint"]
    error = steward.run("erase", "--record", "00", expect=2)["error"]
    assert error["code"] == "no_such_dataset"
    from hmchain.application.site.hospital import locate, open_records

    with open_records(locate(steward.folder)) as records:
        assert records.catalogue.projects.names() == ["head"]


def test_who_is_not_there_is_not_opted_out_by_a_slip(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    error = steward.run("erase", "--patient", "MRN-1", expect=2)["error"]
    assert error["code"] == "nothing_to_erase" and "opt-out" in error["hint"]
    assert steward.run("opt-out", "--patient", "MRN-1", "--lift")["lifted"] == 0
    assert steward.run("opt-out", expect=2)["error"]["code"] == "input"


def gallery(folder: Path, classes: int, each: int) -> Path:
    """Pictures, each class of which is called by a word of its own."""
    rng = np.random.Generator(np.random.PCG64(9))
    for number in range(classes * each):
        path = folder / "syndrome{0:02d}q{0:02d}q".format(number % classes) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(path)
    return folder


def test_no_byte_of_an_erased_records_label_is_left(steward: Steward, tmp_path: Path) -> None:
    source = gallery(tmp_path / "pictures", classes=30, each=4)
    steward.run("extract", str(source), "--into", "pictures", "--labels-from", "folders")
    steward.run("register", "pictures")
    assert b"syndrome07q07q" in contents(steward.folder) and b"syndrome21q21q" in contents(steward.folder)
    shown = steward.run("show", "pictures", "--limit", "1000")["entries"]
    for entry in shown:
        if entry["label"] in ("syndrome07q07q", "syndrome21q21q"):
            steward.run("erase", "pictures", "--record", entry["record"])
    left = contents(steward.folder)
    assert b"syndrome07q07q" not in left and b"syndrome21q21q" not in left
    for part in (b"7q07q", b"1q21q"):
        assert part not in left, "FTS keeps words without the letters that they share with the word before"
    assert b"syndrome08q08q" in left and len(steward.run("list", "--search", "syndrome08q08q")) == 4
    assert steward.run("list", "--search", "syndrome07q07q") == []


def test_the_card_of_what_was_erased_goes_and_can_be_made_again(steward: Steward, tmp_path: Path) -> None:
    steward.run("extract", str(gallery(tmp_path / "pictures", 3, 4)), "--into", "pictures", "--labels-from", "folders")
    done = steward.run("register", "pictures")
    card = Path(done["card"])
    assert card.exists() and card.with_suffix(".json").exists()
    record = steward.run("show", "pictures")["entries"][0]["record"]
    assert steward.run("erase", "pictures", "--record", record)["cards"] == [str(card)]
    assert not card.exists() and not card.with_suffix(".json").exists()
    assert Path(done["provenance"]).exists(), "what was done to records names none of them"
    steward.run("card", "pictures")
    assert card.exists()


def test_an_erasure_says_so_if_a_reader_keeps_the_old_pages(
    steward: Steward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steward.run("extract", str(gallery(tmp_path / "pictures", 3, 4)), "--into", "pictures", "--labels-from", "folders")
    record = steward.run("show", "pictures")["entries"][0]["record"]
    monkeypatch.setattr("hmchain.sqlite.BUSY_SECONDS", 0.3)
    reader = sqlite3.connect(steward.folder / "catalogue.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchall()
    error = steward.run("erase", "pictures", "--record", record, expect=4)["error"]
    assert error["code"] == "catalogue" and "log" in error["what"]
    reader.close()
    steward.run("list")  # the next command that closes the catalogue empties the log
    assert not (steward.folder / "catalogue.db-wal").exists()


def test_a_record_that_a_program_put_into_the_vault_can_be_erased(steward: Steward) -> None:
    from hmchain.application.site.hospital import locate, open_records

    with open_records(locate(steward.folder)) as records:
        records.vault.put("images", 1, "000012", b"pixels")
    assert steward.run("erase", "images", "--record", "000012")["versions"] == [["images", 1]]
    assert steward.run("erase", "images", "--record", "000012", expect=2)["error"]["code"] == "no_such_dataset"


DYING = """
import os, sys
from hmchain.interfaces.cli.main import main
from hmchain.records.catalogue import Catalogue
Catalogue.forget = lambda *_, **__: os._exit(9)
main(["data", "erase", "--patient", sys.argv[1], "--yes", "--dir", sys.argv[2]])
"""


@pytest.mark.process
def test_an_erasure_that_was_cut_short_is_finished_by_the_same_command(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    steward.run("register", "head", "--leave-waiting")
    died = subprocess.run([sys.executable, "-c", DYING, PATIENT, str(steward.folder)], timeout=120, check=False)
    assert died.returncode == 9
    found = steward.run("show", "head", expect=7)["error"]
    assert "run it again" in found["hint"], "the catalogue has not heard of it"
    assert steward.run("erase", "--patient", PATIENT)["versions"] == [["head", 1]]
    assert steward.run("show", "head")["subjects"] == 3
    assert steward.run("extract", str(scans), "--into", "head")["opted_out"] == 3


def test_what_people_see_of_erasures(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    record = steward.run("show", "head")["entries"][0]["record"]
    steward.run("register", "head", "--leave-waiting")
    said = steward.show("prove", record, "--out", str(tmp_path / "proof.json"))
    assert "hmchain audit verify-record" in said
    said = steward.show("erase", "--patient", PATIENT)
    for part in ("Records destroyed: 2", "waited in quarantine: 1", "card", "1 items wait", "opt-out --lift"):
        assert part in said
    assert "records erased" in steward.show("list")
    assert "keyed digest" in steward.show("opt-out", "--patient", "MRN-9")
    assert "take it again" in steward.show("opt-out", "--patient", "MRN-9", "--lift")
    assert "Nothing of the kind" in steward.show("opt-out", "--patient", "MRN-9", "--lift")
    assert "nothing to withdraw" in steward.show("withdraw")
    assert "opted out" in steward.show("extract", str(scans), "--into", "neck")
    said = steward.show("deidentify", str(scans), "--project", "x", "--output", str(tmp_path / "clean"))
    assert "opted out" in said and "provenance.json" in said
    assert "backup.key" in steward.show("vault", "backup", str(tmp_path / "backup"))
    steward.show("vault", "mirror", str(tmp_path / "replica"))
    assert "had rotten" in steward.show("vault", "mirror", str(tmp_path / "replica"), "--deep")
    new = Steward(tmp_path / "new", steward.capsys)
    key = str(steward.folder / "keys" / "backup.key")
    said = new.show("vault", "restore", str(tmp_path / "backup"), "--key", key, "--replica", str(tmp_path / "replica"))
    assert "backup of" in said and "north" in said
