"""`hmchain data card` and `export`: write out what a version holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import export as exports
from hmchain.application.data import registration
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ResumedCommand, WriteCommand
from hmchain.interfaces.cli.data import show_written as views
from hmchain.interfaces.cli.data.sources import reading
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    DatasetArgument,
    HospitalOption,
    VersionOption,
    example,
)

_FORM_HELP = (
    "Records (files), DICOM with a DICOMDIR (dicomdir), MR as NIfTI (bids), FHIR in bulk (ndjson), OMOP (omop)."
)

app = typer.Typer()


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
