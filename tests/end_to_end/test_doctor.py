"""The doctor at four running nodes: all is well, then a node ends, and then its clock and its files are not right."""

from __future__ import annotations

import pytest

from support.sites import Consortium, answer, hmchain, until
from support.sites import consortium as consortium

pytestmark = pytest.mark.network


def verdicts(found: dict[str, object]) -> dict[tuple[str, str], str]:
    findings = found["findings"]
    assert isinstance(findings, list)
    return {(each["subject"], each["name"]): each["verdict"] for each in findings}


def test_a_running_node_is_well_and_one_that_ended_is_not(consortium: Consortium) -> None:
    north, south = consortium.sites["north"], consortium.sites["south"]
    found = verdicts(answer("doctor", "--dir", str(north.folder.path)))
    assert "fail" not in found.values(), found
    for well in (
        ("clock", "votes"), ("ports", "p2p"), ("ports", "rpc"), ("network", "health"), ("engine", "record"),
        ("ledger", "state"), ("rules", "next"), ("store", "objects"), ("keys", "fit"),
    ):  # fmt: skip
        assert found[well] == "ok", well
    assert not list((north.folder.path.parent / "objects").rglob("*.part"))

    south.stop()
    told = answer("doctor", "--dir", str(south.folder.path), status=6)
    assert verdicts(told)[("network", "running")] == "fail"
    assert verdicts(told)[("ports", "p2p")] == "ok", "its ports are free for it"
    until(lambda: "south" in north.status().missing, "the loss of south")
    assert verdicts(answer("doctor", "--dir", str(north.folder.path)))[("network", "health")] == "warn"
    assert "not connected" in hmchain("doctor", "--dir", str(north.folder.path))
    south.start()
    until(lambda: south.status().running, "south")
