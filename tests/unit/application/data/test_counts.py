"""One path, two ends: what becomes of files adds up to the files, nothing is overwritten without a word."""

from __future__ import annotations

import csv
import errno
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.data import deidentification, extraction
from hmchain.application.site import hospital
from hmchain.records.pipeline import clean_files
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.dicom_objects import ct, written
from support.health_records import patient
from support.steward import Steward, message
from support.steward import scans as scans
from support.steward import steward as steward

ENDS = ("folder", "vault")


def outcome(source: Path, place: Path, end: str, kind: str = "") -> tuple[dict[str, Any], list[bytes]]:
    """The account of a run, and the contents that are at its end."""
    folder = hospital.create(place)
    with hospital.open_records(folder) as records, open_source(SourceRequest(place=str(source), kind=kind)) as opened:
        if end == "vault":
            found = extraction.extract_into(records, "mixed", opened)
            assert found.version.records == sum(1 for _ in records.catalogue.records("mixed", 1))
            return found.account.as_json(), [content for _, content in sorted(records.vault.read("mixed", 1))]
        made = deidentification.deidentify(records, opened, place / "clean", "mixed")
    files = sorted(path for path in (place / "clean").iterdir() if len(path.stem) == 32)
    assert len(files) == made.trial.records.total()
    assert json.loads((place / "clean" / "report.json").read_text())["account"] == made.trial.account.as_json()
    return made.trial.account.as_json(), [path.read_bytes() for path in files]


def sums(account: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """What the files and the parts in them became, after what was found was seen to be their sum."""
    for counts in (account["files"], account["parts"]):
        assert counts["found"] == sum(count for fate, count in counts.items() if fate != "found")
    return account["files"], account["parts"]


@pytest.mark.parametrize("end", ENDS)
def test_two_patients_under_one_object_uid_are_not_one_record(tmp_path: Path, end: str) -> None:
    source = tmp_path / "export"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.dcm").write_bytes(written(ct(PatientID=f"MRN-{name}", PatientName=f"{name}^{name}")))
    account, contents = outcome(source, tmp_path / "north", end)
    assert sums(account)[0] == {"found": 2, "taken": 1, "held": 1}
    assert account["held"] == {"conflicting_identifier": {"files": 1, "parts": 1}} and len(contents) == 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)], ids=["oldest first", "newest first"])
def test_the_latest_edition_is_the_one_that_is_written(tmp_path: Path, end: str, order: tuple[int, ...]) -> None:
    source = tmp_path / "export"
    source.mkdir()
    for place, number in enumerate(order):
        edition = patient(1) | {"meta": {"versionId": str(number)}, "gender": ["", "male", "female", "other"][number]}
        (source / f"{place}.json").write_text(json.dumps(edition))
    account, contents = outcome(source, tmp_path / "north", end, "fhir")
    assert [json.loads(content)["gender"] for content in contents] == ["other"]
    assert sums(account)[1] == {"found": 3, "written": 1, "older": 2}


@pytest.mark.parametrize("end", ENDS)
def test_messages_and_files_are_both_counted(tmp_path: Path, end: str) -> None:
    source = tmp_path / "export"
    source.mkdir()
    ack = b"MSH|^~\\&|||||20240101||ACK^R01|7|P|2.5\rMSA|AA|1\r"
    (source / "one.hl7").write_bytes(message(1) + b"\r" + message(2) + b"\r" + ack)
    (source / "two.hl7").write_bytes(message(2) + b"\r")
    (source / "acks.hl7").write_bytes(ack + ack)
    (source / "nothing.hl7").write_bytes(b"")
    (source / "scan.pdf").write_bytes(b"%PDF")
    account, contents = outcome(source, tmp_path / "north", end, "hl7")
    assert sums(account) == (
        {"found": 5, "taken": 1, "twice": 1, "passed_over": 3},
        {"found": 6, "written": 2, "twice": 1, "passed_over": 3},
    )
    assert account["passed_over"]["an acknowledgement"] == {"files": 1, "parts": 3} and len(contents) == 2


def test_a_steward_sees_by_name_which_file_became_what(steward: Steward, scans: Path, tmp_path: Path) -> None:
    (scans / "Quince report.pdf").write_bytes(b"%PDF")
    listed = tmp_path / "became.csv"
    shown = steward.show("extract", str(scans), "--into", "head", "--as", "dicom", "--list", str(listed))
    assert "passed over: not DICOM" in shown and "held: damaged" in shown
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    with listed.open() as file:
        lines = {line["file"]: line for line in csv.DictReader(file)}
    assert len(lines) == 15 and lines["Quince report.pdf"]["why"] == "not DICOM"
    assert lines["short.dcm"]["became"] == "held"
    records = {entry["record"] for entry in steward.run("show", "head", "--limit", "100")["entries"]}
    assert {line["record"] for line in lines.values() if line["became"] == "written"} == records
    steward.run("extract", str(scans), "--into", "head", "--as", "dicom", "--list", str(listed))
    with listed.open() as file:
        again = {line["file"]: line["became"] for line in csv.DictReader(file)}
    assert again == {name: line["became"] for name, line in lines.items()}, "told again, and extracted once"
    within = str(tmp_path / "clean" / "became.csv")
    said = ("deidentify", str(scans), "--project", "p", "--output", str(tmp_path / "clean"), "--list", within)
    assert steward.run(*said, expect=2)["error"]["code"] == "list_place"


@pytest.mark.parametrize("what", ["as it was", "damaged", "on a share"])
def test_clean_files_go_on_whatever_became_of_what_is_known_of_them(
    steward: Steward, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    said = ("deidentify", str(scans), "--project", "p", "--workers", "1", "--as", "dicom", "--output")
    with monkeypatch.context() as full:

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, "full")

        full.setattr(clean_files, "sync_tree", fail)
        steward.run(*said, str(out), expect=4)
    work = out / clean_files.WORK
    assert not work.exists(), "all was written"
    if what != "as it was":
        work.mkdir()
        (work / "bench.db").write_bytes(b"no database" * 100)
    if what == "on a share":
        (work / "bench.db").unlink()
        (work / "bench.db").mkdir()
    found, expected = steward.run(*said, str(out)), steward.run(*said, str(whole))
    assert found == expected and found["records"] == {"application/dicom": 12}
    assert {path.name: path.read_bytes() for path in out.glob("*.dcm")} == {
        path.name: path.read_bytes() for path in whole.glob("*.dcm")
    }
    assert not (out / clean_files.WORK).exists()


def test_a_list_of_names_takes_the_place_of_nothing_and_that_is_said_first(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    (tmp_path / "patients.csv").write_text("file,patient\n")
    for place in ("patients.csv", ".", "no folder/list.csv"):
        refused = steward.run("extract", str(scans), "--into", "head", "--list", str(tmp_path / place), expect=2)
        assert refused["error"]["code"] == "list_place"
    assert (tmp_path / "patients.csv").read_text() == "file,patient\n" and not steward.run("list")
