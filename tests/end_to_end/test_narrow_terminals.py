"""Commands that read, at 80 and 60 columns: what JSON names stands whole in the text, to be copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli_run import this_run as this_run
from support.finished_run import Captured, answer, text
from support.finished_run import run_directory as run_directory
from support.whole_words import broken

pytestmark = [pytest.mark.process, pytest.mark.network]

READING = (
    ("study", "status", "--study", "tiny"),
    ("study", "list", "--dir", "{run}"),
    ("study", "show", "tiny", "--dir", "{run}"),
    ("model", "list"),
    ("model", "show"),
    ("audit", "verify"),
    ("audit", "trace", "--study", "tiny"),
    ("audit", "trace", "--dataset", "west/scans"),
    ("ledger", "blocks", "--limit", "40"),
)


@pytest.mark.parametrize("columns", ["80", "60", "pipe"])
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_whoever_copies_an_id_from_a_run_gets_all_of_it(
    command: tuple[str, ...], columns: str, run_directory: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [part.format(run=run_directory) for part in command]
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns != "pipe":
        monkeypatch.setenv("COLUMNS", columns)
    assert not broken(answer(capsys, *arguments), text(capsys, *arguments))


def test_an_id_in_two_pieces_would_be_seen() -> None:
    found = {"study": "br35h-resale", "status": "finished", "hash": "c6505394c7be"}
    assert broken(found, "br35h-re  finishe  c6505394c7be\nsale      d") == ["br35h-resale", "finished"]
    assert not broken(found, "br35h-resale  finished\nc65053")


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_wide_shows_whatever_a_narrow_terminal_has_no_room_for(
    command: tuple[str, ...], run_directory: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [part.format(run=run_directory) for part in command]
    monkeypatch.setenv("COLUMNS", "60")
    assert "No room for" not in text(capsys, *arguments, "--wide")
