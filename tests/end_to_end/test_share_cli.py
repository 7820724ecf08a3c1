"""Records given and taken in at the command line of four running nodes, looked at there, taken back and erased."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.application.node.reading import current_state
from hmchain.clock import now_ms
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.members import standings
from support.dicom_objects import ct, written
from support.sites import Consortium, answer, hmchain, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]

FILE = """
name = "relapse"
kind = "transfer"
purposes = ["health-research"]
regions = ["DE"]
until = {until}
[datasets]
east = "head"
[transfer]
days = 30
[form]
title = "Relapse after surgery"
use = "Do early changes in CT tell who will relapse?"
contact = "Dr North"
"""


def at(consortium: Consortium, name: str) -> tuple[str, str]:
    return "--dir", str(consortium.sites[name].folder.path)


def published(consortium: Consortium, folder: Path) -> None:
    folder.mkdir()
    for number in range(4):
        slice_ = ct(PatientID=f"MRN-{number % 2}", SOPInstanceUID=f"1.2.3.{number}")
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        (folder / f"{number}.dcm").write_bytes(written(slice_))
    east = at(consortium, "east")
    assert answer("data", "extract", str(folder), "--into", "head", *east)["records"] == 4
    assert answer("data", "register", "head", "--yes", *east)["published"]


def test_records_are_asked_for_given_received_taken_back_and_erased(consortium: Consortium, tmp_path: Path) -> None:
    published(consortium, tmp_path / "scans")
    north, east = at(consortium, "north"), at(consortium, "east")
    file = tmp_path / "relapse.toml"
    file.write_text(FILE.format(until=f"{1971 + now_ms() // 31_556_952_000}-06-30"))
    until(lambda: "head" in hmchain("cohort", "datasets", *north), "East's dataset at North's node")
    hmchain("request", "submit", str(file), *north)
    until(lambda: "relapse" in hmchain("request", "inbox", *east), "the request at East's node")
    refused = answer("share", "grant", "relapse", "--yes", *east, status=2)
    assert refused["error"]["code"] == "no_permit"
    hmchain("request", "approve", "relapse", "--yes", *east)
    given = answer("share", "grant", "relapse", "--yes", *east)
    assert (given["records"], given["grantee"], given["transfer"]) == (4, "north", "relapse-east")
    until(lambda: "relapse-east" in hmchain("share", "list", *north), "the grant at North's node")
    assert "4 records of east" in hmchain("share", "receive", "relapse-east", "--into", "from-east", *north)
    with current_state(consortium.sites["north"].folder.ledger) as (found, seen_ms):
        assert standings.time_ms(found.state) <= seen_ms <= now_ms()
    file = str(tmp_path / "ledger.zip")
    hmchain("node", "export-ledger", file, *north)
    assert [each["standing"] for each in answer("share", "list", file)] == ["received"], "an auditor has no node"
    assert answer("share", "show", "relapse-east", "--dir", file)["grantee"] == "north"
    assert answer("share", "emergencies", "--dir", file)["listed"] == []
    shown = answer("data", "show", "from-east", *north)
    assert shown["entries"] == answer("data", "show", "head", *east)["entries"]
    assert answer("data", "register", "from-east", "--yes", *north, status=2)["error"]["code"] == "granted_for_less"
    hmchain("share", "revoke", "relapse-east", "--reason", "misuse", "--yes", *east)
    until(lambda: main(["data", "show", "from-east", *north]) == 2, "the end of the grant at North's node")
    erased = answer("share", "erase", "relapse-east", "--yes", *north)
    assert (erased["records"], erased["receipt"]) == (4, "keys-destroyed")
    until(lambda: "keys" in json.dumps(answer("share", "show", "relapse-east", *east)), "the receipt at East's node")
    assert answer("share", "erase", "relapse-east", "--yes", *east)["objects"] > 4
