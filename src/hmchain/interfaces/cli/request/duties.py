"""`hmchain request fulfil|confirm|contest|waive`: what is owed for the use of data, until it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.requests import duties
from hmchain.application.governance.requests.documents import file_document
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption
from hmchain.interfaces.cli.asking import confirm as ask
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, PersonOption, example
from hmchain.interfaces.cli.request import acting
from hmchain.interfaces.cli.request.acting import LetterOption, OneDataset, RequestName

app = typer.Typer()

DutyArgument = Annotated[str, typer.Argument(metavar="DUTY", help="delete, publish, report or return.")]


@app.command(cls=PersonCommand, epilog=example("hmchain request fulfil relapse publish paper.pdf"))
def fulfil(
    request: RequestName,
    duty: DutyArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What shows it: a PDF, a text, a PNG or JPEG.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Applicant or member: show the hospitals to which it is owed that a duty was done. They confirm it, or not."""
    evidence = file_document(file)
    with acting.of_request(node, request, yes=yes) as who:
        done = duties.fulfil(who.user, who.papers, request, duty, evidence)
    output.tell(done, f"{duty} is shown. Hospitals confirm it with: `hmchain request confirm {request} {duty}`")


@app.command(cls=PersonCommand, epilog=example("hmchain request confirm relapse publish"))
def confirm(
    request: RequestName,
    duty: DutyArgument,
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: what was shown does; nothing of it is owed any more."""
    with acting.steward(node, yes=yes) as who:
        ask(f"Say for good that {duty} was done?", yes=yes)
        done = duties.confirm(who.user, request, duty, of)
    output.tell(done, f"{duty} of {request} is done.")


@app.command(cls=PersonCommand, epilog=example("hmchain request contest relapse publish"))
def contest(
    request: RequestName,
    duty: DutyArgument,
    letter: LetterOption = "",
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: what was shown does not do; it is owed as before. A letter says why."""
    text = acting.written(letter)
    with acting.steward(node, yes=yes) as who:
        done = duties.contest(who.user, who.papers, request, duty, text, of)
    output.tell(done, f"{duty} of {request} is owed as before.")


@app.command(cls=PersonCommand, epilog=example("hmchain request waive relapse publish"))
def waive(
    request: RequestName,
    duty: DutyArgument,
    of: OneDataset = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: it is not asked for any more."""
    with acting.steward(node, yes=yes) as who:
        ask(f"Ask for {duty} no more, for good?", yes=yes)
        done = duties.waive(who.user, request, duty, of)
    output.tell(done, f"{duty} of {request} is not asked for any more.")
