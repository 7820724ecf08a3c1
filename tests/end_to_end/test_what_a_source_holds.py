"""What a path holds is told by content, not by suffixes alone; what is passed over is counted, whatever the kind."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.dicom_objects import ct, written
from support.health_records import ndjson, patient
from support.steward import Steward, message
from support.steward import steward as steward

LABELS = "file,label\na.png,ill\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


def picture(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)


def a_picture_with_tables(folder: Path) -> None:
    picture(folder / "a.png")
    for name in ("labels.csv", "doctors.csv", "notes.json"):
        (folder / name).write_text(LABELS)


def a_disc_with_a_manifest(folder: Path) -> None:
    (folder / "DICOM").mkdir()
    (folder / "DICOM" / "IM0001").write_bytes(written(ct()))
    for name in ("manifest.json", "index.json", "readme.txt"):
        (folder / name).write_text('{"made by": "a PACS"}')


def an_object_that_is_a_picture_too(folder: Path) -> None:
    both = bytearray(written(ct()))
    both[:4] = b"II*\0"
    (folder / "whole-slide").write_bytes(both)


def documents_with_a_readme(folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(patient(1)))
    for name in ("readme.txt", "log.csv"):
        (folder / name).write_text("exported on Monday")


def packed_lines(folder: Path) -> None:
    (folder / "Patient.ndjson.gz").write_bytes(gzip.compress(ndjson([patient(1)])))


def messages_called_otherwise(folder: Path) -> None:
    (folder / "results.txt").write_bytes(b"\x0b" + message(1))
    (folder / "manifest.json").write_text("{}")


@pytest.mark.parametrize(
    ("fill", "media_type"),
    [
        (a_picture_with_tables, "image/png"),
        (a_disc_with_a_manifest, "application/dicom"),
        (an_object_that_is_a_picture_too, "application/dicom"),
        (documents_with_a_readme, "application/fhir+json"),
        (packed_lines, "application/fhir+json"),
        (messages_called_otherwise, "x-application/hl7-v2+er7"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_folder_or_archive_is_what_its_files_are(
    steward: Steward, export: Path, tmp_path: Path, fill: Callable[[Path], None], media_type: str, packed: bool
) -> None:
    fill(export)
    source = shutil.make_archive(str(tmp_path / "packed"), "zip", export) if packed else str(export)
    assert steward.run("inspect", source)["records"] == {media_type: 1}


@pytest.mark.parametrize("name", ["IM0001", "a.dcm", "scan.dat", "scan.png", "labs.json"])
def test_one_file_is_what_its_content_is(steward: Steward, export: Path, name: str) -> None:
    if name.endswith("png"):
        picture(export / name)
    else:
        (export / name).write_bytes(written(ct()))
    found = steward.run("extract", str(export / name), "--into", "x")
    assert found["records"] == 1
    assert steward.run("extract", str(export / name), "--into", "x")["resumed"] == 1


def test_a_folder_of_two_kinds_is_not_guessed(steward: Steward, export: Path) -> None:
    a_disc_with_a_manifest(export)
    for name in ("logo.png", "icon.png"):
        picture(export / name)
    error = steward.run("inspect", str(export), expect=2)["error"]
    assert error["code"] == "unknown_source"
    assert "1 dicom" in error["what"] and "2 image" in error["what"] and "--as" in error["hint"]
    assert steward.run("inspect", str(export), "--as", "dicom")["records"] == {"application/dicom": 1}


def test_damaged_files_are_told_by_their_suffix_and_held(steward: Steward, export: Path) -> None:
    (export / "a.dcm").write_bytes(b"nothing of the kind")
    (export / "b.dcm").write_bytes(b"")
    found = steward.run("inspect", str(export))
    assert sum(held["count"] for held in found["held"]) == 1 and found["passed_over"] == {"an empty file": 1}


def test_a_folder_of_arrays_says_to_give_one(steward: Steward, export: Path) -> None:
    np.savez(export / "a.npz", images=np.zeros((1, 8, 8), np.uint8), labels=np.zeros(1, np.int64))
    error = steward.run("inspect", str(export), expect=2)["error"]
    assert error["code"] == "unknown_source" and ".npz file itself" in error["hint"]
    assert steward.run("inspect", str(export / "a.npz"))["items"] == 1


def test_what_cannot_be_told_is_said(steward: Steward, export: Path) -> None:
    (export / "notes.json").write_text("{}")
    for path in (export, export / "notes.json"):
        assert "--as" in steward.run("inspect", str(path), expect=2)["error"]["hint"]


@pytest.mark.parametrize("kind", ["fhir", "hl7", "table"])
def test_what_is_passed_over_is_counted(steward: Steward, export: Path, tmp_path: Path, kind: str) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(
        'title = "L"\n[tables.labs.columns]\npatient = { type = "text", role = "subject" }\n'
        'glucose = { type = "number", role = "value" }\n'
    )
    (export / "Patient.ndjson").write_bytes(ndjson([patient(1)]))
    (export / "results.hl7").write_bytes(message(1))
    (export / "labs.csv").write_text("patient,glucose\nMRN-1,5\n")
    (export / "staff.csv").write_text("name\nQuince\n")
    (export / "scan.pdf").write_bytes(b"%PDF")
    (export / ".DS_Store").write_bytes(b"x")
    expected = {
        "fhir": {"a hidden file": 1, "no FHIR file": 4},
        "hl7": {"a hidden file": 1, "no HL7 file": 4},
        "table": {"a hidden file": 1, "neither CSV nor Parquet": 3, "of no table in the schema": 1},
    }
    said = ("--as", kind, *(("--schema", str(schema)) if kind == "table" else ()))
    assert steward.run("inspect", str(export), *said)["passed_over"] == expected[kind]
    done = steward.run("extract", str(export), "--into", "x", *said)
    assert (done["records"], done["passed_over"]) == (1, expected[kind])
