"""Four hospitals on four nodes: their people are counted by one command, and one that has too few sits out."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support import health_records
from support.sites import NAMES, Consortium, Site, answer, hmchain, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]

PATIENTS = {"east": 20, "north": 24, "south": 4, "west": 28}
POLICY = """dataset = "patients"
uses = ["health-research"]
kinds = ["count"]
person_looks = false
automatic = true
epsilon = 2.0
release_counts = {releases}
"""


def prepare(site: Site, patients: int, folder: Path) -> None:
    """Extract made-up patients into a dataset, register it, and let its policy say yes by itself."""
    folder.mkdir()
    (folder / "all.ndjson").write_bytes(health_records.ndjson(health_records.resources(patients)))
    policy = folder / "patients.toml"
    policy.write_text(POLICY.format(releases=str(site.folder.settings().organisation != "west").lower()))
    place = ("--dir", str(site.folder.path))
    hmchain("data", "extract", str(folder / "all.ndjson"), "--into", "patients", *place)
    hmchain("data", "register", "patients", "--yes", *place)
    hmchain("policy", "set", str(policy), "--yes", *place)


@contextmanager
def acting(site: Site) -> Iterator[None]:
    """The hospital's agent."""
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", str(site.folder.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def test_people_are_counted_by_one_command(consortium: Consortium, tmp_path: Path) -> None:
    for name in NAMES:
        prepare(consortium.sites[name], PATIENTS[name], tmp_path / name)
    east, south = (("--dir", str(consortium.sites[name].folder.path)) for name in ("east", "south"))
    offers = answer("cohort", "datasets", *east)
    assert [(each["organisation"], each["answer"]) for each in offers if each["dataset"] == "patients"] == [
        (name, "yes") for name in NAMES
    ]
    ask = ["cohort", "count", "condition SNOMED:38341003"]
    for name in NAMES:
        ask += ["--dataset", f"{name}/patients"]
    with ExitStack() as agents:
        for name in NAMES:
            agents.enter_context(acting(consortium.sites[name]))
        found = answer(*ask, "--yes", "--wait", "120", *east)
    assert found["hospitals"] == ["east", "north", "west"]
    assert abs(found["people"] - 72) < 40
    assert answer(*ask, *east) == found, "the same question is not asked anew"
    assert answer("cohort", "result", found["count"], *south)["people"] == found["people"]
    assert "About" in hmchain("cohort", "result", found["count"], *south)
    assert found["count"] in hmchain("cohort", "list", *south)
    the_count_leaves(consortium, found["count"], tmp_path)


def answered(release: str, at: tuple[str, str]) -> list[str]:
    """What each hospital has said of a release."""
    return [word["decision"] for word in answer("release", "show", release, *at)["words"]]


def the_count_leaves(consortium: Consortium, name: str, place: Path) -> None:
    """Agents say no by their policies, and people weigh it; the last hospital is a no at first. The file is proof."""
    at = {each: ("--dir", str(consortium.sites[each].folder.path)) for each in NAMES}
    asked = answer("release", "ask", name, "--audience", "public", "--yes", *at["east"])
    assert [word["organisation"] for word in asked["words"]] == ["east", "north", "west"]
    out = place / "people.csv"
    until(lambda: f"release {name}" in hmchain("request", "inbox", *at["west"]), "the release in west's list")
    with acting(consortium.sites["east"]), acting(consortium.sites["north"]):
        no = ["refused", "refused", "waiting"]  # the number tells of everybody there that the query is true of them
        until(lambda: answered(name, at["west"]) == no, "the agents' no, by their policies")
    assert [word["persons"] for word in answer("release", "show", name, *at["west"])["words"]] == [[], [], []]
    assert "all but 0 of 20 persons" in hmchain("release", "evidence", name, *at["east"])
    for each in ("east", "north"):
        answer("release", "grant", name, "--yes", "--weighed", *at[each])
    answer("release", "refuse", name, "--reason", "disclosure", "--yes", *at["west"])
    assert answer("release", "file", name, "--to", str(out), *at["north"], status=8)["error"]["code"] == "not_released"
    assert "Nothing that this hospital let leave before" in hmchain("release", "evidence", name, *at["west"])
    answer("release", "grant", name, "--yes", "--weighed", *at["west"])
    until(lambda: answer("release", "show", name, *at["north"])["status"] == "released", "the release at north's node")
    written = answer("release", "file", name, "--to", str(out), *at["north"])
    assert written["count"]["count"] == name and written["count"]["hospitals"] == ["east", "north", "west"]
    genesis = written["proven"]["genesis"]
    checked = answer("release", "check", str(out), "--genesis", genesis)
    assert (checked["anchored"], checked["proven"]["audience"]) == (True, "public")
    assert "is what was released" in hmchain("release", "check", str(out), "--genesis", genesis)
    text = out.read_text()
    out.write_text(text.replace(f",{written['count']['people']},", f",{written['count']['people'] + 1},"))
    assert out.read_text() != text
    assert answer("release", "check", str(out), "--genesis", genesis, status=7)["error"]["code"] == "release_proof"
    assert answer("cohort", "result", name, *at["north"])["releases"] == [name]
