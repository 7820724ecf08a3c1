"""Printed commands work where they are printed: in the clone of a new user, and in the folder of a hospital."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hmchain.interfaces.cli import hints
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.program import program


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the program in .venv/bin, which no shell finds, and which is the present folder."""
    script = tmp_path / "a clone" / ".venv" / "bin" / "hmchain"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path / "a clone")
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path / "a clone"


@pytest.mark.parametrize(
    ("called", "where", "printed"),
    [
        (".venv/bin/hmchain", ".", ".venv/bin/hmchain"),
        ("{clone}/.venv/bin/hmchain", ".", ".venv/bin/hmchain"),
        ("../.venv/bin/hmchain", "runs", "../.venv/bin/hmchain"),
        ("pytest", ".", "hmchain"),
    ],
)
def test_a_command_begins_with_the_path_that_works_here(
    clone: Path, monkeypatch: pytest.MonkeyPatch, called: str, where: str, printed: str
) -> None:
    (clone / "runs").mkdir()
    monkeypatch.chdir(clone / where)
    monkeypatch.setattr(sys, "argv", [called.format(clone=clone)])
    assert program() == printed


def test_a_program_that_a_shell_finds_is_called_by_its_name(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone / ".venv" / "bin"))
    monkeypatch.setattr(sys, "argv", [".venv/bin/hmchain"])
    assert program() == "hmchain"


def test_a_module_that_was_run_is_called_so(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/hmchain/__main__.py"])
    assert program().endswith(" -m hmchain")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["network", "status", "--dir", "no where"], "`hmchain network join FILE --dir 'no where'`"),
        (["network", "status", "nowhere"], "`hmchain network join FILE --dir nowhere`"),
        (["network", "status"], "`hmchain network join FILE`"),
        (["ledger", "blocks", "nowhere"], "`hmchain demo`"),
    ],
)
def test_a_hint_repeats_the_folder_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HMCHAIN_NODE", raising=False)
    assert main(command) == 2
    assert hint in capsys.readouterr().err


def test_a_node_s_folder_is_repeated_for_all_that_read_it_and_a_run_s_for_readers_alone(tmp_path: Path) -> None:
    try:
        hints.remember("study status", tmp_path)
        text = "`hmchain audit verify`, `hmchain study approve x`, `hmchain demo`, `hmchain data`, `hmchain report`"
        at = f" --dir {tmp_path}"
        told = text.replace("verify", "verify{0}").replace("report", "report{0}").replace("approve x", "approve x{1}")
        assert hints.whole(text) == told.format(at, "")
        (tmp_path / "node.toml").touch()
        assert hints.whole(text) == told.format(at, at)
        assert hints.whole("`hmchain audit verify a.tar`") == "`hmchain audit verify a.tar`"
        assert hints.whole("see:\n  hmchain ledger tx 3f9a") == f"see:\n  hmchain ledger tx 3f9a{at}"
        assert hints.whole(f"`hmchain node start{at}`") == f"`hmchain node start{at}`"
    finally:
        hints.forget()
