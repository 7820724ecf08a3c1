"""No command that changes or exports something of a hospital leaves nothing in its log of security events."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from hmchain.application.security import log
from hmchain.application.security.checking import checked
from hmchain.application.security.events import Event, Kind
from hmchain.application.site import hospital
from hmchain.errors import InputError, KeyMaterialError
from hmchain.interfaces.cli import acting
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.recorded import KINDS
from support.command_tree import all_commands, options

OF_NO_HOSPITAL = {
    "demo": "makes hospitals of its own, whose services write down what they do",
    "report": "draws a page of what is there",
    "network init": "makes a public file of public files, before there is a network",
    "policy new": "writes a file of questions to fill in",
    "sign attach": "signs a file, at no hospital's folder: what is sent leaves an event where it is sent",
}
"""Commands that change something, and work in no hospital's folder."""
CHANGING = sorted(name for name, of in all_commands().items() if not isinstance(of, ReadCommand))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital.create(tmp_path_factory.mktemp("north") / "north").path


def given(words: str, place: Path, does: Callable[[], None] = lambda: None) -> list[Event]:
    """The events that a command leaves which does no more than this."""
    command = copy.copy(all_commands()[words])
    command.callback = lambda **_: does()
    context = typer.Context(command, info_name=f"hmchain {words}")
    folder = next(option for option in options(command) if "--dir" in option.opts)
    context.params = {folder.name: place}
    path = hospital.locate(place).activity
    before = log.head(path)[0]
    with contextlib.suppress(InputError, KeyMaterialError, KeyboardInterrupt, typer.Exit, typer.Abort):
        command.invoke(context)
    return [each.typed for each in log.read(path, since=before + 1) if each.typed.kind is not Kind.LOG_BEGUN]


@pytest.mark.parametrize("words", CHANGING)
def test_what_changes_something_leaves_an_event(words: str, place: Path) -> None:
    """Although no service that it calls writes one, as a new one may forget to."""
    takes_folder = any("--dir" in option.opts for option in options(all_commands()[words]))
    if not takes_folder:
        assert words in OF_NO_HOSPITAL, "say in which folder it works, or why it leaves no event"
        return
    (found,) = given(words, place)
    assert (found.what, found.outcome) == (words, "done")
    assert found.kind is KINDS.get(words, Kind.COMMAND)


def test_no_reason_outlives_its_command() -> None:
    assert set(OF_NO_HOSPITAL) <= set(CHANGING)


def test_what_fails_leaves_its_code_and_nothing_that_was_typed(place: Path) -> None:
    def fail() -> None:
        raise InputError("there is no dataset Meier-Anna-1950")

    def stop() -> None:
        raise KeyboardInterrupt

    assert [each.outcome for each in given("data erase", place, fail)] == ["input"]
    assert [each.outcome for each in given("data erase", place, stop)] == ["interrupted"]
    assert "Meier" not in "".join(each.event for each in log.read(hospital.locate(place).activity))


@pytest.mark.parametrize(("status", "outcome"), [(0, "done"), (4, "storage"), (6, "ledger"), (7, "audit")])
def test_what_changed_something_and_ends_with_a_status_leaves_an_event(status: int, outcome: str, place: Path) -> None:
    def leave() -> None:
        raise typer.Exit(status)

    (found,) = given("data vault convert", place, leave)
    assert (found.kind, found.what, found.outcome) == (Kind.COMMAND, "data vault convert", outcome)
    assert given("data vault verify", place, leave) == []


def test_what_is_only_prepared_says_so_and_a_no_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare() -> None:
        monkeypatch.setattr(acting, "prepare", lambda: Path("to-sign"))
        raise typer.Exit

    def refuse() -> None:
        raise typer.Abort

    assert [each.outcome for each in given("people invite", place, prepare)] == ["prepared"]
    assert given("people invite", place, refuse) == []


def test_a_key_that_does_not_open_is_noted_of_whoever_only_reads(place: Path) -> None:
    def refuse() -> None:
        raise KeyMaterialError("the passphrase opens nothing")

    found = given("data list", place, refuse)
    assert [(each.kind, each.what, each.outcome) for each in found] == [(Kind.KEY_REFUSED, "data list", "key")]
    assert given("data list", place) == given("data verify", place) == given("audit events", place) == []


def test_what_a_service_wrote_down_is_not_written_twice(place: Path) -> None:
    path = hospital.locate(place).activity

    def serve() -> None:
        log.record(path, Event(Kind.DATA_ERASED, "erase"))

    def deny() -> None:
        log.record(path, Event(Kind.ACCESS_DENIED, "grant", outcome="not_permitted"))
        raise InputError("not permitted")

    assert [each.kind for each in given("data erase", place, serve)] == [Kind.DATA_ERASED]
    assert [each.kind for each in given("data erase", place, deny)] == [Kind.ACCESS_DENIED]


def test_all_of_it_is_one_chain(place: Path) -> None:
    list(checked(log.read(hospital.locate(place).activity), {}, "north"))
