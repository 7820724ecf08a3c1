"""Where there is nothing to extract, nothing is made, and somebody is told: an export may have failed."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from support.pacs import TITLE, running_orthanc
from support.steward import Steward
from support.steward import scans as scans
from support.steward import steward as steward

pytestmark = pytest.mark.process

KINDS = ("dicom", "image", "fhir", "hl7", "table")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def nothing_is_made(steward: Steward, source: Path | str, *said: str) -> dict[str, str]:
    error: dict[str, str] = {}
    out = steward.folder.parent / "clean"
    for command in (
        ("extract", str(source), "--into", "x"),
        ("deidentify", str(source), "--project", "p", "--output", str(out)),
        ("inspect", str(source)),
    ):
        error = steward.run(*command, *said, expect=3)["error"]
        assert error["code"] in ("empty_source", "source") and error["hint"]
    assert steward.run("list") == [] and not out.exists()
    return error


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_folder(steward: Steward, empty: Path, kind: str) -> None:
    nothing_is_made(steward, empty, "--as", kind, *(("--schema", "omop") if kind == "table" else ()))


def test_an_empty_folder_of_which_nobody_says_what_it_is(steward: Steward, empty: Path) -> None:
    (empty / "another").mkdir()
    assert nothing_is_made(steward, empty)["code"] == "empty_source"


@pytest.mark.parametrize("kind", ["dicom", "image"])
def test_an_empty_archive(steward: Steward, tmp_path: Path, kind: str) -> None:
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    nothing_is_made(steward, tmp_path / "empty.zip", "--as", kind)


def test_arrays_without_images(steward: Steward, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((0, 8, 8), np.uint8), labels=np.zeros(0, np.int64))
    nothing_is_made(steward, tmp_path / "a.npz")


def test_what_was_passed_over_is_said(steward: Steward, empty: Path) -> None:
    (empty / "notes.txt").write_text("no image")
    (empty / ".hidden").write_text("x")
    error = nothing_is_made(steward, empty, "--as", "image")
    assert "1 (a hidden file), 1 (not an image)" in error["hint"]


def test_a_selection_that_nobody_meets(steward: Steward, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "mr.toml").write_text('place = "export"\nmodalities = ["US"]\n')
    assert "(not selected)" in nothing_is_made(steward, tmp_path / "mr.toml")["hint"]


def test_an_empty_pacs(steward: Steward, tmp_path: Path) -> None:
    with running_orthanc(tmp_path / "pacs") as pacs:
        for place in (f"dimse://{TITLE}@127.0.0.1:{pacs.dicom_port}", f"dicomweb+{pacs.url}"):
            nothing_is_made(steward, place)


def test_a_folder_that_is_empty_tonight_changes_nothing(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    before = steward.run("show", "head")
    shutil.rmtree(scans)  # as if a disk was not mounted
    scans.mkdir()
    error = steward.run("extract", str(scans), "--into", "head", "--as", "dicom", expect=3)["error"]
    assert error["code"] == "empty_source"
    assert steward.run("show", "head") == before


def test_a_source_that_gives_the_same_again_is_not_empty(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    assert steward.run("extract", str(scans), "--into", "head")["resumed"] == 14
