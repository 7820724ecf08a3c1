"""Break-glass at the command line of running nodes: a clinician asks, an agent answers, a steward judges."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.dicom_objects import ct, written
from support.sites import Consortium, answer, hmchain, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]

POLICY = """
dataset = "scans"
kinds = ["count"]
break_glass = ["west"]
"""


def at(consortium: Consortium, name: str) -> tuple[str, str]:
    return "--dir", str(consortium.sites[name].folder.path)


@contextmanager
def agent(folder: Path) -> Iterator[None]:
    """A hospital's agent, in a process of its own."""
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def published(consortium: Consortium, tmp_path: Path) -> None:
    """East has scans of three patients, and lets West's clinicians break the glass."""
    east, source = at(consortium, "east"), tmp_path / "scans"
    source.mkdir()
    for number in range(6):
        slice_ = ct(PatientID=f"MRN-{number % 3}", SOPInstanceUID=f"1.2.3.{number}")
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        (source / f"{number}.dcm").write_bytes(written(slice_))
    hmchain("data", "extract", str(source), "--into", "scans", *east)
    hmchain("data", "register", "scans", "--yes", *east)
    (tmp_path / "scans.toml").write_text(POLICY)
    hmchain("policy", "set", str(tmp_path / "scans.toml"), "--yes", *east)


def employ(consortium: Consortium) -> None:
    """West has a clinician."""
    west = at(consortium, "west")
    card = answer("people", "key", "rita", *west)["card"]
    hmchain("people", "invite", card, "--role", "clinician", "--yes", *west)
    hmchain("people", "accept", "--as", "rita", "--yes", *west)


def ask(consortium: Consortium, monkeypatch: pytest.MonkeyPatch, name: str, status: int = 0) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("MRN-1\n"))
    asked = ("share", "break-glass", "east/scans", "--name", name, "--as", "rita", "--yes")
    return hmchain(*asked, *at(consortium, "west"), status=status)


def test_a_clinician_asks_an_agent_answers_and_a_steward_judges(
    consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    east, west = at(consortium, "east"), at(consortium, "west")
    published(consortium, tmp_path)
    employ(consortium)
    until(
        lambda: "In an emergency" in hmchain("policy", "show", "scans", "--of", "east", *west), "East's policy at West"
    )
    with agent(consortium.sites["east"].folder.path):
        assert "2 records came, for treatment alone" in ask(consortium, monkeypatch, "night")
    out = tmp_path / "out"
    hmchain("data", "export", "night", "--output", str(out), *west)
    assert len(list(out.rglob("*.dcm"))) == 2
    assert "granted_for_less" in hmchain("data", "prepare", "night", "--into", "learn", "--size", "16", *west, status=2)
    commands = [each["todo"]["command"] for each in answer("request", "inbox", *east)]
    assert commands == ["share review night VERDICT"]
    hmchain("share", "review", "night", "unjustified", "--yes", *east)
    until(lambda: "unjustified" in hmchain("share", "emergencies", *west), "East's verdict at West")
    assert "use_is_over" in hmchain("data", "export", "night", "--output", str(tmp_path / "no"), *west, status=2)
    assert "keys-destroyed" in hmchain("share", "erase", "night", "--yes", *west)
    assert answer("share", "show", "night", *west)["standing"] == "erased"
    assert "night" in hmchain("share", "list", *west)
