"""Versions of a hospital's data: erased, registered, decided about, and without a name anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from support.dicom_objects import ct, written
from support.steward import NAME, NUMBER, Captured, Steward, contents
from support.steward import scans as scans
from support.steward import steward as steward
from support.steward_files import command, no_name_in, pictures, put

pytestmark = pytest.mark.network

# --- erasure, registration, versions


def test_two_hospitals_give_one_patient_pseudonyms_that_cannot_be_linked(
    steward: Steward, scans: Path, tmp_path: Path, capsys: Captured
) -> None:
    other = Steward(tmp_path / "south", capsys)
    other.run("init")
    ids: list[set[str]] = []
    for hospital in (steward, other):
        hospital.run("extract", str(scans), "--into", "head", "--project", "joint", "--profile", "longitudinal")
        ids.append({
            value for entry in hospital.run("show", "head")["entries"] for value in (entry["record"], entry["subject"])
        })  # fmt: skip
        out = tmp_path / f"out-{len(ids)}"
        hospital.run("export", "head", "--output", str(out))
        for file in out.glob("*.dcm"):
            made = pydicom.dcmread(file)
            ids[-1] |= {made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID}
    assert not ids[0] & ids[1]


def wrapped_keys(folder: Path, subject: str) -> list[bytes]:
    with sqlite3.connect(f"file:{folder / 'vault' / 'vault.sqlite'}?mode=ro", uri=True) as database:
        found = [row[0] for row in database.execute("SELECT wrapped FROM records WHERE subject = ?", (subject,))]
    database.close()
    return found


def test_erasing_a_patient_leaves_no_key_on_disk_and_the_dataset_goes_on(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    subject = steward.run("show", "head")["entries"][0]["subject"]
    keys = wrapped_keys(steward.folder, subject)
    assert len(keys) == 3
    erased = steward.run("erase", "head", "--subject", subject)
    assert erased["records"] == 3 and erased["waiting"] == 1
    left = contents(steward.folder)
    assert not any(key in left for key in keys) and subject.encode() not in left

    put(scans, "later.dcm", written(ct(SOPInstanceUID="1.2.9", PatientID=f"{NUMBER}-9")))
    done = steward.run("extract", str(scans), "--into", "head")
    assert (done["resumed"], done["records"]) == (14, 1)  # what was erased does not come back
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 10
    assert steward.run("verify", "head")["records"] == 10


def test_what_is_erased_from_a_registered_version_is_said_and_the_next_one_is_whole(
    steward: Steward, scans: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    steward.run("register", "head", "--leave-waiting")
    record = steward.run("show", "head")["entries"][0]["record"]
    assert steward.run("erase", "head", "--record", record)["versions"] == [["head", 1]]
    error = steward.run("verify", "head", expect=2)["error"]
    assert error["code"] == "version_erased" and "were erased on" in error["what"]
    again = steward.run("extract", str(scans), "--into", "head")
    assert (again["version"], again["opted_out"]) == (2, 1)  # what was erased does not come back
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 11
    assert steward.run("verify", "head")["records"] == 11


def test_registering_twice_changes_nothing(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    first = steward.run("register", "head", "--leave-waiting")
    again = steward.run("register", "head", "--leave-waiting")
    assert first["version"] == again["version"]


def test_a_second_version_of_the_same_records_takes_no_room(steward: Steward, tmp_path: Path) -> None:
    source = pictures(tmp_path / "pictures", 12, 200)
    steward.run("extract", str(source), "--into", "head", "--profile", "published")
    steward.run("register", "head")
    objects = steward.folder / "records"
    before = sorted(path for path in objects.rglob("*") if path.is_file())
    second = steward.run("extract", str(source), "--into", "head")
    assert (second["version"], second["records"], second["resumed"]) == (2, 12, 0)
    assert sorted(path for path in objects.rglob("*") if path.is_file()) == before
    one, two = (steward.run("register", "head", "--version", number)["version"] for number in "12")
    assert one["root"] != two["root"]
    assert steward.run("verify", "head", "--version", "1")["records"] == 12


def test_every_held_item_can_be_decided_about_in_whatever_versions_and_datasets_it_waits(
    steward: Steward, scans: Path
) -> None:
    for name in ("head", "neck"):
        for _ in range(2):
            steward.run("extract", str(scans), "--into", name, "--project", "joint")
            steward.run("register", name, "--leave-waiting")
        steward.run("extract", str(scans), "--into", name)
    waiting = steward.run("quarantine", "list")
    assert len(waiting) == 12
    for held in waiting:
        current = held["version"] == 3 and held["releasable"]
        action, done = ("release", "released") if current else ("reject", "rejected")
        assert steward.run("quarantine", action, held["item"][:12], "--reviewer", "Curie")[done]
    assert steward.run("quarantine", "list") == []
    assert {steward.run("show", name)["records"] for name in ("head", "neck")} == {13}


def test_after_a_rejection_further_items_can_be_held(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    for held in steward.run("quarantine", "list"):
        steward.run("quarantine", "reject", held["item"], "--reviewer", "Curie")
    put(scans, "another.dcm", written(ct(SOPInstanceUID="1.2.4.7", BurnedInAnnotation="YES")))
    assert steward.run("extract", str(scans), "--into", "head")["held"] == 1


def test_what_is_half_kept_is_not_registered(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    with sqlite3.connect(steward.folder / "catalogue.db") as database:  # as if the last write never came
        (record,) = database.execute("SELECT record FROM records ORDER BY record LIMIT 1").fetchone()
        database.execute("DELETE FROM records WHERE record = ?", (record,))
    database.close()
    error = steward.run("register", "head", "--leave-waiting", expect=2)["error"]
    assert error["code"] == "unfinished" and record in error["hint"]
    assert steward.run("erase", "head", "--record", record)["records"] == 1
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 11


def test_images_of_a_patient_do_not_change_sides_when_more_are_prepared(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    table = tmp_path / "labels.csv"
    table.write_text("patient,label\n" + "".join(f"{NUMBER}-{i},{'ill' if i % 2 else 'well'}\n" for i in range(4)))
    steward.run("label", "head", str(table))
    prepare = ("prepare", "head", "--into", "head-16", "--size", "16")
    steward.run(*prepare)
    assert steward.run(*prepare)["version"]["records"] == 12  # the same again is no harm
    put(
        scans, "later.dcm", written(ct(SOPInstanceUID="1.2.9", PatientID=f"{NUMBER}-1", PixelData=bytes(range(16)) * 8))
    )
    steward.run("extract", str(scans), "--into", "head")
    steward.run("label", "head", str(table))
    assert steward.run(*prepare, expect=2)["error"]["code"] == "other_form"
    steward.run("register", "head-16")
    assert steward.run(*prepare)["version"]["number"] == 2


# --- leaks


@pytest.mark.network  # long
@pytest.mark.process
def test_no_name_comes_out_anywhere(steward: Steward, scans: Path, tmp_path: Path) -> None:
    """Names of folders, files and patients, in all that commands print and write, with debugging on."""
    source = tmp_path / f"{NAME}^Archibald {NUMBER}"
    shutil.copytree(scans, source)
    spool = tmp_path / "spool"
    spool.mkdir()
    out, exported = tmp_path / "clean", tmp_path / "exported"
    environment = {**os.environ, "TMPDIR": str(spool), "HMCHAIN_DEBUG": "1"}
    said = b""
    for arguments in (
        ["inspect", str(source)],
        ["deidentify", str(source), "--project", "p", "--output", str(out), "--workers", "2"],
        ["extract", str(source), "--into", "head"],
        ["list"],
        ["list", "--search", NAME],
        ["show", "head"],
        ["quarantine", "list"],
        ["register", "head", "--leave-waiting", "--yes"],
        ["export", "head", "--output", str(exported)],
    ):
        for form in ([], ["--json"]) if arguments[0] in ("list", "show", "inspect", "quarantine") else ([],):
            run = [sys.executable, "-m", "hmchain", "data", *arguments, *form, "--dir", str(steward.folder)]
            done = subprocess.run(run, capture_output=True, env=environment, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            said += done.stdout + done.stderr
    no_name_in(said)
    for folder in (steward.folder, out, exported, spool):
        no_name_in(contents(folder))
        assert not [path for path in folder.rglob("*") if NAME in path.name or NUMBER in path.name]
    for folder in (out, exported):
        assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.rglob("*")))


@pytest.mark.process
@pytest.mark.network
def test_a_release_that_is_killed_leaves_no_file_of_the_patient(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    spool = tmp_path / "spool"
    spool.mkdir()
    killed = (
        "import os, signal, sys; from hmchain.records.pipeline.extraction import Extraction;"
        "Extraction._keep = lambda self, name, item, *_, **__:"
        " (item.open(), os.kill(os.getpid(), signal.SIGKILL));"
        "from hmchain.interfaces.cli.main import main; main(sys.argv[1:])"
    )
    item = next(held["item"] for held in steward.run("quarantine", "list") if held["releasable"])
    arguments = command(steward, "quarantine", "release", item, "--reviewer", "Curie")[3:]
    done = subprocess.run([sys.executable, "-c", killed, *arguments], env={**os.environ, "TMPDIR": str(spool)})
    assert done.returncode == -signal.SIGKILL
    assert not list(spool.rglob("*"))
    assert steward.run("quarantine", "release", item, "--reviewer", "Curie")["records"] == 1
