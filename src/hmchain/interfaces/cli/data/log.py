"""`hmchain data log`: what was done with the hospital's data, by whom and when, and what left it."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.data import activity
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.data import show_log as views
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, SinceOption, example, milliseconds

app = typer.Typer()


@app.command("log", cls=ReadCommand, epilog=example("hmchain data log --left"))
def show_log(
    directory: HospitalOption = DEFAULT_FOLDER,
    since: SinceOption = None,
    what: Annotated[
        list[str] | None, typer.Option("--what", metavar="WORD", help="Only this: extract, export, update, ...")
    ] = None,
    left: Annotated[bool, typer.Option("--left", help="Only what left the hospital, or its vault.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every line as CSV, for a spreadsheet.")] = False,
) -> None:
    """Say what was done with the hospital's data, by whom and when, and what left the hospital.

    Kept in its folder, and nowhere else: no identifier of a patient, no name of a file.
    """
    place = hospital.locate(directory)
    found = activity.report(place, since_ms=milliseconds(since), what=what or (), left=left)
    output.show(found, views.write_csv if as_csv else views.show_activities)
