"""`hmchain data quarantine`: a person decides about what no program may decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, AsJson, HospitalOption, example, passphrase
from hmchain.plain import plain

app = typer.Typer(
    no_args_is_help=True, help="Items that were held back: look at them, let them through or reject them."
)

ItemArgument = Annotated[str, typer.Argument(metavar="ITEM", help="The first letters of the item's id.")]
ReviewerOption = Annotated[
    str, typer.Option("--reviewer", envvar="USER", metavar="NAME", help="Who decides; it is written down.")
]


@app.command("list", epilog=example("hmchain data quarantine list"))
def list_items(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="Only of this dataset.")] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    names: Annotated[
        bool, typer.Option("--names", help="Also show what the source calls them: such names may tell who it is.")
    ] = False,
    decided: Annotated[bool, typer.Option("--decided", help="Also those that somebody decided about.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the items that wait, and why they were held."""
    from hmchain.application.site import hospital
    from hmchain.records.catalogue.entries import PENDING
    from hmchain.records.pipeline import review

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        held = [item for item in records.catalogue.quarantine.items(dataset) if decided or item.state == PENDING]
        shown = {
            item.item: review.original_name(records.vault, item) for item in held if names and item.state == PENDING
        }
    if as_json:
        output.emit([{**plain(item), **({"name": shown[item.item]} if item.item in shown else {})}
                     for item in held])  # fmt: skip
    elif held:
        output.table(
            ("item", "dataset", "version#", "kind", "why", "may pass", "decision", *(["name"] if names else [])),
            ((output.short(item.item), item.dataset, item.version, item.kind, f"{item.reason} [{item.code}]",
              "if a reviewer says so" if item.releasable else "no: mend it at its source",
              item.state if item.state == PENDING else f"{item.state} by {item.reviewer}",
              *([shown.get(item.item, "-")] if names else [])) for item in held),
        )  # fmt: skip
    else:
        output.say("Nothing waits.")


@app.command(epilog=example("hmchain data quarantine look 3f2a --output held.dcm"))
def look(
    item: ItemArgument,
    target: Annotated[Path, typer.Option("--output", metavar="FILE", help="A new file, which only you can read.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Write an item as it came into a file, to be looked at. It shows a patient: delete it afterwards."""
    from hmchain.application.data import extraction
    from hmchain.application.site import hospital

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        held = extraction.look(records, item, target)
    if as_json:
        output.emit({"item": held.item, "file": target})
    else:
        output.say(f"{target} is the item as it came ({held.kind}). Delete it when you have looked at it.")


@app.command(epilog=example("hmchain data quarantine release 3f2a --reviewer 'M. Curie'"))
def release(
    item: ItemArgument,
    reviewer: ReviewerOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of two with one identifier take this one; to keep the other, reject this."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let an item through, after you looked at it and found nothing that tells who it is."""
    from hmchain.application.data import extraction
    from hmchain.application.site import hospital

    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        held, tally = extraction.release(records, item, reviewer, replacing=replace)
    if as_json:
        output.emit(
            {"item": held.item, "released": tally.held == 0, "records": tally.records, "updated": tally.updated}
        )
    elif tally.held:
        output.say("It is still held, now for another reason: hmchain data quarantine list")
    else:
        count = tally.records + tally.updated
        output.say(f"It is in dataset {held.dataset} now, as {count} record(s), de-identified like the others.")


@app.command(epilog=example("hmchain data quarantine reject 3f2a --reviewer 'M. Curie'"))
def reject(
    item: ItemArgument,
    reviewer: ReviewerOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Keep an item out for good. Its copy here is erased; at its source it stays."""
    from hmchain.application.data import extraction
    from hmchain.application.site import hospital

    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        held = extraction.reject(records, item, reviewer)
    if as_json:
        output.emit({"item": held.item, "rejected": True})
    else:
        output.say(f"It stays out of dataset {held.dataset}, and its copy here is erased.")
