"""Files that a command writes out: whatever kills it, the same command goes on and ends with the same files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.steward import Steward
from support.steward import steward as steward

pytestmark = [pytest.mark.process, pytest.mark.network]

__all__ = ["steward"]

COUNT = 300


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.Generator(np.random.PCG64(5))
    for number in range(COUNT):
        path = tmp_path / "pictures" / "well" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (200, 200), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def killed(steward: Steward, out: Path, *arguments: str) -> int:
    """Start the command, kill it once it has written some files, and return how many there are."""
    command = [sys.executable, "-m", "hmchain", "data", *arguments, "--output", str(out), "--dir", str(steward.folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while (not out.exists() or len(list(out.glob("*.png"))) < 20) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(out.glob("*.png")))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "provenance.json"}


def test_an_export_that_is_killed_goes_on(steward: Steward, pictures: Path, tmp_path: Path) -> None:
    steward.run("extract", str(pictures), "--into", "pictures", "--profile", "published")
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert 20 <= killed(steward, out, "export", "pictures") < COUNT, "it was too fast to be killed"
    cut = next(out.glob("*.png"))
    cut.write_bytes(cut.read_bytes()[:50])  # as a power cut leaves it
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png") if path != cut}
    error = steward.run("export", "pictures", "--output", str(out), "--version", "2", expect=2)["error"]
    assert error["code"] == "no_such_version"
    assert steward.run("export", "pictures", "--output", str(out))["records"] == COUNT
    assert steward.run("export", "pictures", "--output", str(whole))["records"] == COUNT
    assert files(out) == files(whole)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept, "what was whole is not written again"
    error = steward.run("export", "pictures", "--output", str(out), expect=2)["error"]
    assert error["code"] == "folder_in_use"


def test_what_was_erased_meanwhile_is_not_left_in_an_export(steward: Steward, pictures: Path, tmp_path: Path) -> None:
    steward.run("extract", str(pictures), "--into", "pictures", "--profile", "published")
    out = tmp_path / "out"
    assert killed(steward, out, "export", "pictures") < COUNT
    (out / "notes.txt").write_text("mine")
    name = next(out.glob("*.png")).stem
    steward.run("erase", "pictures", "--record", name)
    assert steward.run("export", "pictures", "--output", str(out))["records"] == COUNT - 1
    assert not (out / f"{name}.png").exists() and (out / "notes.txt").read_text() == "mine"
    assert len(list(out.glob("*.png"))) == COUNT - 1


def test_clean_files_that_are_cut_short_are_finished(steward: Steward, pictures: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    command = ("deidentify", str(pictures), "--project", "p", "--workers", "1", "--profile", "published")
    assert 20 <= killed(steward, out, *command) < COUNT, "it was too fast to be killed"
    other = ("deidentify", str(pictures), "--project", "other", "--profile", "published", "--output", str(out))
    error = steward.run(*other, expect=2)["error"]
    assert error["code"] == "folder_in_use" and "project p" in error["what"]
    steward.run(*command, "--output", str(out))
    steward.run(*command, "--output", str(whole))
    assert files(out) == files(whole)
    assert json.loads((out / "report.json").read_text())["records"] == {"image/png": COUNT}
    error = steward.run(*command, "--output", str(out), expect=2)["error"]
    assert error["code"] == "folder_in_use"


def test_a_folder_of_something_else_is_left_alone(steward: Steward, pictures: Path, tmp_path: Path) -> None:
    steward.run("extract", str(pictures), "--into", "pictures", "--profile", "published")
    for content in ({"notes.txt": b"x"}, {".hmchain-unfinished": b"\xff\xfe not ours"}):
        out = tmp_path / f"out-{len(content)}-{next(iter(content))}"
        out.mkdir()
        for name, data in content.items():
            (out / name).write_bytes(data)
        for command in (
            ("export", "pictures"),
            ("deidentify", str(pictures), "--project", "p", "--profile", "published"),
        ):
            error = steward.run(*command, "--output", str(out), expect=2)["error"]
            assert error["code"] == "folder_in_use"
        assert files(out) == content
    file = tmp_path / "a file"
    file.write_text("x")
    assert steward.run("export", "pictures", "--output", str(file), expect=2)["error"]["code"] == "folder_in_use"
