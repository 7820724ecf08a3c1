"""`hmchain report`: where the report of a run is, or a node's page of a study."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hmchain import files
from hmchain.application.node import folder_audit
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.hospital import locate
from hmchain.interfaces import report as page
from hmchain.interfaces.cli import hints, output, runs
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import RunOption, StudyOption, example
from hmchain.interfaces.cli.runs import Run
from hmchain.interfaces.report import at_node
from hmchain.interfaces.report.reader import claims

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain report runs/br35h-7 --render"))
def report(
    run: RunOption = None,
    study: StudyOption = None,
    render: Annotated[bool, typer.Option("--render", help="Draw a run's page anew from summary.json.")] = False,
) -> None:
    """Say where the report of a run or study is: one HTML file for any browser, offline.

    Of a run it is drawn from the run's summary if it is missing; what the summary says of the ledger is compared with
    it first. At a node it is drawn anew from the ledger and the hospital's own files: what this hospital may know.
    """
    place = runs.find(run)
    found = _of_study(place, study) if place.is_node else _of_run(place, render)
    output.show(found, lambda shown: output.say(str(shown["report"])))


def _of_run(place: Run, render: bool) -> dict[str, Any]:
    drawn = render or not place.report.is_file()
    summary = place.require(place.summary).read_bytes()
    with open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        folder_audit.require_founded(claims(summary), place.summary, ledger.genesis, ledger.verified.state)
    if drawn:
        place.report.write_text(page.render(page.from_json(summary)), encoding="utf-8")
    return {"report": place.report.resolve(), "rendered": drawn}


def _of_study(place: Run, study: str | None) -> dict[str, Any]:
    hospital = locate(place.path)
    with open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        name = ledger.study(study).name
        summary = at_node.summarise(hospital, place.ledger, ledger, name, hints.called)
    target = hospital.study(name).report
    files.make_folder(target.parent, mode=0o700)
    files.write_whole(target, page.render(summary).encode(), durable=False, mode=files.PRIVATE)
    return {"report": target.resolve(), "rendered": True, "study": name, "summary": summary}
