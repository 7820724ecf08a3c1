"""The command `hmchain`: its groups, and how every command ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hmchain.interfaces.cli import about, audit, command, demo, failures, ledger, model, node, report
from hmchain.interfaces.cli.data import extract
from hmchain.interfaces.cli.network import members
from hmchain.interfaces.cli.options import passphrase_taken
from hmchain.interfaces.cli.study import decide
from hmchain.processes import leave_no_core_dump

START, LEARNING, AUDITORS = "Start here", "Stewards and scientists", "Auditors and operators"

app = typer.Typer(
    name="hmchain",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Every command takes --json, and works on the latest run unless --dir or HMCHAIN_RUN names another. "
    "Research use only, not a medical device.",
)
app.command("demo", rich_help_panel=START, epilog=demo.EXAMPLE)(demo.demo)
app.command("report", rich_help_panel=START, epilog=report.EXAMPLE)(report.report)
app.command("version", rich_help_panel=START, epilog=about.EXAMPLE)(about.version)
app.add_typer(extract.app, name="data", rich_help_panel=LEARNING)
app.add_typer(decide.app, name="study", rich_help_panel=LEARNING)
app.add_typer(model.app, name="model", rich_help_panel=LEARNING)
app.add_typer(audit.app, name="audit", rich_help_panel=AUDITORS)
app.add_typer(ledger.app, name="ledger", rich_help_panel=AUDITORS)
app.add_typer(members.app, name="network", rich_help_panel=AUDITORS)
app.add_typer(node.app, name="node", rich_help_panel=AUDITORS)


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
    as_json = "--json" in arguments
    command.forget()
    try:
        with passphrase_taken():
            status = typer.main.get_command(app).main(arguments, prog_name="hmchain", standalone_mode=False)
        if status != failures.INTERRUPTED:
            return status if isinstance(status, int) else 0
        failure = failures.interrupted(arguments)
    except KeyboardInterrupt:
        failure = failures.interrupted(arguments)
    except typer.Abort:  # the answer to a question was no, or Ctrl-C
        failure = failures.interrupted(arguments, asking=True)
    except Exception as error:
        failure = failures.explain(error)
        if failures.debugging() and failure.code == "unexpected":
            raise
    failure.show(as_json=as_json)
    return failure.exit_code


def run() -> None:
    """Entry point of the command `hmchain`."""
    leave_no_core_dump()
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever read us has read enough (Rich and Typer leave with SystemExit then); what is left has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = failures.READER_GONE
    sys.exit(status)
