"""A hospital's log of security events on a real network: anchored by its agent, cut, given to an auditor."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.sites import Consortium, answer, hmchain, until
from support.sites import consortium as consortium

pytestmark = pytest.mark.network


def events(place: str, *more: str, status: int = 0) -> Any:
    return answer("audit", "events", "--dir", place, *more, status=status)


def acts(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hmchain", "node", "agent", "--dir", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_what_happened_at_a_hospital_is_proven_to_an_auditor_and_a_cut_is_found(
    consortium: Consortium, tmp_path: Path
) -> None:
    folder = consortium.sites["north"].folder
    place, genesis = str(folder.path), consortium.genesis.hex()
    agent = acts(folder.path)
    try:
        until(lambda: events(place)["anchor"], "the agent's first anchor")
        hmchain("node", "unjail", "--as", "scientist", "--dir", place, status=8)
        (denied,) = events(place, "--event", "access.denied")["events"]
        assert (denied["what"], denied["outcome"], denied["person"]) == ("unjail", "wrong_role", "scientist")
        until(lambda: events(place)["anchor"]["size"] >= denied["number"], "an anchor of what was denied")
    finally:
        agent.terminate()
        agent.wait(timeout=60)
    kinds = {each["kind"] for each in events(place)["events"]}
    assert {"configuration.changed", "node.started", "agent.started", "agent.stopped", "key.opened"} <= kinds
    bundle = str(tmp_path / "north.zip")
    assert genesis in hmchain("audit", "bundle", "--output", bundle, "--dir", place)
    found = answer("audit", "check", bundle, "--genesis", genesis)
    assert found["holds"] and found["signer"] == "north/steward"
    assert found["log"]["unanchored"] == 0 and found["log"]["anchor"]["size"] == found["log"]["size"]
    _cut_and_restored(place, folder.hospital("north") / "activity.db")


def _cut_and_restored(place: str, path: Path) -> None:
    """Somebody cuts off what was denied; an honest steward can only say that it is lost."""
    with closing(sqlite3.connect(path)) as file, file:
        (number,) = file.execute("SELECT max(number) FROM events WHERE event LIKE '%wrong_role%'").fetchone()
        file.executescript(f"DROP TRIGGER events_are_kept; DELETE FROM events WHERE number >= {number}")
    assert events(place, status=7)["error"]["code"] == "log_defect"
    assert answer("audit", "anchor", "--dir", place, status=7)["error"]["code"] == "log_defect"
    assert "is anchored" in hmchain("audit", "anchor", "--after-loss", "--yes", "--dir", place)
    (loss,) = events(place)["losses"]
    assert loss["kept"] < number <= loss["anchored"] and loss["by"]["organisation"] == "north"
