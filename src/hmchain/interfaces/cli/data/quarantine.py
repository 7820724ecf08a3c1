"""`hmchain data quarantine`: a person decides about what no program may decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import quarantine
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data import show_decisions as views
from hmchain.interfaces.cli.data.sources import changing, reading
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, example

app = typer.Typer(
    no_args_is_help=True, help="Items that were held back: look at them, let them through or reject them."
)

ItemArgument = Annotated[str, typer.Argument(metavar="ITEM", help="The first letters of the item's id.")]
ReviewerOption = Annotated[
    str, typer.Option("--reviewer", envvar="USER", metavar="NAME", help="Who decides; it is written down.")
]


@app.command("list", cls=ReadCommand, epilog=example("hmchain data quarantine list"))
def list_items(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="Only of this dataset.")] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    names: Annotated[
        bool, typer.Option("--names", help="Also show what the source calls them: such names may tell who it is.")
    ] = False,
    decided: Annotated[bool, typer.Option("--decided", help="Also those that somebody decided about.")] = False,
) -> None:
    """List the items that wait, and why they were held."""
    with reading(directory) as records:
        found = quarantine.waiting(records, dataset, decided=decided, names=names)
    output.show(found, lambda items: views.show_waiting(items, names=names), json=views.waiting)


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine look 3f2a --output held.dcm"))
def look(
    item: ItemArgument,
    target: Annotated[Path, typer.Option("--output", metavar="FILE", help="A new file, which only you can read.")],
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Write an item as it came into a file, to be looked at. It shows a patient: delete it afterwards."""
    with reading(directory) as records:
        held = quarantine.look(records, item, target)
    output.show(
        held,
        lambda one: output.say(f"{target} is the item as it came ({one.kind}). Delete it when you have looked at it."),
        json=lambda one: {"item": one.item, "file": target},
    )


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine release 3f2a --reviewer 'M. Curie'"))
def release(
    item: ItemArgument,
    reviewer: ReviewerOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of two with one identifier take this one; to keep the other, reject this."),
    ] = False,
) -> None:
    """Let an item through, after you looked at it and found nothing that tells who it is."""
    with changing(directory) as records:
        found = quarantine.release(records, item, reviewer, replacing=replace)
    output.show(found, views.show_released, json=views.released)


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine reject 3f2a --reviewer 'M. Curie'"))
def reject(
    item: ItemArgument,
    reviewer: ReviewerOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Keep an item out for good; asks first. Its copy here is erased; at its source it stays."""
    with reading(directory) as records:
        held = quarantine.to_reject(records, item, reviewer)
    confirm(
        "Keep this out for good, and erase its copy here?",
        yes=yes,
        about=lambda: views.show_waiting([quarantine.QuarantineEntry(held)], names=False),
    )
    with changing(directory) as records:
        quarantine.reject(records, held.item.hex(), reviewer)
    output.show(
        held,
        lambda one: output.say(f"It stays out of dataset {one.dataset}, and its copy here is erased."),
        json=lambda one: {"item": one.item, "rejected": True},
    )
