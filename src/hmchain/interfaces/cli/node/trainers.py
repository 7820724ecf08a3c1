"""`hmchain node trainers`: code of others that this hospital's agent may run."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.governance import trainers as service
from hmchain.application.governance.trainers import TrainerView
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example

app = typer.Typer()

RIGHTS = "Such code runs with all rights of the agent: it can read what the agent can read, and nothing confines it."
ABSENCE = (
    "No agent can tell how alike its updates are: a hospital that misses rounds of its studies tells the others of its "
    "records, more with each round that it misses. Stay in such a study from beginning to end, or out."
)


@app.command(cls=WriteCommand, epilog=example("hmchain node trainers logistic.py:Logistic"))
def trainers(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py:CLASS", help="A trainer, or MODULE:CLASS; without it, those accepted."),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Write its digest into node.toml: the agent may run it from its next start."),
    ] = False,
    yes: YesOption = False,
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Show the digest of somebody's own trainer, and accept it; or show all that this hospital accepts.

    Nothing of the code is run here. A study pins such a digest, and an agent imports no other code.
    """
    folder = NodeFolder(directory)
    if source is None:
        output.show(service.views(folder), _show_all)
        return
    found = service.view(folder, source)
    if accept and not found.accepted:
        confirm("Have you read this code, and may it run here?", yes=yes, about=lambda: _show(found))
        found = service.accept(folder, found)
    output.show(found, _show)


def _show(found: TrainerView) -> None:
    output.fields((
        ("trainer", found.source),
        ("digest", found.digest.hex()),
        ("made of", _files(found)),
        ("accepted", _said(found)),
    ))  # fmt: skip
    output.say(ABSENCE)
    if found.accepted:
        output.say("The agent runs it, from its next start, in studies that pin this digest and your steward approves.")
    else:
        output.say(RIGHTS)
        output.say(f"Read it first, then: `hmchain node trainers {found.source} --accept`")


def _files(found: TrainerView) -> str:
    many = f"{len(found.files)} files of the package" if len(found.files) > 1 else "the file's bytes"
    return f"the class's name and {many}"


def _said(found: TrainerView) -> str:
    if found.accepted:
        return "yes"
    return f"no, {found.instead.hex()} was" if found.instead else "no"


def _show_all(found: tuple[TrainerView, ...]) -> None:
    if not found:
        output.say("This hospital accepts no trainer but the CNN that is built in.")
        return
    rows = ((each.source, (each.instead or each.digest).hex(), _standing(each)) for each in found)
    output.table(("trainer", "accepted digest", "what lies there"), rows)


def _standing(each: TrainerView) -> str:
    return "the same" if each.accepted else each.trouble or f"ANOTHER: {each.digest.hex()}"
