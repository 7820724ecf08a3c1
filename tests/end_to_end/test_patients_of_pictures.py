"""Several pictures of one patient: they are erased together, stay on one side of a split, and the name goes nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.dicom_objects import ct, written
from support.steward import NAME, NUMBER, Steward, contents
from support.steward import steward as steward

PATIENTS = tuple(f"{NUMBER}-{number}" for number in range(4))
EACH = 3
BY_FOLDER = ("--patients-from", "folders")


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.Generator(np.random.PCG64(seed)).integers(0, 255, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def wards(tmp_path: Path) -> Path:
    """A folder a patient, with three pictures each."""
    folder = tmp_path / "wards"
    for number, patient in enumerate(PATIENTS):
        for index in range(EACH):
            draw(folder / patient / f"{NAME} {index}.png", number * EACH + index)
    return folder


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """A folder a class, and a table that says whose the pictures are."""
    folder = tmp_path / "classes"
    lines = ["file,patient"]
    for number, patient in enumerate(PATIENTS):
        for index in range(EACH):
            path = folder / ("ill" if number % 2 else "well") / f"{number}{index}.png"
            draw(path, number * EACH + index)
            lines.append(f"./{path.relative_to(folder)},{patient}")
    (tmp_path / "patients.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_pictures_belong_to_the_patient_of_their_folder(
    steward: Steward, wards: Path, tmp_path: Path, workers: str, packed: bool
) -> None:
    source = shutil.make_archive(str(tmp_path / "packed"), "zip", wards) if packed else str(wards)
    assert steward.run("inspect", source, *BY_FOLDER)["patients"] == len(PATIENTS)
    done = steward.run("extract", source, "--into", "x", *BY_FOLDER, "--workers", workers)
    assert (done["records"], done["unlabelled_folders"]) == (12, 0)
    assert steward.run("extract", source, "--into", "x", *BY_FOLDER)["resumed"] == 12
    shown = steward.run("show", "x")
    assert shown["subjects"] == len(PATIENTS)
    assert {entry["label"] for entry in shown["entries"]} == {""}
    assert steward.run("erase", "x", "--patient", PATIENTS[1])["records"] == EACH
    left = contents(steward.folder) + steward.show("show", "x").encode()
    assert NUMBER.encode() not in left and NAME.encode() not in left


def test_a_patient_has_one_pseudonym_in_pictures_and_dicom(steward: Steward, wards: Path, tmp_path: Path) -> None:
    steward.run("extract", str(wards), "--into", "x", "--project", "p", *BY_FOLDER)
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "ct.dcm").write_bytes(written(ct(PatientID=PATIENTS[0])))
    steward.run("extract", str(tmp_path / "dicom"), "--into", "y", "--project", "p")
    assert steward.run("erase", "y", "--patient", PATIENTS[0])["records"] == EACH + 1


def test_a_table_says_whose_pictures_are_and_splits_keep_patients_whole(
    steward: Steward, classes: Path, tmp_path: Path
) -> None:
    said = ("--labels-from", "folders", "--patients-from", str(tmp_path / "patients.csv"))
    steward.run("extract", str(classes), "--into", "x", *said)
    shown = steward.run("show", "x", "--limit", "100")
    assert shown["subjects"] == len(PATIENTS)
    assert sorted(entry["label"] for entry in shown["entries"]) == ["ill"] * 6 + ["well"] * 6
    made = steward.run("prepare", "x", "--into", "x-16", "--size", "16")
    assert made["groups"] == len(PATIENTS) and made["train"] == made["validation"] == 6
    split = steward.run("show", "x-16", "--limit", "100")["entries"]
    sides = {(entry["subject"], entry["attributes"]["split"]) for entry in split}
    assert len(sides) == len(PATIENTS)


def test_patients_within_classes(steward: Steward, tmp_path: Path) -> None:
    for number in range(4):
        draw(tmp_path / "set" / ("ill" if number % 2 else "well") / PATIENTS[number // 2] / f"{number}.png", number)
    said = ("--labels-from", "folders", *BY_FOLDER)
    found = steward.run("inspect", str(tmp_path / "set"), *said)
    assert (found["patients"], found["labels"]) == (2, {"ill": 2, "well": 2})


def test_pictures_of_nobody_are_passed_over_until_the_table_names_them(
    steward: Steward, classes: Path, tmp_path: Path
) -> None:
    table = tmp_path / "patients.csv"
    whole = table.read_text()
    table.write_text("\n".join(whole.splitlines()[:-2]))
    done = steward.run("extract", str(classes), "--into", "x", "--patients-from", str(table))
    assert (done["records"], done["passed_over"]) == (10, {"of no patient in the table": 2})
    table.write_text(whole)
    done = steward.run("extract", str(classes), "--into", "x", "--patients-from", str(table))
    assert (done["records"], done["resumed"], done["passed_over"]) == (2, 10, {})


def test_a_picture_that_becomes_another_patients_is_held(steward: Steward, classes: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    steward.run("extract", str(classes), "--into", "x", "--patients-from", str(table))
    table.write_text(table.read_text().replace(f"00.png,{PATIENTS[0]}", f"00.png,{PATIENTS[1]}"))
    done = steward.run("extract", str(classes), "--into", "x", "--patients-from", str(table))
    assert (done["records"], done["held"], done["resumed"]) == (0, 1, 11)
    (held,) = steward.run("quarantine", "list")
    assert held["code"] == "conflicting_identifier" and "another patient" in held["reason"]
    assert NUMBER not in str(held)


def test_one_version_does_not_mix_pictures_with_and_without_patients(steward: Steward, wards: Path) -> None:
    for name, first, second in (("x", (), BY_FOLDER), ("y", BY_FOLDER, ())):
        steward.run("extract", str(wards), "--into", name, *first)
        error = steward.run("extract", str(wards), "--into", name, *second, expect=2)["error"]
        assert error["code"] == "other_rules" and "--patients-from" in error["what"]
        steward.run("register", name)
        assert steward.run("extract", str(wards), "--into", name, *second)["records"] == 12


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "other columns"),
        ("picture,owner\na,b\n", "other columns"),
        ("file,patient\n", "names no patient"),
        ("file,patient\na.png\n", "line 2"),
        ("file,patient\na.png,\n", "line 2"),
        ("file,patient\na.png,Quince\n./a.png,Archibald\n", "line 3"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_table_is_named_and_shows_nobody(
    steward: Steward, classes: Path, tmp_path: Path, text: str | None, why: str
) -> None:
    table = tmp_path / "bad.csv"
    table.write_bytes(b"\xff\xfe\xff") if text is None else table.write_text(text)
    error = steward.run("extract", str(classes), "--into", "x", "--patients-from", str(table), expect=3)["error"]
    assert error["code"] == "patient_file" and why in error["what"] and error["hint"]
    assert "Quince" not in str(error) and "Archibald" not in str(error)
    assert steward.run("list") == []


def test_a_source_file_names_the_table_beside_it(steward: Steward, classes: Path, tmp_path: Path) -> None:
    (tmp_path / "source.toml").write_text('place = "classes"\npatients_from = "patients.csv"\n')
    assert steward.run("inspect", str(tmp_path / "source.toml"))["patients"] == len(PATIENTS)
    error = steward.run("inspect", str(tmp_path / "source.toml"), "--as", "fhir", expect=2)["error"]
    assert "patients_from" in error["hint"]
