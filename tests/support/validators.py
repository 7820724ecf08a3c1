"""DICOM validators of others: dciodvfy (Debian's dicom3tools), DCMTK and GDCM, as far as they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_PROGRAMS = {"dciodvfy": "dicom3tools", "dcmdump": "dcmtk", "dcmftest": "dcmtk", "dcm2pnm": "dcmtk"}


def needs(program: str) -> str:
    """The path of a program; the test is skipped where there is none (CI fails then)."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt install {_PROGRAMS[program]}")
    return found


def violations(path: Path, seconds_max: float = 60) -> list[str] | None:
    """What dciodvfy calls an error in the object of a file; None if it does not know what the object is."""
    done = subprocess.run([needs("dciodvfy"), str(path)], capture_output=True, timeout=seconds_max)
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    if done.returncode < 0 or not any(re.fullmatch(r"\w+", line) for line in lines):  # a line of its own names the IOD
        return None
    return [line for line in lines if line.startswith("Error")]


def complaints(path: Path) -> list[str]:
    """What DCMTK has to say against the object of a file."""
    kind = subprocess.run([needs("dcmftest"), str(path)], capture_output=True, text=True, timeout=60).stdout
    dump = subprocess.run([needs("dcmdump"), "-E", str(path)], capture_output=True, timeout=60)
    said = dump.stderr.decode("utf-8", "replace").splitlines()
    return [kind] * (not kind.startswith("yes")) + said + [f"exit {dump.returncode}"] * (dump.returncode != 0)
