"""No dead ends: what commands print on a finished run is typed in again as it stands there, and works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hmchain.application.site.run import RunFolder
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.demo.outcome import next_commands
from hmchain.ledger import genesis
from support.finished_run import DATASET, NAMES, STUDY, Captured, text
from support.finished_run import run_directory as run_directory
from support.printed_commands import printed

pytestmark = [pytest.mark.process, pytest.mark.network]

SHOWN = (
    ("study", "status", "--study", STUDY),
    ("study", "status"),
    ("study", "list"),
    ("study", "show", STUDY),
    ("model", "list"),
    ("model", "show"),
    ("ledger", "blocks", "--limit", "2"),
    ("audit", "trace", "--study", STUDY),
    ("report",),
)
BAD = (
    (("study", "status", "--study", "none"), 2),
    (("study", "show", "none"), 2),
    (("ledger", "tx", "00" * 32), 6),
    (("audit", "trace", "--study", "none"), 6),
    (("model", "list", "--nothing"), 2),
)
CAPITALS = re.compile(r"\b[A-Z]{3,}\b")
BEGINS = ("demo", "node start", "node agent")
"""What begins a long work."""


def typed(said: str) -> list[list[str]]:
    """The commands of a text that need nothing filled in."""
    return [shlex.split(each) for each in printed(said) if not CAPITALS.search(each) and not each.startswith(BEGINS)]


def test_whoever_types_what_is_printed_on_a_run_gets_an_answer(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no run: the folder must be in what is printed
    for name in ("HMCHAIN_RUN", "HMCHAIN_NODE"):
        monkeypatch.delenv(name, raising=False)
    said = [text(capsys, *command, "--dir", str(run_directory)) for command in SHOWN]
    said += [text(capsys, *command, "--dir", str(run_directory), status=status) for command, status in BAD]
    found = {tuple(words) for each in said for words in typed(each)}
    assert {words[:2] for words in found} >= {("model", "show"), ("audit", "trace"), ("audit", "verify")}
    ended = {words: main(list(words)) for words in sorted(found)}
    assert not {words: status for words, status in ended.items() if status}


def test_the_commands_at_the_end_of_the_demo_work(run_directory: Path, capsys: Captured) -> None:
    run = RunFolder(run_directory)
    anchor = genesis.load(run.own_ledger / "genesis.json").digest
    offered = [fact.name.removeprefix("hmchain ") for fact in next_commands(run.path, anchor, NAMES[0])]
    for words in offered:
        if not CAPITALS.search(words) and not words.startswith("release"):  # this run released nothing
            assert main(shlex.split(words.replace("/images", f"/{DATASET}"))) == 0
    assert any(words.startswith("model predict IMAGE") for words in offered)
