"""A steward's way from the hospital's files to a registered dataset, through the commands."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.dicom_objects import ct, written
from support.pacs import PASSWORD, TITLE, USER, running_orthanc, study
from support.ports import free_port
from support.s3_server import running_s3
from support.steward import NAME, NUMBER, Captured, Steward, contents, message
from support.steward import scans as scans
from support.steward import steward as steward


def test_from_files_to_a_registered_dataset(steward: Steward, scans: Path, tmp_path: Path) -> None:
    seen = steward.run("inspect", str(scans))
    assert seen["items"] == 14 and seen["records"] == {"application/dicom": 12}
    assert {held["code"]: held["releasable"] for held in seen["held"]} == {"burned_in_text": True, "damaged": False}
    assert {"element": "(0010,0030) PatientBirthDate", "done": "emptied", "count": 12} in seen["actions"]

    done = steward.run("extract", str(scans), "--into", "head", "--title", "Head CT", "--profile", "longitudinal")
    assert (done["records"], done["held"], done["version"]) == (12, 2, 1)
    assert steward.run("extract", str(scans), "--into", "head")["resumed"] == 14
    assert NAME.encode() not in contents(steward.folder) and NUMBER.encode() not in contents(steward.folder)

    shown = steward.run("show", "head")
    assert (shown["records"], shown["subjects"], shown["held"], shown["title"]) == (12, 4, 2, "Head CT")
    assert shown["entries"][0]["attributes"]["modality"] == "CT"
    assert "Quince" not in steward.show("show", "head")
    assert len(steward.run("list", "--search", "CT")) == 12

    refused = steward.run("register", "head", expect=2)["error"]
    assert refused["code"] == "items_waiting"
    waiting = {held["code"]: held["item"] for held in steward.run("quarantine", "list")}
    steward.run("quarantine", "look", waiting["burned_in_text"], "--output", str(tmp_path / "look.dcm"))
    assert (tmp_path / "look.dcm").read_bytes() == (scans / "shot.dcm").read_bytes()
    released = steward.run("quarantine", "release", waiting["burned_in_text"][:8], "--reviewer", "Curie")
    assert released["released"] and released["records"] == 1
    refused = steward.run("quarantine", "release", waiting["damaged"], "--reviewer", "Curie", expect=2)["error"]
    assert refused["code"] == "not_releasable" and "is held: " in refused["what"]
    steward.run("quarantine", "reject", waiting["damaged"], "--reviewer", "Curie")
    assert steward.run("quarantine", "list") == []

    registered = steward.run("register", "head")
    assert registered["version"]["records"] == 13 and registered["count"] == 64 and not registered["published"]
    assert Path(registered["card"]).is_file()
    checked = steward.run("verify", "head")
    assert (checked["records"], checked["on_ledger"]) == (13, False)
    one = shown["entries"][0]["record"]
    assert steward.run("verify", "head", "--record", one)["records"] == 1

    exported = tmp_path / "out"
    assert steward.run("export", "head", "--output", str(exported))["records"] == 13
    assert NAME.encode() not in contents(exported) and len(list(exported.glob("*.dcm"))) == 13


def test_a_patient_can_be_erased_by_the_hospitals_number(
    steward: Steward, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{NUMBER}-2\n"))
    assert steward.run("erase", "head", "--patient", "-")["records"] == 3
    left = steward.run("show", "head")
    assert (left["records"], left["subjects"]) == (9, 3)
    again = steward.run("erase", "head", "--patient", f"{NUMBER}-2", expect=2)["error"]
    assert again["code"] == "nothing_to_erase"
    record = left["entries"][0]["record"]
    assert steward.run("erase", "head", "--record", record)["records"] == 1
    assert steward.run("show", "head", "--record", record, expect=2)["error"]["code"] == "no_such_version"


def test_labels_make_images_to_learn_from(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    table = tmp_path / "labels.csv"
    table.write_text("patient,label\n" + "".join(f"{NUMBER}-{i},{'ill' if i % 2 else 'well'}\n" for i in range(5)))
    assert steward.run("label", "head", str(table)) == {
        "labels": {"ill": 6, "well": 6}, "unlabelled": 0, "unknown": 1,
    }  # fmt: skip
    made = steward.run("prepare", "head", "--into", "head-16", "--size", "16")
    assert made["images"] == 12 and made["form"]["classes"] == ["ill", "well"]
    assert made["train"] == made["validation"] == 6  # each patient on one side
    registered = steward.run("register", "head-16")
    assert registered["version"]["closed_ms"]
    refused = steward.run("extract", str(scans), "--into", "head-16", expect=2)["error"]
    assert refused["code"] == "other_rules"
    assert steward.run("prepare", "head", "--into", "head-16", "--size", "8", expect=2)["error"]["code"] == "other_form"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,label\nx,y\n", "other columns"),
        ("patient,label\nx\n", "line 2"),
        ("patient,label\nx,a\nx,b\n", "line 3"),
        ("patient,label\n", "no labels"),
    ],
)
def test_a_bad_file_of_labels_is_named(steward: Steward, scans: Path, tmp_path: Path, text: str, why: str) -> None:
    steward.run("extract", str(scans), "--into", "head")
    (tmp_path / "labels.csv").write_text(text)
    error = steward.run("label", "head", str(tmp_path / "labels.csv"), expect=3)["error"]
    assert error["code"] == "label_file" and why in error["what"]


def test_a_changed_record_is_found(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    steward.run("register", "head", "--leave-waiting")
    for blob in [path for path in (steward.folder / "records").rglob("*") if path.is_file()]:
        damaged = bytearray(blob.read_bytes())
        damaged[-1] ^= 1
        blob.chmod(0o600)
        blob.write_bytes(damaged)
    error = steward.run("verify", "head", expect=4)["error"]
    assert error["code"] == "object_tampered"


def test_a_replica_mends_what_a_disk_lost(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    replica = str(tmp_path / "replica")
    copied = steward.run("vault", "mirror", replica)["copied"]
    assert copied == steward.run("vault", "verify")["blobs"]
    blobs = sorted(path for path in (steward.folder / "records").rglob("*") if path.is_file())
    blobs[0].unlink()
    blobs[1].chmod(0o600)
    blobs[1].write_bytes(b"something else")
    found = steward.run("vault", "verify", expect=4)
    assert {each["problem"] for each in found["damaged"]} == {"missing", "altered"}
    assert steward.run("vault", "repair", replica) == {"restored": 2, "lost": []}
    assert steward.run("vault", "verify")["sound"]
    assert steward.run("vault", "rotate")["wrapped"] == steward.run("vault", "verify")["records"]
    steward.run("vault", "backup", str(tmp_path / "backup"))
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert steward.run("vault", "sweep")["deleted"] == 0
    assert "can be read" in steward.show("vault", "verify")


@pytest.mark.network
def test_ciphertext_can_lie_in_a_bucket(tmp_path: Path, scans: Path, capsys: Captured) -> None:
    with running_s3(tmp_path / "s3") as server:
        secrets = tmp_path / "s3.toml"
        secrets.write_text(
            f'endpoint = "{server.endpoint}"\naccess_key_id = "{server.access_key}"\n'
            f'secret_access_key = "{server.secret_key}"\n'
        )
        steward, place = Steward(tmp_path / "south", capsys), f"s3://{server.bucket}/south"
        open_to_all = steward.run("init", "--records", place, "--credentials", str(secrets), expect=5)["error"]
        assert "chmod 600" in open_to_all["hint"]
        secrets.chmod(0o600)
        steward.run("init", "--records", place, "--credentials", str(secrets))
        done = steward.run("extract", str(scans), "--into", "head", "--workers", "2")
        assert (done["records"], done["held"]) == (12, 2)
        assert not (steward.folder / "records").exists()
        assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 12
        assert steward.run("verify", "head")["records"] == 12
        assert server.secret_key.encode() not in contents(steward.folder)
    down = steward.run("verify", "head", expect=4)["error"]
    assert down["code"] == "store_unavailable" and server.secret_key not in down["what"] + down["hint"]


@pytest.mark.network
def test_clean_files_with_a_report(steward: Steward, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    steward.run("deidentify", str(scans), "--output", str(out), "--project", "head")
    report = json.loads((out / "report.json").read_text())
    assert report["records"] == {"application/dicom": 12} and len(report["held"]) == 2
    assert NAME.encode() not in contents(out) and NUMBER.encode() not in contents(out)
    steward.run("extract", str(scans), "--into", "head")
    records = {entry["record"] for entry in steward.run("show", "head", "--limit", "100")["entries"]}
    assert {path.stem for path in out.glob("*.dcm")} == records  # one project, one set of pseudonyms
    error = steward.run("deidentify", str(scans), "--output", str(out), "--project", "head", expect=2)["error"]
    assert error["code"] == "folder_in_use"


@pytest.mark.network
def test_an_extraction_that_is_killed_goes_on(tmp_path: Path, steward: Steward) -> None:
    folder = tmp_path / "images"
    rng = np.random.Generator(np.random.PCG64(5))
    for number in range(400):
        path = folder / ("ill" if number % 2 else "well") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (160, 160), dtype=np.uint8)).save(path)
    command = [sys.executable, "-m", "hmchain", "data", "extract", str(folder), "--into", "pictures",
               "--profile", "published", "--workers", "1", "--dir", str(steward.folder)]  # fmt: skip
    killed = 0
    for wait_s in (0.9, 1.1, 1.3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed, "the extraction was too fast to be killed"
    done = steward.run("extract", str(folder), "--into", "pictures", "--profile", "published")
    assert done["resumed"] + done["items"] == 400
    shown = steward.run("show", "pictures")
    assert shown["records"] == 400 and shown["duplicates"] == 0
    assert steward.run("register", "pictures")["version"]["records"] == 400


def test_two_at_once_do_not_get_in_each_others_way(steward: Steward, scans: Path) -> None:
    from hmchain.application.site.hospital import locate, open_records

    with open_records(locate(steward.folder)):
        error = steward.run("extract", str(scans), "--into", "head", expect=2)["error"]
    assert error["code"] == "records_in_use"


@pytest.mark.process
@pytest.mark.network
def test_records_can_be_looked_at_while_a_listener_fills_them(steward: Steward, tmp_path: Path, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    subject = steward.run("show", "head")["entries"][0]["subject"]
    port = free_port()
    command = [sys.executable, "-m", "hmchain", "data", "extract", f"mllp://127.0.0.1:{port}", "--into", "lab",
               "--dir", str(steward.folder), "--json"]  # fmt: skip
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert b"MSA|AA|" in send(port, message(1))
        assert {version["dataset"]: version["records"] for version in steward.run("list")} == {"head": 12, "lab": 1}
        assert steward.run("list", "--search", "CT")
        assert steward.run("show", "lab")["records"] == 1
        waiting = steward.run("quarantine", "list", "--names")
        assert len(waiting) == 2 and all(item["name"] for item in waiting)
        steward.run("quarantine", "look", waiting[0]["item"], "--output", str(tmp_path / "look"))
        assert steward.run("vault", "verify")["sound"]
        assert steward.run("vault", "mirror", str(tmp_path / "replica"))["copied"] > 12
        assert steward.run("vault", "repair", str(tmp_path / "replica"))["restored"] == 0
        steward.run("vault", "backup", str(tmp_path / "backup"))
        assert steward.run("export", "head", "--output", str(tmp_path / "out"))["records"] == 12
        steward.run("card", "head")
        out = str(tmp_path / "clean")
        steward.run("deidentify", str(scans), "--output", out, "--project", "new", "--workers", "1")
        for change in (("erase", "--subject", subject), ("register", "head", "--leave-waiting"),
                       ("extract", str(scans), "--into", "head"), ("vault", "rotate")):  # fmt: skip
            error = steward.run(*change, expect=2)["error"]
            assert error["code"] == "records_in_use" and str(listener.pid) in error["what"], change
        assert b"MSA|AA|" in send(port, message(2))
    finally:
        listener.send_signal(signal.SIGTERM)
        listener.communicate(timeout=120)
    assert steward.run("show", "lab")["records"] == 2
    assert steward.run("erase", "--subject", subject)["records"] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["extract", "/nowhere", "--into", "x"], 2, "unknown_source"),
        (["extract", "gopher://pacs", "--into", "x"], 2, "unknown_source"),
        (["extract", "SCANS", "--into", "Not A Name"], 2, "dataset_name"),
        (["extract", "SCANS", "--into", "x", "--profile", "lenient"], 2, "profile"),
        (["extract", "SCANS", "--into", "x", "--as", "xml"], 2, "unknown_source"),
        (["extract", "dicomweb+https://pacs.invalid/", "--into", "x", "--credential", "hunter2"], 2, "credential"),
        (["show", "x"], 2, "no_such_version"),
        (["register", "x"], 2, "no_such_version"),
        (["erase", "x"], 2, "input"),
        (["quarantine", "release", "ffff", "--reviewer", "Curie"], 2, "not_held"),
    ],
)
def test_bad_input_gets_a_clear_error(
    steward: Steward, scans: Path, arguments: list[str], status: int, code: str
) -> None:
    given = [str(scans) if argument == "SCANS" else argument for argument in arguments]
    error = steward.run(*given, expect=status)["error"]
    assert error["code"] == code and error["hint"] and "hunter2" not in error["what"] + error["hint"]


def test_a_folder_without_a_hospital_is_named(tmp_path: Path, capsys: Captured) -> None:
    error = Steward(tmp_path, capsys).run("list", expect=2)["error"]
    assert error["code"] == "no_hospital" and "hmchain data init" in error["hint"]
    made = Steward(tmp_path / "h", capsys)
    made.run("init")
    assert made.run("init", expect=2)["error"]["code"] == "hospital_exists"


@pytest.mark.network
def test_a_source_file_says_it_all(steward: Steward, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{NUMBER}-1\n")
    described = tmp_path / "pacs.toml"
    described.write_text('place = "export"\nkind = "dicom"\npatients = "ids.txt"\nmodalities = ["CT"]\n')
    assert steward.run("extract", str(described), "--into", "one")["records"] == 3
    described.write_text('place = "export"\nmodality = "CT"\n')
    error = steward.run("extract", str(described), "--into", "one", expect=2)["error"]
    assert error["code"] == "source_file" and "modality" in error["what"]


def pictures(folder: Path, names: Iterable[str]) -> str:
    """A different picture in each folder of `names`."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / name / "scan.png")
    return str(folder)


@pytest.mark.parametrize("count", [3, 41])
def test_names_of_folders_that_may_be_patients_get_nowhere(steward: Steward, tmp_path: Path, count: int) -> None:
    source = pictures(tmp_path / "wards", [f"{NAME} {number}" for number in range(count)])
    assert steward.run("inspect", source)["labels"] == {}
    done = steward.run("extract", source, "--into", "x")
    assert (done["records"], done["unlabelled_folders"]) == (count, count)
    assert {entry["label"] for entry in steward.run("show", "x")["entries"]} == {""}
    seen = steward.show("inspect", source) + steward.show("extract", source, "--into", "y") + steward.show("show", "y")
    assert NAME not in seen
    assert ("--labels-from folders" in seen) is (count == 3)
    assert NAME.encode() not in contents(steward.folder)
    steward.run("register", "x")
    steward.run("export", "x", "--output", str(tmp_path / "out"))
    assert NAME.encode() not in contents(tmp_path / "out") + contents(steward.folder / "cards")


def test_folders_are_classes_if_somebody_says_so_first_or_later(steward: Steward, tmp_path: Path) -> None:
    source = pictures(tmp_path / "scans", ["ill", "well"])
    said = ("--labels-from", "folders")
    assert steward.run("inspect", source, *said)["labels"] == {"ill": 1, "well": 1}
    assert steward.run("extract", source, "--into", "x", *said)["unlabelled_folders"] == 0
    assert steward.run("extract", source, "--into", "x", *said)["resumed"] == 2
    steward.run("extract", source, "--into", "y")
    assert steward.run("extract", source, "--into", "y", *said)["duplicates"] == 2
    assert steward.run("extract", source, "--into", "y", *said)["resumed"] == 2
    for name in "xy":
        assert [entry["label"] for entry in steward.run("show", name)["entries"]].count("ill") == 1
        assert len(steward.run("list", "--search", "ill")) > 0
    described = tmp_path / "scans.toml"
    described.write_text('place = "scans"\nlabels_from = "folders"\n')
    assert steward.run("inspect", str(described))["labels"] == {"ill": 1, "well": 1}


def test_only_pictures_have_labels_from_folders(steward: Steward, scans: Path) -> None:
    for said, code in (("folders", "unknown_source"), ("somewhere", "usage")):
        error = steward.run("inspect", str(scans), "--labels-from", said, expect=2)["error"]
        assert error["code"] == code


@pytest.mark.network  # long
def test_the_selftest_finds_no_survivor(steward: Steward) -> None:
    found = steward.run("selftest")
    assert found["passed"] and found["canaries"] >= 60


@pytest.mark.process
def test_a_listener_acknowledges_what_is_kept_and_ends_with_a_signal(steward: Steward) -> None:
    port = free_port()
    command = [sys.executable, "-m", "hmchain", "data", "extract", f"mllp://127.0.0.1:{port}", "--into", "lab",
               "--dir", str(steward.folder), "--json"]  # fmt: skip
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for number in range(3):
            assert b"MSA|AA|" in send(port, message(number))
            assert b"MSA|AA|" in send(port, message(number))  # again: it is known
        listener.send_signal(signal.SIGTERM)
        out, err = listener.communicate(timeout=120)
    finally:
        listener.kill()
    assert listener.returncode == 0, err
    assert json.loads(out)["records"] == 3
    assert steward.run("show", "lab")["records"] == 3
    assert NAME.encode() not in contents(steward.folder)


def send(port: int, data: bytes) -> bytes:
    """Send one message (MLLP, HL7 v2 Appendix C) and return the answer; waits until somebody listens."""
    end = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"\x0b" + data + b"\x1c\r")
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    answer += connection.recv(4096)
                return answer
        except ConnectionRefusedError:
            assert time.monotonic() < end, "nobody listens"
            time.sleep(0.05)


def test_a_real_pacs_is_extracted_both_ways_into_the_same_records(
    steward: Steward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_orthanc(tmp_path / "pacs", authenticated=True) as pacs:
        pacs.store([*study("alpha", 1, objects=3, modality="MR"), *study("beta", 2, objects=2, modality="CT")])
        monkeypatch.setenv("PACS_SECRET", f"{USER}:{PASSWORD}")
        web = f"dicomweb+{pacs.url}"
        refused = steward.run("extract", web, "--into", "web", "--project", "p", expect=3)["error"]
        assert refused["code"].startswith("source")
        common = ("--project", "p")
        by_web = steward.run("extract", web, "--into", "web", *common, "--credential", "env:PACS_SECRET")
        assert by_web["records"] + by_web["held"] == 5
        assert steward.run("extract", web, "--into", "web", "--credential", "env:PACS_SECRET")["resumed"] == 5
        dimse = f"dimse://{TITLE}@127.0.0.1:{pacs.dicom_port}"
        by_get = steward.run("extract", dimse, "--into", "get", *common)
    assert (by_get["records"], by_get["held"]) == (by_web["records"], by_web["held"])
    records = [steward.run("show", name)["entries"] for name in ("web", "get")]
    assert records[0] == records[1]
    assert PASSWORD.encode() not in contents(steward.folder)


@pytest.mark.network
@pytest.mark.process
def test_what_libraries_have_to_say_of_values_reaches_no_terminal(steward: Steward, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = {"BodyPartExamined": "archibald quince", "PatientAge": NAME, "SeriesNumber": "1", "StudyDate": "1931 Quince"}
    for number in range(3):
        slice_ = ct(SOPInstanceUID=f"1.2.3.{number}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for keyword, value in odd.items():
                setattr(slice_, keyword, value)
            (folder / f"{number}.dcm").write_bytes(written(slice_))
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "hmchain", "data", "deidentify", str(folder), "--project", "p", "--dir",
                   str(steward.folder), "--output", str(tmp_path / workers), "--workers", workers]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "quince" not in (done.stdout + done.stderr).lower()
        assert not done.stderr, done.stderr
