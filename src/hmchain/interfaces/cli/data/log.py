"""`hmchain data log`: what was done with the hospital's data, by whom and when, and what left it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from hmchain.application.data import activity
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.data import show_log as views
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, example

app = typer.Typer()


@app.command("log", cls=ReadCommand, epilog=example("hmchain data log --left"))
def show_log(
    directory: HospitalOption = DEFAULT_FOLDER,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            metavar="TIME",
            formats=["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            help="From this time on (UTC).",
        ),
    ] = None,
    what: Annotated[
        list[str] | None, typer.Option("--what", metavar="WORD", help="Only this: extract, export, update, ...")
    ] = None,
    left: Annotated[bool, typer.Option("--left", help="Only what left the hospital, or its vault.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every line as CSV, for a spreadsheet.")] = False,
) -> None:
    """Say what was done with the hospital's data, by whom and when, and what left the hospital.

    Kept in its folder, and nowhere else: no identifier of a patient, no name of a file.
    """
    since_ms = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
    found = activity.report(hospital.locate(directory), since_ms=since_ms, what=what or (), left=left)
    output.show(found, views.write_csv if as_csv else views.show_activities)
