"""`hmchain data label` and `prepare`: from records to images that a study learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import labels, preparation, row_form
from hmchain.application.data import rows as row_service
from hmchain.errors import InputError
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.data import show_extraction as views
from hmchain.interfaces.cli.data.sources import changing
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    SEED_HELP,
    DatasetArgument,
    HospitalOption,
    IntoOption,
    VersionOption,
    example,
)

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain data label brain labels.csv"))
def label(
    dataset: DatasetArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns patient,label or object,label.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
) -> None:
    """Label records from a table: by the hospital's patient identifier, or by SOP Instance UID (object)."""
    with changing(directory) as records:
        found = labels.apply(records, records.catalogue.version(dataset, number), file)
    output.show(found, views.show_labelled)


@app.command(cls=WriteCommand, epilog=example("hmchain data prepare brain --into brain-64 --size 64"))
def prepare(
    dataset: DatasetArgument,
    into: IntoOption,
    size: Annotated[int, typer.Option(metavar="PIXELS", min=8, max=1024, help="Side of the square images.")] = 64,
    channels: Annotated[int, typer.Option(metavar="N", min=1, max=3, help="1 for grey, 3 for colour.")] = 1,
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Labels in the order that all hospitals use.", show_default="sorted"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help=SEED_HELP)] = 0,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="FILE", help="Make rows of tables or FHIR resources, as this TOML file says."),
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
) -> None:
    """Make images for a federated CNN of a dataset's DICOM objects or pictures, all of one size.

    With --rows: rows of numbers for a trainer of somebody's own, of tables or FHIR resources; size, channels and
    classes are then the file's business.
    """
    if rows is not None:
        form = row_form.load_row_form(rows)
        with changing(directory) as records, output.progress_bar("preparing rows") as progress:
            source = records.catalogue.version(dataset, number)
            made_rows = row_service.prepare_rows(records, source, into, form, seed=seed, progress=progress)
        output.show(made_rows, views.show_prepared_rows)
        return
    names = () if classes is None else _names(classes)
    with changing(directory) as records, output.progress_bar("preparing images") as progress:
        made = preparation.prepare(
            records, records.catalogue.version(dataset, number), into,
            size=size, channels=channels, classes=names, seed=seed, progress=progress,
        )  # fmt: skip
    output.show(made, views.show_prepared)


def _names(classes: str) -> tuple[str, ...]:
    """Labels that were given. Raises `InputError` if one is empty: a script's variable that nothing was put into."""
    names = tuple(name.strip() for name in classes.split(","))
    if not all(names):
        raise InputError("--classes has a name that is empty", "give all labels, or leave --classes out for all")
    return names
