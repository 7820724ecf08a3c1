"""`hmchain consent`, as a steward gives it: what is said, and that no patient is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.site.hospital import alone, locate
from hmchain.interfaces.cli.main import main
from hmchain.records.consents.register import Basis
from support.consent_bed import DATASET, PATIENTS, RECORDS_EACH, YES, founded
from support.pcf_consents import OBSERVATIONS, consent, rule


class Desk:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def gives(self, *arguments: str, status: int = 0) -> str:
        """What people see."""
        assert main(["consent", *arguments, "--dir", str(self.folder)]) == status
        printed = self.capsys.readouterr()
        return printed.out + printed.err

    def tells(self, *arguments: str) -> Any:
        return json.loads(self.gives(*arguments, "--json"))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    lines = [
        consent("a", rule("permit", rule("deny", **OBSERVATIONS), purposes=("HRESCH",))),
        consent("b", YES) | {"patient": {"reference": "Patient/p1"}},
    ]
    lines[0]["patient"] = {"reference": "Patient/p0"}
    (tmp_path / "consents.ndjson").write_text("\n".join(map(json.dumps, lines)))
    return Desk(founded(tmp_path).path, capsys)


def test_from_a_file_to_what_a_use_may_have(desk: Desk, tmp_path: Path) -> None:
    assert "keeps no consent" in desk.gives("list")
    assert "new" in desk.gives("add", str(tmp_path / "consents.ndjson"))
    ids = [each["id"] for each in desk.tells("list")]
    assert len(ids) == 2 and "HRESCH" in desk.gives("list")
    (mine,) = desk.tells("list", "--patient", "p0")
    shown = desk.gives("show", mine["id"])
    assert "It permits use for HRESCH" in shown and "  but denies use of type Observation" in shown
    assert "no consents have an id" in desk.gives("show", "ffffff", status=2)
    checked = desk.gives("check", DATASET, "--recipient", "west")
    assert f"{RECORDS_EACH * PATIENTS - 1} of {RECORDS_EACH * PATIENTS + 1} records" in checked
    assert "2 not: a consent denies it" in checked and "patients" in checked
    assert "nobody in particular" in desk.gives("check", DATASET)
    assert "asked by     north" in desk.gives("check", DATASET, "export"), "an export is the hospital's own"
    assert "1 withdrawn" in desk.gives("withdraw", "--patient", "p1", "--yes")
    assert "before" in desk.gives("withdraw", "--patient", "p1", "--yes")
    assert "withdrawn" in desk.gives("list", "--patient", "p1")
    assert "a consent was withdrawn" in desk.gives("check", DATASET, "count", "--recipient", "west")
    assert "p1" not in desk.gives("list")


def test_a_dataset_s_basis_is_shown_and_set(desk: Desk) -> None:
    assert "opt-out: all records" in desk.gives("basis", DATASET)
    assert "those alone" not in desk.gives("basis", DATASET)
    assert "asks first" in desk.gives("basis", DATASET, "consent", status=2)
    said = desk.gives("basis", DATASET, "consent", "--purposes", "HRESCH, TREAT", "--yes")
    assert "who permit it" in said and "HRESCH, TREAT" in said
    assert desk.tells("basis", DATASET)["basis"] == Basis.CONSENT.value
    assert "there is no dataset other" in desk.gives("basis", "other", status=2)


def test_a_list_is_taken_in_and_forgotten(desk: Desk, tmp_path: Path) -> None:
    assert "No list is kept here" in desk.gives("optouts")
    (tmp_path / "list.txt").write_text("p0\np4\n")
    said = desk.gives("optouts", "national", str(tmp_path / "list.txt"), "--as-of", "2026-02-03")
    assert "2026-02-03" in said and "national" in said and "Nobody" not in said
    (tmp_path / "other.txt").write_text("P-0\n")
    said = desk.gives("optouts", "regional", str(tmp_path / "other.txt"), "--as-of", "2026-02-03")
    assert "Nobody on regional is known here" in said
    assert "national" in desk.gives("optouts", "regional", "--forget", "--yes")
    assert "is no day" in desk.gives("optouts", "national", str(tmp_path / "list.txt"), status=2)
    assert desk.tells("check", DATASET)["patients"] == PATIENTS - 2
    assert "No list" in desk.gives("optouts", "national", "--forget", "--yes")
    assert desk.tells("check", DATASET)["patients"] == PATIENTS


def test_what_a_patient_says_waits_for_no_command_that_changes_records(desk: Desk, tmp_path: Path) -> None:
    """An extraction, or the receiving of a transfer, takes hours: a withdrawal holds from the next round on."""
    with alone(locate(desk.folder)):
        desk.gives("add", str(tmp_path / "consents.ndjson"))
        assert "1 withdrawn" in desk.gives("withdraw", "--patient", "p1", "--yes")
        assert desk.tells("check", DATASET)["patients"] == PATIENTS - 1
        desk.gives("basis", DATASET, "consent", "--yes")
        (tmp_path / "list.txt").write_text("p2\n")
        desk.gives("optouts", "national", str(tmp_path / "list.txt"), "--as-of", "2026-02-03")
        for number, is_here in (("p3", True), ("p77", False)):
            assert main(["data", "opt-out", "--patient", number, "--dir", str(desk.folder)]) == 0
            assert ("compare the number" not in desk.capsys.readouterr().out) is is_here
    assert desk.tells("check", DATASET)["patients"] == 1, "who permits it"
