"""The account says what is: after a release, a rejection or an erasure its rows still add up to the source's files."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from support.dicom_objects import ct, written
from support.health_records import patient
from support.steward import NUMBER, Steward
from support.steward import scans as scans
from support.steward import steward as steward


def today(steward: Steward, source: Path, *more: str) -> dict[str, dict[str, Any]]:
    """What files and parts are now, after it was seen that they add up."""
    said: dict[str, dict[str, Any]] = steward.run("extract", str(source), "--into", "head", *more)["account"]
    for counts in (said["files"], said["parts"]):
        assert counts["found"] == sum(count for fate, count in counts.items() if fate != "found")
    return said


def listed(path: Path) -> Counter[str]:
    """Files of a list by what became of them."""
    with path.open() as file:
        return Counter(line["became"] for line in csv.DictReader(file))


def test_a_steward_sees_what_was_released_rejected_and_erased(steward: Steward, scans: Path, tmp_path: Path) -> None:
    assert today(steward, scans)["files"] == {"found": 14, "taken": 12, "held": 2}
    steward.run("quarantine", "release", "--yes", "--reason", "burned_in_text", "--reviewer", "M. Curie")
    steward.run("quarantine", "reject", "--reason", "damaged", "--reviewer", "M. Curie")
    assert today(steward, scans)["files"] == {"found": 14, "taken": 12, "released": 1, "rejected": 1}
    steward.run("erase", "--patient", f"{NUMBER}-1")
    list_, now = tmp_path / "now.csv", {"found": 14, "taken": 9, "released": 1, "rejected": 1, "erased": 3}
    assert today(steward, scans, "--list", str(list_))["files"] == now
    assert listed(list_) == {"written": 9, "released": 1, "rejected": 1, "erased": 3}
    with list_.open() as file:
        ids = {line["record"] for line in csv.DictReader(file) if line["record"]}
    assert ids == {entry["record"] for entry in steward.run("show", "head", "--limit", "99")["entries"]}
    shown = steward.show("show", "head")
    assert "released by a reviewer" in shown and "rejected by a reviewer" in shown and "erased" in shown


def test_what_is_fixed_keeps_its_history_and_the_account_says_what_is(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    today(steward, scans)
    steward.run("register", "head", "--leave-waiting")
    provenance = steward.folder / "cards" / "head-1.provenance.json"
    before = provenance.read_bytes()
    steward.run("erase", "--patient", f"{NUMBER}-2")
    files = steward.run("show", "head")["account"]["files"]
    assert files == {"found": 14, "taken": 9, "held": 2, "erased": 3} and provenance.read_bytes() == before


def test_who_is_erased_from_a_file_of_many_is_counted_in_its_parts(steward: Steward, tmp_path: Path) -> None:
    source = tmp_path / "Patient.ndjson"
    source.write_text("".join(json.dumps(patient(number)) + "\n" for number in (1, 2, 3, 3)))
    assert today(steward, source)["parts"] == {"found": 4, "written": 3, "twice": 1}
    subject = steward.run("show", "head")["entries"][0]["subject"]
    steward.run("erase", "--subject", subject)
    said = today(steward, source)
    assert said["files"] == {"found": 1, "taken": 1}
    assert said["parts"]["erased"] == 4 - said["parts"]["written"] - said["parts"].get("twice", 0)


def test_of_two_contents_the_one_that_gave_way_is_no_longer_written(steward: Steward, tmp_path: Path) -> None:
    source = tmp_path / "export"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.dcm").write_bytes(written(ct(PatientID=f"MRN-{name}", PatientName=f"{name}^{name}")))
    assert today(steward, source)["files"] == {"found": 2, "taken": 1, "held": 1}
    steward.run(
        "quarantine", "release", "--yes", "--reason", "conflicting_identifier", "--replace", "--reviewer", "M. Curie"
    )
    assert today(steward, source)["files"] == {"found": 2, "released": 1, "older": 1}


def test_a_patient_whose_scan_waits_is_erased_from_what_waits(steward: Steward, tmp_path: Path) -> None:
    shot = tmp_path / "shot.dcm"
    shot.write_bytes(written(ct(PatientID="MRN-7", BurnedInAnnotation="YES")))
    assert today(steward, shot)["files"] == {"found": 1, "held": 1}
    steward.run("erase", "--patient", "MRN-7")
    assert today(steward, shot)["files"] == {"found": 1, "erased": 1}


def test_what_an_earlier_program_took_stays_accounted_for(steward: Steward, scans: Path) -> None:
    today(steward, scans)
    catalogue = steward.folder / "catalogue.db"
    with closing(sqlite3.connect(catalogue)) as database, database:
        gone = ("outcomes", "consents", "bases", "optout_lists", "listed")
        database.executescript("".join(f"DROP TABLE {each};" for each in gone) + "PRAGMA user_version = 8")
    steward.run("erase", "--patient", f"{NUMBER}-1")
    assert today(steward, scans)["files"] == {"found": 14, "taken": 12, "held": 2}


def test_the_commands_that_an_erasure_prints_do_what_it_says(steward: Steward, tmp_path: Path) -> None:
    shot = tmp_path / "scan.dcm"
    shot.write_bytes(written(ct(PatientID="MRN-7")))
    today(steward, shot)
    steward.run("card", "head")
    (entry,) = steward.run("show", "head")["entries"]
    said = steward.show("erase", "head", "--record", entry["record"])
    card, lift = re.findall("`hmchain data ([^`]*)`", said)
    assert card.startswith("card head --version 1") and steward.run(*_words(lift))["lifted"] == 1


def _words(command: str) -> list[str]:
    """The words of a printed command, but for the folder, which the steward has."""
    return command.split(" --dir ")[0].split()
