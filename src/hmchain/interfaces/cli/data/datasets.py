"""`hmchain data list`, `show`, `card` and `export`: look at datasets, and write them out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import datasets, registration
from hmchain.application.data import export as exports
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand, ResumedCommand, WriteCommand
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
_FORM_HELP = (
    "Records (files), DICOM with a DICOMDIR (dicomdir), MR as NIfTI (bids), FHIR in bulk (ndjson), OMOP (omop)."
)

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


@app.command(cls=WriteCommand, epilog=example("hmchain data card brain"))
def card(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
) -> None:
    """Look at all records of a version and write its dataset card: a page and a JSON file, for the hospital's eyes."""
    with reading(directory) as records, output.progress_bar("assessing records") as progress:
        made = registration.write_card(records, dataset, number, progress)
    output.show(made, views.show_card)


@app.command(cls=ResumedCommand, epilog=example("hmchain data export brain --output brain-files"))
def export(
    dataset: DatasetArgument,
    target: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    form: Annotated[exports.Form, typer.Option("--as", metavar="FORM", help=_FORM_HELP)] = "files",
) -> None:
    """Write the records of a version, de-identified but decrypted, into a folder, with an index.

    If it is cut short, the same command goes on in the same folder.
    """
    with reading(directory) as records, output.progress_bar("writing records") as progress:
        written = exports.export(records, records.catalogue.version(dataset, number), target, progress, form)
    output.show(written, views.show_exported)
