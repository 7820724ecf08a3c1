"""A steward asks what the hospital's data were used for, and a patient which uses and models there were."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.consent.persons import persons_of
from hmchain.application.consent.study_cohorts import StudyCohorts
from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.data import uses
from hmchain.application.site import hospital
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.data.policies import DEFAULT, Duty, SetPolicy
from hmchain.ledger.readers.ledger import open_ledger
from support.cli_run import run_directory, this_run
from support.finished_run import DATASET, NAMES, REFUSED_STUDY, STUDY, Captured, answer, text
from support.html_page import Page
from support.policy_bed import TERMS
from support.request_bed import RequestBed
from support.steward import NAME, NUMBER, Steward, message, steward

__all__ = ["run_directory", "steward", "this_run"]


def answer_to_error(capsys: Captured, *arguments: str) -> dict[str, str]:
    """What a command says that was called wrongly."""
    assert main([*arguments, "--json"]) == 2
    printed = capsys.readouterr()
    return dict(json.loads(printed.out or printed.err)["error"])


def test_one_command_says_for_what_on_whose_word_until_when_and_what_came_of_it(capsys: Captured) -> None:
    found = answer(capsys, "uses", "--dataset", f"west/{DATASET}")["uses"]
    assert [(use["request"], use["standing"], use["said_by"], use["reason"]) for use in found] == [
        (STUDY, "allowed", ["west/steward"], ""), (REFUSED_STUDY, "rejected", ["west/steward"], "ethics"),
    ]  # fmt: skip
    (made,) = found[0]["made"]
    assert made["status"] == "finished" and len(made["model"]) == 64 and not found[1]["made"]
    assert found[0]["until_ms"] > found[0]["ended_ms"] == 0
    everybody = answer(capsys, "uses")["uses"]
    assert [use["organisation"] for use in everybody if use["request"] == STUDY] == list(NAMES)
    shown = text(capsys, "uses", "--dataset", f"west/{DATASET}", "--wide")
    for words in ("health or medical or biomedical research", "rejected (ethics)", "signed by 4 of 4 founders"):
        assert words in shown


def test_a_dataset_that_is_not_there_is_named_with_those_that_are(capsys: Captured) -> None:
    error = answer_to_error(capsys, "uses", "--dataset", "west/bones")
    assert error["code"] == "unknown_dataset" and f"west/{DATASET}" in error["hint"]


def test_a_use_that_ended_before_a_day_is_not_shown_since_it(capsys: Captured) -> None:
    assert {use["request"] for use in answer(capsys, "uses", "--since", "2000-01-01")["uses"]} == {STUDY, REFUSED_STUDY}
    late = answer(capsys, "uses", "--since", "2999-01-01")["uses"]
    assert not late


def _ask(steward: Steward, *arguments: str) -> list[str]:
    return ["uses", "patient", *arguments, "--dir", str(steward.folder)]


@pytest.fixture
def keys(steward: Steward, tmp_path: Path) -> list[str]:
    """The options by which two people sign; the hospital holds a message about a patient, in the run's dataset."""
    (tmp_path / "hl7").mkdir()
    (tmp_path / "hl7" / "1.hl7").write_bytes(message(1))
    steward.run("extract", str(tmp_path / "hl7"), "--into", DATASET)
    for name in ("ada", "marie"):
        steward.run("person", "add", name.title(), str(tmp_path / f"{name}.key"))
    return [option for name in ("ada", "marie") for option in ("--person", str(tmp_path / f"{name}.key"))]


def test_a_patient_is_told_of_uses_and_models_once_two_people_signed(
    steward: Steward, keys: list[str], run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uses, "ledger_beside", lambda place: run_directory / "ledger")
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: NUMBER)
    number, page = ("-", "--issuer", "H"), tmp_path / "answer.html"
    found = answer(steward.capsys, *_ask(steward, *number, *keys))
    assert [use["request"] for use in found["uses"]] == [STUDY, REFUSED_STUDY]
    assert [(held["version"], sum(held["records"].values())) for held in found["held"]] == [(1, 1)]
    shown = text(steward.capsys, *_ask(steward, *number, *keys, "--output", str(page)))
    assert "A finished model does not forget" in shown and "What this does not prove" in shown
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    words = " ".join(Page(page.read_text()).words)
    assert STUDY in words and "does not prove" in words and "allowed once" not in words and "over" in words
    for told in (shown, words, str(found)):
        assert NUMBER not in told and NAME not in told, "the answer names nobody"
    again = answer_to_error(steward.capsys, *_ask(steward, *number, *keys, "--output", str(page)))
    assert again["code"] == "report_there"


def test_a_pseudonym_serves_as_well_and_the_log_says_who_asked(steward: Steward, keys: list[str]) -> None:
    (entry,) = steward.run("show", DATASET)["entries"]
    found = answer(steward.capsys, *_ask(steward, entry["subject"], *keys))
    assert len(found["held"]) == 1 and found["uses"] == [], "a hospital by itself is on no ledger"
    (line,) = steward.run("log", "--what", "tell")["entries"]
    assert (line["person"], line["is_signed"], line["subject"]) == ("Ada and Marie", True, entry["subject"])


def test_a_patient_is_told_in_which_rounds_records_of_theirs_were_used(steward: Steward, keys: list[str]) -> None:
    (entry,) = steward.run("show", DATASET)["entries"]
    place = hospital.locate(steward.folder)
    with hospital.open_records(place) as records, closing(StudyCohorts(place.study_cohorts)) as cohorts:
        everybody = usable(records, DATASET, 1, Use(UseKind.TRAIN, recipients=("H",)), 0)
        for round_ in (1, 2, 3):
            cohorts.note(STUDY, round_, everybody.stamp, persons_of(records, everybody), DATASET, 1, 0)
        cohorts.note("other", 1, bytes(32), {bytes(32): ()}, DATASET, 1, 0)
    said = [{"study": STUDY, "dataset": DATASET, "version": 1, "first": 1, "last": 3, "last_ms": 0}]
    for who in ([entry["subject"]], [NUMBER, "--issuer", "H"]):
        assert answer(steward.capsys, *_ask(steward, *who, *keys))["rounds"] == said
    assert f"{STUDY}: round 1 to 3, of {DATASET} version 1" in text(
        steward.capsys, *_ask(steward, entry["subject"], *keys)
    )


def test_one_person_alone_is_told_nothing_of_a_patient(steward: Steward, keys: list[str]) -> None:
    error = answer_to_error(steward.capsys, *_ask(steward, NUMBER, *keys[:2]))
    assert error["code"] == "persons_missing" and not steward.run("log", "--what", "tell")["entries"]


def test_uses_of_a_hospital_are_its_own_alone(run_directory: Path) -> None:
    with open_ledger(run_directory / "ledger") as ledger:
        found = ledger.uses(0, "north")
        assert {use.organisation for use in found} == {"north"} and len(found) == 2
        assert ledger.uses(0, "nobody") == []


def test_what_is_owed_is_listed_and_reminded_of(tmp_path: Path, capsys: Captured) -> None:
    bed = RequestBed.found(tmp_path)
    bed.user("east/steward").send(SetPolicy("brain", replace(TERMS, cedar=DEFAULT, duties=(Duty("publish", 20),))))
    bed.submit()
    bed.approve("east/steward")
    bed.close()
    ledger = str(bed.bed.directory / "ledger")
    (duty,) = answer(capsys, "uses", "duties", ledger)["duties"]
    assert (duty["kind"], duty["organisation"], duty["standing"]) == ("publish", "east", "overdue")
    assert "overdue" in text(capsys, "uses", "duties", ledger)
    used = {use["organisation"]: use for use in answer(capsys, "uses", ledger)["uses"]}
    assert (used["east"]["said_by"], used["north"]["standing"]) == (["east/steward"], "waiting")
    (east, north) = answer(capsys, "uses", "why", "relapse", "--dir", ledger)
    assert (east["policy"], north["policy"], east["agrees"], north["agrees"]) == (1, 0, True, True)
    assert "the same" in text(capsys, "uses", "why", "relapse", "--dir", ledger)
    shown = text(capsys, "uses", "list", ledger)
    assert "relapse" in shown and "nobody yet" in shown
