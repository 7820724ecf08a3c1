"""`hmchain doctor`: what is wrong with a hospital's machine, and what mends it."""

from __future__ import annotations

import typer

from hmchain.application.watching import doctor as examination
from hmchain.application.watching.findings import Examination, Verdict
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, example, passphrase

app = typer.Typer()
_STYLES = {Verdict.OK: None, Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


@app.command(cls=ReadCommand, epilog=example("hmchain doctor"))
def doctor(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Look at a hospital's machine, say what is wrong with it and what mends it.

    Installation, keys, clock, ports, network, engine, ledger, stores, disk, certificates, agent, log, backups. A small
    object is written into each store and deleted again; nothing else is changed. The exit status is that of the family
    of the first failure; warnings leave it 0.
    """
    found = examination.examine(directory, passphrase())
    output.show(found, _show)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _show(found: Examination) -> None:
    width = max(len(each.subject) for each in found.findings)
    for each in found.findings:
        line = f"{each.verdict.upper():<4}  {each.subject:<{width}}  {each.words}"
        output.say(line, style=_STYLES[each.verdict])
        if each.way_out:
            output.say(f"{'':<{width + 8}}{each.way_out}")
    failures, warnings = len(found.of(Verdict.FAIL)), len(found.of(Verdict.WARN))
    output.say()
    output.say(f"{len(found.findings)} looked at: {failures} failed, {warnings} to see to.")
