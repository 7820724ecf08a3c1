"""`hmchain report`: where the report of a run is, or a node's page of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain import files
from hmchain.application.node import folder_audit
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.hospital import HospitalFolder, locate
from hmchain.errors import InputError
from hmchain.interfaces import report as page
from hmchain.interfaces.cli import hints, output, runs
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import RunOption, StudyOption, example
from hmchain.interfaces.cli.runs import Run
from hmchain.interfaces.report import at_node
from hmchain.interfaces.report.reader import claims
from hmchain.interfaces.report.summary import RunSummary

app = typer.Typer()


class PageThereError(InputError):
    """Something else stands where a page was to be written."""

    code = "page_there"


@app.command(cls=WriteCommand, epilog=example("hmchain report runs/br35h-7 --render"))
def report(
    run: RunOption = None,
    study: StudyOption = None,
    render: Annotated[bool, typer.Option("--render", help="Draw a run's page anew from summary.json.")] = False,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write the page here, into a new file.",
            show_default="in the folder; of a ledger alone STUDY.html here",
        ),
    ] = None,
) -> None:
    """Say where the report of a run or study is: one HTML file for any browser, offline.

    Of a run it is drawn from the run's summary if it is missing; what the summary says of the ledger is compared with
    it first. At a node it is drawn anew from the ledger and the hospital's own files: what this hospital may know. Of
    a ledger without its node, in a file too, it shows what the ledger tells everybody, and overwrites nothing.
    """
    with runs.opened(run) as place:
        if place.is_node:
            found = _at_node(place, study, target)
        elif place.is_run or place.summary.is_file() or place.settings.is_file():
            found = _of_run(place, render, target)
        else:
            found = _of_ledger(place, study, target)
    output.show(found, lambda shown: output.say(str(shown["report"])))


def _of_run(place: Run, render: bool, target: Path | None) -> dict[str, Any]:
    drawn = render or target is not None or not place.report.is_file()
    summary = place.require(place.summary).read_bytes()
    with open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        folder_audit.require_founded(claims(summary), place.summary, ledger.genesis, ledger.verified.state)
    text = page.render(page.from_json(summary)) if drawn else ""
    if target is not None:
        _write_new(target, text)
    elif drawn:
        place.report.write_text(text, encoding="utf-8")
    return {"report": (target or place.report).resolve(), "rendered": drawn}


def _at_node(place: Run, study: str | None, target: Path | None) -> dict[str, Any]:
    hospital = locate(place.path)
    name, summary = _summary(place, hospital, study)
    own = hospital.study(name).report
    if target is not None:
        _write_new(target, page.render(summary))
    else:
        files.make_folder(own.parent, mode=0o700)
        files.write_whole(own, page.render(summary).encode(), durable=False, mode=files.PRIVATE)
    return {"report": (target or own).resolve(), "rendered": True, "study": name, "summary": summary}


def _of_ledger(place: Run, study: str | None, target: Path | None) -> dict[str, Any]:
    """Nothing is written into the folder of the evidence, or beside it, unless that is where somebody sits."""
    name, summary = _summary(place, None, study)
    target = target or Path(f"{name}.html")
    _write_new(target, page.render(summary))
    return {"report": target.resolve(), "rendered": True, "study": name, "summary": summary}


def _write_new(target: Path, text: str) -> None:
    try:
        with files.replacing(target, durable=False, mode=files.PRIVATE, new=True) as partial:
            partial.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise PageThereError(f"{target} exists", "nothing is overwritten: name another file by --output") from error


def _summary(place: Run, hospital: HospitalFolder | None, study: str | None) -> tuple[str, RunSummary]:
    with (
        output.progress_bar("executing blocks") as progress,
        open_ledger(place.ledger, progress) as ledger,
    ):
        output.vouch(ledger.verified)
        name = ledger.study(study).name
        return name, at_node.summarise(hospital, place.ledger, ledger, name, hints.called)
