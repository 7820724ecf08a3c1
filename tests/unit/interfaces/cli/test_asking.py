"""What cannot be taken back asks first: a person answers, a script says --yes, and otherwise nothing happens."""

from __future__ import annotations

import io

import pytest
import typer

from hmchain.errors import InputError
from hmchain.interfaces.cli import asking, output
from hmchain.interfaces.cli.asking import NotConfirmedError, confirm

Captured = pytest.CaptureFixture[str]


def preview() -> None:
    output.say("13 records of 5 versions")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "at_terminal", lambda: True)


def typing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_a_person_who_does_not_say_yes_changes_nothing(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    typing(monkeypatch, answer)
    with pytest.raises(NotConfirmedError, match="the answer was no"):
        confirm("Destroy them?", yes=False, about=preview)
    printed = capsys.readouterr()
    assert printed.out == "" and "13 records" in printed.err and "Destroy them?" in printed.err


@pytest.mark.usefixtures("terminal")
def test_a_person_who_says_yes_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    typing(monkeypatch, "y")
    confirm("Destroy them?", yes=False, about=preview)
    assert capsys.readouterr().out == ""


def test_a_script_says_yes_and_is_shown_nothing(capsys: Captured) -> None:
    confirm("Destroy them?", yes=True, about=preview)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


def test_a_script_that_does_not_say_yes_is_told_how(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    typing(monkeypatch, "y")  # what is piped in is no answer
    with pytest.raises(NotConfirmedError, match="--yes"):
        confirm("Destroy them?", yes=False, about=preview)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


def test_what_is_typed_unseen_may_be_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    typing(monkeypatch, " MRN-7 ")
    assert asking.read_unseen("Patient's identifier: ") == "MRN-7"


@pytest.mark.parametrize(("given", "typed"), [(None, ""), ("-", " "), ("", "MRN-7"), (" ", "MRN-7")])
def test_no_patient_is_meant_by_an_empty_number(given: str | None, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typing(monkeypatch, typed)
    with pytest.raises(InputError, match="no patient's number was given"):
        asking.patient_number(given)


@pytest.mark.parametrize(("given", "number"), [(None, "MRN-7"), ("-", "MRN-7"), ("MRN-8", "MRN-8")])
def test_a_patient_s_number_is_given_or_asked_for(
    given: str | None, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typing(monkeypatch, "MRN-7")
    assert asking.patient_number(given) == number


def test_an_end_of_what_is_typed_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    typing(monkeypatch, "")
    assert asking.read_line("Which") == ""
    with pytest.raises(typer.Abort):
        asking.read_line("Which")
