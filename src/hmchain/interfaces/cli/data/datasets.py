"""`hmchain data list` and `show`: look at datasets. Nothing is imported that only writing needs."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.data import datasets
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.data import show_datasets as views
from hmchain.interfaces.cli.data.sources import reading
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    RECORD_HELP,
    DatasetArgument,
    HospitalOption,
    LimitOption,
    VersionOption,
    example,
)

RECORDS_SHOWN = 10

app = typer.Typer()


@app.command("list", cls=ReadCommand, epilog=example('hmchain data list --search "MR head"'))
def list_datasets(
    directory: HospitalOption = DEFAULT_FOLDER,
    search: Annotated[str, typer.Option(metavar="WORDS", help="Records whose entries have all these words.")] = "",
) -> None:
    """List datasets and their versions, or find records."""
    with reading(directory) as records:
        if search:
            output.show(datasets.search(records, search), views.show_hits)
        else:
            output.show(datasets.versions(records), views.show_versions, json=views.versions)


@app.command(cls=ReadCommand, epilog=example("hmchain data show brain"))
def show(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help=RECORD_HELP)] = None,
    limit: LimitOption = RECORDS_SHOWN,
) -> None:
    """Show what a version holds and what was done to it, or one record's entry; all of that with --wide."""
    with reading(directory) as records:
        if record is not None:
            output.show(datasets.entry(records, dataset, number, record), views.show_entry)
        else:
            output.show(datasets.describe(records, dataset, number, limit), views.show_version, json=views.description)
