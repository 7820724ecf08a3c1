"""The command `hmchain`: its groups, and how every command ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache, partial
from typing import Annotated, Any

import typer
from typer.completion import get_completion_inspect_parameters

from hmchain.interfaces.cli import about, command, failures, output, streams
from hmchain.interfaces.cli.lazy import LazyCommand, LazyGroup
from hmchain.interfaces.cli.passphrases import asked_for, passphrase_taken
from hmchain.interfaces.program import ASKED, NAME, program
from hmchain.plain import RESEARCH_ONLY
from hmchain.processes import leave_no_core_dump

START, LEARNING, AUDITORS = "Start here", "Stewards and scientists", "Auditors and operators"


class Commands(LazyGroup):
    """Everything that `hmchain` can do; a group's module is imported when it is called or asked for help."""

    deferred = (
        *(LazyCommand(START, *named) for named in (
            ("demo", "demo", "Run everything once: hospitals, ledger, training, two incidents, audit and report."),
            ("report", "report", "Say where the report of a run or study is: one HTML file for any browser, offline."),
            ("portal", "portal", "Serve the pages of a run or a node, for the browser: a room for each role."),
            ("version", "about", "Print the version, for a report of a problem."),
            ("completion", "completion", "Print the lines that let a shell complete words at the Tab key."),
        )),
        *(LazyCommand(LEARNING, *named) for named in (
            ("data", "data", "Extract, de-identify, encrypt, catalogue and register your data."),
            ("consent", "consent", "What patients permit, and what that means for the use of a dataset."),
            ("cohort", "cohort", "What members have, and how many people fit: one sum over hospitals, with noise."),
            ("request", "request", "Ask for data, decide on what is asked, and see what is due."),
            ("share", "share", "Records that travel between hospitals under a permit, and their end."),
            ("policy", "policy", "What may be asked of a dataset: answer questions, try it, read it in plain words."),
            ("study", "study.decide", "How a study stands, who takes part, and what is to be done."),
            ("uses", "uses", "What a hospital's data were used for, on whose word, until when; for a patient too."),
            ("release", "release", "Let a study's result leave its hospitals, by their decisions; check what left."),
            ("model", "model", f"Models that studies made, and what they say. {RESEARCH_ONLY}"),
        )),
        *(LazyCommand(AUDITORS, *named) for named in (
            ("audit", "audit", "Verify a ledger offline; trace what made a model and who used a dataset."),
            ("ledger", "ledger", "Blocks, transactions and proofs that one is in the ledger."),
            ("network", "network", "A network of hospitals: found it, join it, look at it."),
            ("people", "staff", "Who acts for this hospital, with which keys, in which roles."),
            ("incident", "incident", "What went wrong at a member: told to all, followed until it is over."),
            ("sign", "sign", "Read, sign elsewhere, and send what a command prepared."),
            ("node", "node", "One hospital's node: make it, run it, look at it."),
            ("doctor", "doctor", "Look at a hospital's machine, say what is wrong with it and what mends it."),
        )),
    )  # fmt: skip


app = typer.Typer(
    name="hmchain",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=f"{RESEARCH_ONLY} Every command takes --json. Whoever acts for a hospital does so at its node: the folder "
    "node here, or in HMCHAIN_NODE, or of --dir; `model`, `audit`, `ledger` and `report` look at the latest run else.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        about.version()
        raise typer.Exit


@app.callback()
def hmchain(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hospitals learn together without giving away a patient's data: a healthcare blockchain and a federated CNN."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status; whatever goes wrong is told in a line or two."""
    command.forget()  # what others left who called a command without this
    try:
        return _told(arguments)
    finally:
        command.forget()


def _told(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    output.tame_terminal()
    try:
        with passphrase_taken():
            status = asked_for(partial(_run, arguments))
        if status != failures.INTERRUPTED:
            return status if isinstance(status, int) else 0
        failure = failures.interrupted(arguments, command.began())
    except KeyboardInterrupt:
        failure = failures.interrupted(arguments, command.began())
    except typer.Abort:  # the answer to a question was no, or Ctrl-C: nothing is changed before a yes
        failure = failures.interrupted(arguments, None)
    except Exception as error:
        failure = failures.explain(error)
        if failures.debugging() and failure.code == "unexpected":
            raise
    failure.show(as_json=as_json)
    return failure.exit_code


def _complete() -> None:
    """Print what may follow, for the shell that asks; leaves with `SystemExit`."""
    get_completion_inspect_parameters()  # this registers the shells
    typer.main.get_command(app).main([], prog_name=NAME, complete_var=ASKED)


@cache
def _commands(of: typer.Typer) -> Any:
    return typer.main.get_command(of)


def _run(arguments: list[str]) -> object:
    return _commands(app).main(arguments, prog_name=program(), standalone_mode=False)


def run() -> None:
    """Entry point of the command `hmchain`."""
    leave_no_core_dump()
    streams.prepare()
    if ASKED in os.environ:
        with suppress(Exception):  # whoever presses Tab wants no message
            _complete()
        return
    status = 0
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever read us has read enough (Rich and Typer leave with SystemExit then); what is left has nowhere to go.
        streams.drop_output()
        status = failures.READER_GONE
    except OSError as error:  # no room for what was printed last
        streams.drop_output()
        failure = failures.explain(error)
        if status != failure.exit_code:  # else it was told when it was first met
            failure.show(as_json=False)
        status = failure.exit_code
    sys.exit(status)
