"""What a steward cannot take back is shown and asked first; labels that were given once are not lost."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hmchain.application.data import erasure
from hmchain.application.data.erasure import NothingToEraseError, Target
from hmchain.application.site.hospital import locate, open_records
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from support.dicom_objects import ct, written
from support.finished_run import DATASET, STUDY, run_directory
from support.steward import NUMBER, Steward, scans, steward

__all__ = ["run_directory", "scans", "steward"]

PATIENT = f"{NUMBER}-2"


@pytest.fixture
def registered(steward: Steward, scans: Path, tmp_path: Path) -> Steward:
    """Twelve labelled slices of four patients, registered, and images made of them, registered too."""
    steward.run("extract", str(scans), "--into", "head")
    steward.run("label", "head", str(labels(tmp_path, range(4))))
    steward.run("prepare", "head", "--into", "head-16", "--size", "16")
    steward.run("register", "head", "--leave-waiting")
    steward.run("register", "head-16")
    return steward


def labels(folder: Path, patients: range) -> Path:
    table = folder / "labels.csv"
    table.write_text("patient,label\n" + "".join(f"{NUMBER}-{i},{'ill' if i % 2 else 'well'}\n" for i in patients))
    return table


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    return monkeypatch


def test_an_erasure_shows_what_it_would_destroy_and_does_it_after_a_yes_alone(
    registered: Steward, at_terminal: pytest.MonkeyPatch
) -> None:
    seen = registered.run("erase", "--patient", PATIENT, "--preview")
    assert [(each["dataset"], each["records"], each["of"]) for each in seen["losses"]] == [
        ("head", {"dicom": 3}, 12), ("head-16", {"image": 3}, 12),
    ]  # fmt: skip
    erase = ["data", "erase", "--patient", "-", "--dir", str(registered.folder)]
    at_terminal.setattr("getpass.getpass", lambda prompt, stream: f"{PATIENT}0")  # mistyped
    assert main(erase) == 2
    shown = registered.capsys.readouterr().err
    assert "no record is of this patient" in shown and PATIENT not in shown
    at_terminal.setattr("getpass.getpass", lambda prompt, stream: PATIENT)
    at_terminal.setattr("sys.stdin", io.StringIO("\n"))
    assert main(erase) == 2
    shown = registered.capsys.readouterr()
    assert "head-16" in shown.err and "3 prepared images" in shown.err and "3 dicom" in shown.err
    assert "Destroy all of this?" in shown.err and "nothing was changed" in shown.err
    assert PATIENT not in shown.out + shown.err and shown.out == ""
    assert registered.run("show", "head")["records"] == 12
    at_terminal.setattr("sys.stdin", io.StringIO("yes\n"))
    assert main(erase) == 0
    told = registered.capsys.readouterr().out
    assert "Records destroyed: 6" in told and "The root of head version 1 can no longer be checked." in told
    assert "hmchain data extract SOURCE --into head --dir" in told
    assert "hmchain data prepare head --into head-16 --dir" in " ".join(told.split())
    assert registered.run("show", "head")["records"] == 9


def test_a_record_that_is_erased_takes_along_the_image_that_was_made_of_it(registered: Steward) -> None:
    registered.run("prepare", "head", "--into", "other-8", "--size", "8")  # open still
    record = registered.run("show", "head")["entries"][0]["record"]
    seen = registered.run("erase", "head", "--record", record, "--preview")
    places = [("head", 1), ("head-16", 1), ("other-8", 1)]
    assert [(each["dataset"], each["version"]) for each in seen["losses"]] == places
    done = registered.run("erase", "head", "--record", record)
    assert done["records"] == 3 and [tuple(each) for each in done["versions"]] == places
    for name in ("head", "head-16", "other-8"):
        assert record not in [each["record"] for each in registered.run("show", name)["entries"]]
    refused = registered.run("verify", "head-16", expect=2)["error"]
    assert refused["code"] == "version_erased" and "hmchain data prepare head --into head-16" in refused["hint"]


def test_an_erasure_names_the_studies_that_used_the_records(run_directory: Path) -> None:
    north = locate(run_directory / "hospitals" / "north")
    found = erasure.preview(north, DATASET, Target(record="000003"))
    (use,) = found.uses.uses
    assert [(made.study, made.status, use.version, made.model != b"") for made in use.made] == [
        (STUDY, "finished", 1, True)
    ]
    with pytest.raises(NothingToEraseError):
        erasure.preview(north, DATASET, Target(record="nothing"))


def test_labels_go_with_their_records_into_the_next_version(registered: Steward, scans: Path) -> None:
    registered.run("erase", "--patient", PATIENT)
    said = registered.run("register", "head", "--leave-waiting", expect=2)["error"]  # that of before is no success
    assert said["code"] == "version_erased" and "no new study may use it" in said["what"]
    assert "hmchain data extract SOURCE --into head" in said["hint"]
    again = registered.run("extract", str(scans), "--into", "head")
    assert (again["version"], again["labels"]["carried"], again["labels"]["unlabelled"]) == (2, 9, 0)
    assert registered.run("prepare", "head", "--into", "head-16", "--size", "16")["images"] == 9
    fixed = registered.run("register", "head", "--leave-waiting")
    assert fixed["labels"]["labelled"] == 9


def test_a_label_stays_with_its_patient_when_a_scan_is_corrected_to_another(
    registered: Steward, tmp_path: Path
) -> None:
    """The same objects again, under the identifier of whose they are: by patient the old label was somebody else's."""
    corrected = tmp_path / "corrected"
    corrected.mkdir()
    owners = {1: f"{NUMBER}-0", 5: f"{NUMBER}-0", 2: f"{NUMBER}-9"}
    for number in range(12):
        owner = owners.get(number, f"{NUMBER}-{number % 4}")
        made = ct(PatientID=owner, SOPInstanceUID=f"1.2.3.{number}")
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        (corrected / f"{number}.dcm").write_bytes(written(made))
    found = registered.run("extract", str(corrected), "--into", "head")["labels"]
    assert (found["carried"], found["moved"], found["unlabelled"]) == (9, 3, 3)
    assert main(["data", "register", "head", "--yes", "--leave-waiting", "--dir", str(registered.folder)]) == 0
    registered.capsys.readouterr()
    with open_records(locate(registered.folder)) as records:
        first, second = ({each.record: each for each in records.catalogue.records("head", n)} for n in (1, 2))
    moved = [name for name in first if first[name].subject != second[name].subject]
    assert len(moved) == 3 and all(second[name].label == "" for name in moved)
    assert all(second[name].label == first[name].label for name in first if name not in moved)


def test_a_version_that_lost_its_labels_is_not_registered_by_mistake(registered: Steward, tmp_path: Path) -> None:
    """Other patients than before: no label can be taken over."""
    others = tmp_path / "others"
    others.mkdir()
    for number in range(4):
        made = ct(PatientID=f"X-{number}", SOPInstanceUID=f"1.2.9.{number}")
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        (others / f"{number}.dcm").write_bytes(written(made))
    registered.run("extract", str(others), "--into", "head")
    refused = registered.run("register", "head", expect=2)["error"]
    assert refused["code"] == "unlabelled" and "0 of 4 records of head version 2 are labelled" in refused["what"]
    missing = registered.run("prepare", "head", "--into", "other-16", expect=3)["error"]
    assert "4 of its 4 records have no label" in missing["what"] and "data label head" in missing["hint"]
    assert registered.run("register", "head", "--unlabelled")["version"]["number"] == 2


def test_what_cannot_be_meant_is_refused_and_what_is_shown_is_so(registered: Steward, scans: Path) -> None:
    """A blank reviewer, two channels, no worker; images that were made have the size that they were made with."""
    item = registered.run("quarantine", "list")[0]["item"]
    assert main(["data", "quarantine", "reject", item, "--reviewer", "Curie", "--dir", str(registered.folder)]) == 2
    assert "this asks first" in registered.capsys.readouterr().err
    assert registered.run("quarantine", "list")[0]["item"] == item, "it is not taken back, so a yes is needed"
    for refused, code in (
        (["quarantine", "reject", item, "--reviewer", " "], "no_reviewer"),
        (["quarantine", "release", item, "--reviewer", "\t"], "no_reviewer"),
        (["prepare", "head", "--into", "two", "--channels", "2"], "input"),
        (["prepare", "head", "--into", "two", "--classes", ","], "input"),
        (["prepare", "head", "--into", "two", "--classes", "ill,,well"], "input"),
        (["extract", str(scans), "--into", "head", "--workers", "0"], "usage"),
    ):
        assert registered.run(*refused, expect=2)["error"]["code"] == code
    shown = registered.run("show", "head-16")["entries"][0]["attributes"]
    assert (shown["rows"], shown["columns"]) == ("16", "16")
    card = Path(registered.run("card", "head-16")["card"]).read_text()
    assert "head-16, version 1" in card and f"version 1, {registered.folder.name}" not in card, (
        "a folder is no hospital"
    )
