"""A second export often has the file names of the first: two CDs with an `IM0001`, tonight's `Patient.ndjson`.

Whatever the names, all that is new gets in, and what is there already is not done again.
"""

from __future__ import annotations

import json
import os
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

pytestmark = pytest.mark.network

Export = Callable[[Path, int], None]
"""Fills a new folder with records of which no two exports share one; the names of its files are always the same."""

TIME = 1_000_000_000
"""Of all files: some discs and archives have one time for all."""
SCHEMA = """
title = "Laboratory"
[tables.labs.columns]
patient = { type = "text", role = "subject" }
glucose = { type = "number", role = "value" }
"""


def compact_disc(folder: Path, number: int) -> None:
    for index in range(2):
        slice_ = ct(SOPInstanceUID=f"1.2.{number}.{index}", PatientID=f"MRN-{number}")
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        path = folder / "DICOM" / f"IM000{index}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written(slice_))
        os.utime(path, (TIME, TIME))  # as on a disc whose files have no time


def fhir_lines(folder: Path, number: int) -> None:
    (folder / "Patient.ndjson").write_bytes(ndjson([patient(number * 10 + index) for index in range(2)]))


def fhir_documents(folder: Path, number: int) -> None:
    for index in range(2):
        (folder / f"{index}.json").write_text(json.dumps(patient(number * 10 + index)))


def hl7_files(folder: Path, number: int) -> None:
    (folder / "results.hl7").write_bytes(message(number * 10) + b"\r" + message(number * 10 + 1))


def tables(folder: Path, number: int) -> None:
    (folder / "labs.csv").write_text(f"patient,glucose\nMRN-{number}1,5.1\nMRN-{number}2,5.2\n")


def array(folder: Path, number: int) -> None:
    images = np.full((2, 8, 8), 100 * number, np.uint8)
    images[1] += 1
    np.savez(folder / "scans.npz", images=images, labels=np.array(["ill", "well"]))


def pictures(folder: Path, number: int) -> None:
    for index in range(2):
        pixels = np.zeros((80, 80), np.uint8)  # alike in size and at both ends, as pictures with dark borders are
        pixels[40, 40] = 100 * number + index
        (folder / "scan").mkdir(exist_ok=True)
        path = folder / "scan" / f"{index}.bmp"
        Image.fromarray(pixels).save(path)
        os.utime(path, (TIME, TIME))


EXPORTS: dict[str, tuple[Export, str]] = {
    "dicom": (compact_disc, "."),
    "ndjson": (fhir_lines, "."),
    "json": (fhir_documents, "."),
    "hl7": (hl7_files, "."),
    "csv": (tables, "."),
    "npz": (array, "scans.npz"),
    "images": (pictures, "."),
}


def paths(kind: str, tmp_path: Path, *, packed: bool = False) -> list[Path]:
    """Two exports of a kind."""
    fill, place = EXPORTS[kind]
    found = []
    for number in (1, 2):
        folder = tmp_path / f"export {number}" / "files"
        folder.mkdir(parents=True)
        fill(folder, number)
        archive = folder.parent / "files"
        found.append(Path(shutil.make_archive(str(archive), "zip", folder)) if packed else folder / place)
    return found


def options(kind: str, tmp_path: Path) -> list[str]:
    (tmp_path / "labs.toml").write_text(SCHEMA)
    named = {"csv": ["--as", "table", "--schema", str(tmp_path / "labs.toml")], "images": ["--as", "image"]}
    return named.get(kind, [])


@pytest.mark.parametrize("kind", EXPORTS)
def test_two_exports_with_the_same_names_both_get_in(steward: Steward, tmp_path: Path, kind: str) -> None:
    first, second = paths(kind, tmp_path)
    both_get_in(steward, first, second, options(kind, tmp_path))


@pytest.mark.parametrize("kind", ["dicom", "images"])
def test_two_archives_with_the_same_names_both_get_in(steward: Steward, tmp_path: Path, kind: str) -> None:
    first, second = paths(kind, tmp_path, packed=True)
    both_get_in(steward, first, second, options(kind, tmp_path))


def both_get_in(steward: Steward, first: Path, second: Path, said: list[str]) -> None:
    one = steward.run("extract", str(first), "--into", "x", *said)
    assert one["records"] == 2 and one["held"] == 0
    two = steward.run("extract", str(second), "--into", "x", *said)
    assert (two["records"], two["resumed"], two["held"]) == (2, 0, 0)
    assert steward.run("show", "x")["records"] == 4
    for path, done in ((first, one), (second, two)):  # nothing is done again, whichever is asked for
        again = steward.run("extract", str(path), "--into", "x", *said)
        assert (again["items"], again["resumed"]) == (0, done["items"])


@pytest.mark.parametrize("kind", EXPORTS)
def test_a_file_that_is_another_one_tonight_gets_in(steward: Steward, tmp_path: Path, kind: str) -> None:
    fill, place = EXPORTS[kind]
    folder, said = tmp_path / "nightly", options(kind, tmp_path)
    for night in (1, 2):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        fill(folder, night)
        done = steward.run("extract", str(folder / place), "--into", "x", *said)
        assert (done["records"], done["resumed"]) == (2, 0)
    assert steward.run("show", "x")["records"] == 4


@pytest.mark.network
def test_what_grows_every_night_gives_what_is_new(steward: Steward, tmp_path: Path) -> None:
    export, said = tmp_path / "nightly", options("csv", tmp_path)
    export.mkdir()
    for night in range(1, 4):
        (export / "Patient.ndjson").write_bytes(ndjson([patient(number) for number in range(night)]))
        (export / "labs.csv").write_text("patient,glucose\n" + "".join(f"MRN-{n},5\n" for n in range(night)))
        (export / "log.hl7").write_bytes(b"\r".join(message(number) for number in range(night)))
        for kind, more in (("fhir", []), ("table", said), ("hl7", [])):
            done = steward.run("extract", str(export), "--into", kind, "--as", kind, *more[2:])
            assert (done["records"], done["held"]) == (1, 0)
    assert {name: steward.run("show", name)["records"] for name in ("fhir", "table", "hl7")} == {
        "fhir": 3, "table": 3, "hl7": 3,
    }  # fmt: skip


def test_a_picture_that_is_drawn_over_in_place_is_another_one(steward: Steward, tmp_path: Path) -> None:
    """Of the same size, with the same time, alike at both ends."""
    pictures(tmp_path, 1)
    path = tmp_path / "scan" / "0.bmp"
    steward.run("extract", str(tmp_path / "scan"), "--into", "x", "--as", "image")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, (TIME, TIME))
    done = steward.run("extract", str(tmp_path / "scan"), "--into", "x", "--as", "image")
    assert (done["records"], done["resumed"]) == (1, 1)


def test_an_export_that_was_moved_adds_nothing(steward: Steward, tmp_path: Path) -> None:
    for kind in ("dicom", "ndjson", "images"):
        first, _ = paths(kind, tmp_path / kind)
        said = options(kind, tmp_path)
        before = steward.run("extract", str(first), "--into", kind, *said)
        moved = tmp_path / kind / "moved"
        shutil.copytree(first, moved)
        again = steward.run("extract", str(moved), "--into", kind, *said)
        assert (again["records"], again["held"]) == (0, 0)
        assert again["resumed"] + again["duplicates"] == before["items"]


def test_what_says_something_else_tonight_is_held_and_said(steward: Steward, tmp_path: Path) -> None:
    export, said = tmp_path / "nightly", options("csv", tmp_path)
    export.mkdir()
    for night in (1, 2):
        (export / "labs.csv").write_text(f"patient,glucose\nMRN-0,{night}\nMRN-{night},5\n")
        (export / "Patient.ndjson").write_bytes(
            ndjson([patient(0, gender=("male", "female")[night - 1]), patient(night)])
        )
        for kind, more in (("fhir", []), ("table", said[2:])):
            done = steward.run("extract", str(export), "--into", kind, "--as", kind, *more)
            assert (done["records"], done["held"]) == ((2, 0) if night == 1 else (1, 1))
    waiting = steward.run("quarantine", "list")
    assert {(held["dataset"], held["code"]) for held in waiting} == {
        ("fhir", "conflicting_identifier"), ("table", "conflicting_identifier"),
    }  # fmt: skip
    assert {steward.run("show", name)["records"] for name in ("fhir", "table")} == {3}


@pytest.mark.parametrize("kind", ["dicom", "hl7"])
def test_what_waits_is_not_asked_twice_wherever_it_lies(kind: str, steward: Steward, tmp_path: Path) -> None:
    """The same disc in another folder, or copied beside itself: one question, however often it comes."""
    disc = tmp_path / "disc"
    for folder in (disc / "monday", disc / "again"):
        folder.mkdir(parents=True)
        if kind == "dicom":
            (folder / "IM0001").write_bytes(written(ct(Modality="US", BurnedInAnnotation="YES")))
        else:
            nobodys = message(1).replace(b"MRN-449-207", b"")
            (folder / "results.hl7").write_bytes(nobodys)
    first = steward.run("extract", str(disc), "--into", "x")
    assert (first["held"], first["duplicates"], len(steward.run("quarantine", "list"))) == (1, 1, 1), first
    second = steward.run("extract", str(disc / "monday"), "--into", "x")
    assert second["held"] == 0, second
    shutil.copytree(disc / "monday", tmp_path / "more" / "sub")
    assert steward.run("extract", str(tmp_path / "more"), "--into", "x")["held"] == 0
    (waits,) = steward.run("quarantine", "list")
    steward.run("quarantine", "reject", waits["item"][:12], "--reviewer", "M. Curie")
    assert not steward.run("quarantine", "list"), "one answer settles it"
