"""`hmchain report`: where the report of a run is, or the page drawn anew."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.node import folder_audit
from hmchain.application.node.reading import open_ledger
from hmchain.interfaces import report as page
from hmchain.interfaces.cli import output, runs
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import RunOption, example
from hmchain.interfaces.report.reader import claims

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain report runs/br35h-7 --render"))
def report(
    run: RunOption = None,
    render: Annotated[bool, typer.Option("--render", help="Draw the page anew from summary.json.")] = False,
) -> None:
    """Say where the report of a run is: one HTML file for any browser, offline.

    Draws it from the run's summary if it is missing. What the summary says of the ledger is compared with it first; its
    scores stand on no ledger.
    """
    place = runs.find(run)
    drawn = render or not place.report.is_file()
    summary = place.require(place.summary).read_bytes()
    with open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        folder_audit.require_founded(claims(summary), place.summary, ledger.genesis, ledger.verified.state)
    if drawn:
        place.report.write_text(page.render(page.from_json(summary)), encoding="utf-8")
    path = place.report.resolve()
    output.show({"report": path, "rendered": drawn}, lambda found: output.say(str(path)))
