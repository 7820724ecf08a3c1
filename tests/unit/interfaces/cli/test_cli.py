"""The command line's own rules: how it prints, and how every command ends when something is wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from hmchain.canonical import Record
from hmchain.errors import AuditError, HMChainError
from hmchain.interfaces.cli import failures, known_block, ledger, output, runs
from hmchain.interfaces.cli.acting import PersonCommand, PortalPersonCommand, PortalReadCommand, ResumedPersonCommand
from hmchain.interfaces.cli.command import ReadCommand, ResumedCommand, WriteCommand, began
from hmchain.interfaces.cli.data import DataCommands
from hmchain.interfaces.cli.lazy import LazyCommand
from hmchain.interfaces.cli.main import Commands, app, main
from hmchain.interfaces.cli.options import BadDigestError, parse_digest
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.ledger import BadTraceError
from hmchain.plain import RESEARCH_ONLY, plain

Captured = pytest.CaptureFixture[str]
KINDS = (
    WriteCommand, ReadCommand, ResumedCommand, PersonCommand, ResumedPersonCommand, PortalPersonCommand,
    PortalReadCommand,
)  # fmt: skip


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make every command that looks for a run fail with `error`."""

    def find(*_: object) -> None:
        raise error

    monkeypatch.setattr(runs, "find", find)


# -- failures --------------------------------------------------------------------------------------------------------


def test_an_error_is_told_in_two_lines_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    raising(monkeypatch, AuditError("block 3: its hash is wrong", "compare copies"))
    assert main(["study", "status"]) == AuditError.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["error block 3: its hash is wrong [audit]", "      compare copies"]


def test_with_json_an_error_is_json_and_stderr_stays_empty(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    raising(monkeypatch, AuditError("block 3: its hash is wrong", "compare copies"))
    assert main(["study", "status", "--json"]) == 7
    printed = capsys.readouterr()
    assert printed.err == ""
    error = {"what": "block 3: its hash is wrong", "hint": "compare copies", "code": "audit", "exit_code": 7}
    assert json.loads(printed.out) == {"error": error}


def test_an_unexpected_error_shows_its_type_and_never_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    raising(monkeypatch, ZeroDivisionError("patient Jane Doe"))
    monkeypatch.delenv("HMCHAIN_DEBUG", raising=False)
    assert main(["study", "status"]) == failures.UNEXPECTED
    printed = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in printed and "HMCHAIN_DEBUG=1" in printed
    assert "Jane" not in printed and "Traceback" not in printed


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())
    monkeypatch.setenv("HMCHAIN_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["study", "status"])


def test_debugging_keeps_foreseen_errors_short(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    raising(monkeypatch, HMChainError("no"))
    monkeypatch.setenv("HMCHAIN_DEBUG", "1")
    assert main(["study", "status"]) == 1
    assert capsys.readouterr().err == "error no [hmchain]\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["demo", "--seed", "3"], "goes on where it stopped"),
        (["study", "status"], "nothing was changed"),
    ],
)
def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, command: list[str], says: str
) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr("hmchain.interfaces.demo.tune_allocator", runs.find)
    assert main(command) == failures.INTERRUPTED
    printed = capsys.readouterr().err
    assert says in printed and " ".join(["hmchain", *command]) in printed


def test_ctrl_c_promises_of_no_command_more_than_it_keeps() -> None:
    kinds = {kind: {" ".join(words) for words, command in commands() if type(command) is kind} for kind in KINDS}
    assert sum(map(len, kinds.values())) == len(commands())
    assert kinds[ResumedCommand] == {"demo", "data extract", "data export", "data deidentify", "node rotate-key"}
    assert kinds[ResumedPersonCommand] == {"cohort count", "share grant", "share receive"}
    assert kinds[ReadCommand] | kinds[PortalReadCommand] == {
        "version", "completion", "doctor", "data inspect", "data log", "data selftest", "data list", "data show",
        "data verify", "data patients show", "data person list", "data quarantine list", "data vault verify",
        "cohort datasets",
        "cohort list", "cohort result", "cohort check", "cohort budget", "request check", "request inbox",
        "request list", "request show", "share list", "share show", "share emergencies",
        "policy codes", "policy diff", "policy history", "policy show", "policy test",
        "study status", "study list", "study show", "uses list", "uses why", "uses duties", "model list",
        "model show", "model predict", "audit verify", "audit proof", "audit verify-record", "audit trace",
        "incident list", "incident show", "consent list", "consent show", "consent check",
        "audit events", "audit check",
        "ledger blocks", "ledger tx", "ledger proof", "ledger check-proof", "network status", "network ballots",
        "network parameters", "network upgrade show", "people list", "people show", "people powers",
        "people deeds", "sign show", "sign challenge", "release list", "release show", "release check",
        "node status", "node audit",
    }  # fmt: skip
    assert "may be done" in WriteCommand.interrupted and "nothing was changed" not in WriteCommand.interrupted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stopped", [KeyboardInterrupt, typer.Abort])
def test_ctrl_c_says_what_the_command_that_ran_says(
    kind: type[WriteCommand], stopped: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    small = typer.Typer()

    @small.command(cls=kind)
    def look() -> None:
        raise stopped

    monkeypatch.setattr("hmchain.interfaces.cli.main.app", small)
    assert main([]) == failures.INTERRUPTED
    asked = stopped is typer.Abort  # while it asks for a yes, no command has changed anything
    assert (ReadCommand if asked else kind).interrupted in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "extra"), [("torch", "learning"), ("PIL.Image", "learning"), ("medmnist", "medmnist")]
)
def test_a_missing_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, module: str, extra: str
) -> None:
    raising(monkeypatch, ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert main(["study", "status"]) == 1
    printed = capsys.readouterr().err
    assert f"pip install 'hmchain[{extra}]'" in printed and "missing_extra" in printed and "scripts/setup.sh" in printed


def test_a_node_without_its_libraries_does_not_start_again_and_again(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    assert main(["node", "start", "--dir", str(tmp_path)]) == 1
    assert "`scripts/setup.sh network`" in capsys.readouterr().err


def test_a_group_that_lacks_a_library_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pydicom'", name="pydicom")

    monkeypatch.setattr("hmchain.interfaces.cli.lazy.import_module", missing)
    for each in Commands.deferred:
        vars(each).pop("loaded", None)  # another test may have imported it
    assert main(["data", "list"]) == 1
    (line, hint) = capsys.readouterr().err.splitlines()
    assert "missing_extra" in line and "pip install 'hmchain[data]'" in hint


def test_a_missing_library_of_our_own_core_is_unexpected() -> None:
    assert failures.explain(ModuleNotFoundError(name="msgspec")).exit_code == failures.UNEXPECTED


def test_a_full_disk_names_the_file(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    raising(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/report.html"))
    assert main(["report"]) == 4
    assert "/data/report.html: No space left on device [file_access]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["ledger", "blocks", "--from", "0"], ["ledger", "blocks", "--limit", "x"], ["ledger", "tx"], ["bogus"],
     ["audit", "verify", "--bogus"]],
)  # fmt: skip
def test_wrong_usage_is_exit_2_with_the_help_to_read(capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert "--help` shows what can be given" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("quarantine list", "hmchain data quarantine"), ("data held", "hmchain data quarantine list"),
     ("data delete brain", "hmchain data erase"), ("verify", "hmchain audit verify")],
)  # fmt: skip
def test_a_command_that_is_elsewhere_is_named(capsys: Captured, typed: str, meant: str) -> None:
    assert main(typed.split()) == 2
    said = capsys.readouterr().err
    assert "did you mean" in said and f"`{meant}`" in said


def test_a_wrong_argument_is_refused_in_words(capsys: Captured) -> None:
    assert main(["data", "log", "--since", "yesterday"]) == 2
    assert "'YYYY-MM-DD hh:mm'" in capsys.readouterr().err, "nobody in a hospital knows %Y"
    assert main(["data", "export", "x", "--output", "y", "--as", "bid"]) == 2
    assert "'--as': 'bid' is not one of" in capsys.readouterr().err


def test_codes_of_errors_are_unique() -> None:
    def codes(family: type[HMChainError]) -> list[str]:
        return [family.code, *(code for child in family.__subclasses__() for code in codes(child))]

    ours = (known_block.BadAnchorError, BadTraceError, ledger.NoAnchorError, runs.NoRunError, runs.UnfinishedRunError)
    known = codes(HMChainError)
    assert [error.code for error in ours if known.count(error.code) != 1] == []


# -- no run ----------------------------------------------------------------------------------------------------------


def test_without_a_run_the_hint_is_to_make_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HMCHAIN_RUN", raising=False)
    assert main(["ledger", "blocks"]) == 2
    printed = capsys.readouterr().err
    assert "there is no run at runs/latest [no_run]" in printed and "hmchain demo" in printed


def test_a_directory_without_a_ledger_is_named(tmp_path: Path, capsys: Captured) -> None:
    assert main(["audit", "verify", str(tmp_path)]) == 2
    assert f"{tmp_path} holds no ledger" in capsys.readouterr().err


def test_the_environment_names_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    monkeypatch.setenv("HMCHAIN_RUN", str(tmp_path / "mine"))
    assert main(["model", "list"]) == 2
    assert str(tmp_path / "mine") in capsys.readouterr().err
    assert main(["model", "list", str(tmp_path / "argument")]) == 2
    assert str(tmp_path / "argument") in capsys.readouterr().err


# -- printing --------------------------------------------------------------------------------------------------------


class Leaf(Record, frozen=True, tag="leaf"):
    """A tagged record."""

    root: bytes
    names: tuple[str, ...]


def test_records_become_json_with_hex_and_their_tag() -> None:
    assert plain({"a": [Leaf(b"\x01\xff", ("x",))]}) == {"a": [{"type": "leaf", "root": "01ff", "names": ["x"]}]}


@pytest.mark.parametrize("kind", KINDS)
def test_one_value_is_shown_as_text_or_as_json(
    kind: type[WriteCommand], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    small, begun = typer.Typer(), []

    @small.command(cls=kind)
    def look() -> None:
        begun.append(began())
        output.show(Leaf(b"\x01", ("x",)), lambda leaf: output.say(f"leaf of {leaf.names[0]}"))

    monkeypatch.setattr("hmchain.interfaces.cli.main.app", small)
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"type": "leaf", "root": "01", "names": ["x"]}
    assert main([]) == 0
    assert capsys.readouterr().out == "leaf of x\n"
    assert begun == [kind, kind] and began() is None


def test_how_one_answer_was_wanted_is_nothing_to_the_next_program_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    small = typer.Typer()
    small.command(cls=ReadCommand)(lambda: output.say(output.short(bytes(32))))
    monkeypatch.setattr("hmchain.interfaces.cli.main.app", small)
    assert main(["--wide", "--json"]) == 0
    assert capsys.readouterr().out == "0" * 64 + "\n"
    assert not output.is_wide() and not output.in_json()


@pytest.mark.parametrize("text", ["\x1b]0;t\x07", "\u202eevil", "\u2028", "\x9b31m", "\udc80", "\U000e0041", "Röntgen"])
def test_json_sends_no_control_character_to_the_terminal_and_says_the_same(text: str, capsys: Captured) -> None:
    output.write_json({text: [text]}, sys.stdout)
    shown = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert json.loads(shown) == {text: [text]} and ("Röntgen" in shown) == (text == "Röntgen")


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = output.safe(text)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    if text.isprintable():
        assert shown == text


class _Terminal(io.StringIO):
    """A standard error that people look at."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "reading the ledger" in text:
            self.told.set()
        return super().write(text)


def test_whoever_waits_is_told_for_what_and_programs_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SILENT_SECONDS_MAX", 0)
    monkeypatch.setenv("TERM", "xterm")
    screen = _Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with output.doing("reading the ledger"):
        assert screen.told.wait(60)
    for stderr, as_json in ((io.StringIO(), False), (_Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stderr)
        output.answer_in_json(as_json)
        with output.doing("reading the ledger"):
            pass
        assert stderr.getvalue() == ""
    output.answer_in_json(False)


def test_names_from_a_ledger_are_not_markup(capsys: Captured) -> None:
    output.table(("name",), [["[red]north[/red] \x1b[31m :smile:"]])
    assert "[red]north[/red] \\x1b[31m :smile:" in capsys.readouterr().out


@given(st.integers(0, 1 << 63))
def test_any_block_time_can_be_shown(time_ms: int) -> None:
    assert output.when(time_ms)


def test_rounded_counts_claim_no_more_than_they_say() -> None:
    assert [count_words(count) for count in (64, 512)] == ["under 128", "512 to 1023"]


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "0" * 63, "é" * 64])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadDigestError):
        parse_digest(text)


# -- help ------------------------------------------------------------------------------------------------------------


def commands(group: Any = None, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every command there is, by its words."""
    group = typer.main.get_command(app) if group is None else group
    found = []
    for name, command in getattr(group, "commands", {}).items():
        command = command.loaded if isinstance(command, LazyCommand) else command
        found += commands(command, (*path, name)) or [((*path, name), command)]
    return found


@pytest.mark.parametrize("command", [words for words, _ in commands()], ids=" ".join)
def test_every_command_has_json_an_example_and_a_sentence(command: tuple[str, ...], capsys: Captured) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert f"Example: hmchain {' '.join(command)}" in text
    assert not set(re.findall(r"\[\[|\.\.\.[\]}]", text)), "what is optional, or many, is said once"


def test_help_has_no_line_breaks_but_those_of_paragraphs() -> None:
    """The terminal breaks its lines: at 80 columns those of the source were broken twice."""
    assert not [" ".join(words) for words, command in commands() if re.search(r"[^\n]\n[^\n]", command.help)]


def test_help_names_all_groups_by_role(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in ("Start here", "Stewards and scientists", "Auditors and operators", "demo", "study", "ledger"):
        assert word in text
    assert RESEARCH_ONLY in text


@pytest.mark.parametrize("deferred", (*Commands.deferred, *DataCommands.deferred), ids=lambda each: each.called)
def test_the_sentence_of_a_command_is_its_own(deferred: LazyCommand) -> None:
    assert deferred.loaded.help.splitlines()[0] == deferred.help
    assert deferred.loaded.name == deferred.called


@pytest.mark.parametrize("group", [[], ["ledger"], ["study"]])
def test_without_a_command_the_help_is_shown_and_nothing_else(capsys: Captured, group: list[str]) -> None:
    assert main(group) == 2
    printed = capsys.readouterr()
    assert "Usage: hmchain" in printed.out and printed.err == ""


def test_version_as_text_and_as_json(capsys: Captured) -> None:
    assert main(["version"]) == main(["--version"]) == main(["version", "--json"]) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == second and first.startswith("hmchain ")
    assert set(json.loads("\n".join(rest))) == {"version", "python", "system"}


@pytest.mark.network
@pytest.mark.process
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [["version"], ["version", "--json"], ["bogus", "--json"]])
def test_a_reader_that_leaves_early_gets_no_traceback(command: list[str], unbuffered: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from hmchain.interfaces.cli.main import run; run()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == failures.READER_GONE
