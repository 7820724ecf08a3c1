"""The Tab key: shells complete commands and options of groups that are not even imported before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hmchain.interfaces.cli.main import main

pytestmark = pytest.mark.process
PROGRAM = Path(sys.executable).with_name("hmchain")


def asked(shell: str, words: str, **more: str) -> str:
    """What a shell gets that asks what may follow."""
    env = {**os.environ, "_HMCHAIN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": words, **more}
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr
    return done.stdout


@pytest.mark.network
def test_bash_completes_in_the_script_that_a_user_reads_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(PROGRAM)])
    monkeypatch.setenv("PATH", os.defpath)
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = "COMP_WORDS=(hmchain node s); COMP_CWORD=2; _hmchain; echo ${COMPREPLY[*]}; complete -p hmchain"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{typed}"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split("\n")[0] == "start status snapshot"
    assert "-F _hmchain hmchain" in done.stdout


@pytest.mark.network
def test_zsh_and_fish_get_words_and_what_they_do() -> None:
    assert '"quarantine":"Items that were held back' in asked("zsh", "hmchain data q")
    assert asked("fish", "hmchain no", _TYPER_COMPLETE_FISH_ACTION="get-args").startswith("node\tOne hospital's node")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_asks_the_program_as_it_is_installed(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(PROGRAM)])
    monkeypatch.setenv("PATH", os.defpath)
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_HMCHAIN_COMPLETE=complete_{shell}" in script and str(PROGRAM) in script


def test_nobody_is_told_of_errors_while_he_types() -> None:
    assert asked("bash", "", COMP_WORDS="hmchain nothing 'x", COMP_CWORD="2").strip() == ""
    assert asked("bash", "", COMP_WORDS="hmchain", COMP_CWORD="x") == ""
