"""`hmchain data`: from the hospital's systems to records and clean files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import deidentification, extraction
from hmchain.application.data.listing import listing
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand, ResumedCommand, WriteCommand
from hmchain.interfaces.cli.data import show_extraction as views
from hmchain.interfaces.cli.data.sources import (
    CredentialOption,
    InsecureOption,
    KindOption,
    LabelsOption,
    ListOption,
    PatientsOption,
    ProfileOption,
    SchemaOption,
    SourceArgument,
    WorkersOption,
    changing,
    reading,
    requested,
)
from hmchain.interfaces.cli.options import (
    CREDENTIALS_HELP,
    DEFAULT_FOLDER,
    PROJECT_HELP,
    TITLE_HELP,
    HospitalOption,
    IntoOption,
    LimitOption,
    example,
    new_passphrase,
)
from hmchain.processes import ended_by_signals
from hmchain.records.sources.open_source import OpenSource
from hmchain.records.sources.opening import open_source

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain data init --dir north"))
def init(
    directory: HospitalOption = DEFAULT_FOLDER,
    location: Annotated[
        str,
        typer.Option(
            "--records",
            metavar="PLACE",
            help="Where ciphertext goes: a directory, or s3://BUCKET/PREFIX of this hospital alone.",
            show_default="the folder",
        ),
    ] = "",
    credentials: Annotated[
        Path | None,
        typer.Option("--credentials", metavar="FILE", help=CREDENTIALS_HELP),
    ] = None,
) -> None:
    """Make the folder of a hospital that is in no network yet; a node's folder needs no such step.

    A passphrase seals the key files: it is asked for at a terminal, or comes with --passphrase-file.
    """
    given = new_passphrase()
    output.show(
        hospital.create(directory, given, location, credentials),
        lambda made: views.show_hospital(made, sealed=given is not None),
        json=lambda made: {"folder": made.path, "keys": made.keys, "sealed": given is not None},
    )


@app.command(cls=ResumedCommand, epilog=example("hmchain data extract /mnt/mri --into brain --title 'Brain MRI'"))
def extract(
    place: SourceArgument,
    into: IntoOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help=TITLE_HELP)] = None,
    profile: ProfileOption = None,
    project: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=PROJECT_HELP,
            show_default="the dataset",
        ),
    ] = None,
    kind: KindOption = None,
    schema: SchemaOption = "",
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    labels_from: LabelsOption = None,
    patients_from: PatientsOption = "",
    workers: WorkersOption = None,
    names: ListOption = None,
) -> None:
    """Extract, de-identify, encrypt and catalogue what a source holds. The same command goes on where it stopped."""
    wanted = requested(place, kind, schema, credential, insecure_http, labels_from, patients_from)
    with (
        changing(directory) as records,
        open_source(wanted) as source,
        listing(names) as told,
        output.progress_bar("extracting") as progress,
        _ended(source),
    ):
        found = extraction.extract_into(
            records, into, source, title=title, project=project, profile=profile, schema=wanted.schema,
            workers=_processes(workers), progress=progress, told=told,
        )  # fmt: skip
    output.show(found, lambda made: views.show_extracted(made, names), json=views.extracted)


@app.command(cls=ReadCommand, epilog=example("hmchain data inspect /mnt/mri"))
def inspect(
    place: SourceArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    profile: ProfileOption = None,
    kind: KindOption = None,
    schema: SchemaOption = "",
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    labels_from: LabelsOption = None,
    patients_from: PatientsOption = "",
    limit: LimitOption = 1000,
    names: ListOption = None,
) -> None:
    """Show what a source holds and what de-identification would do to it. Nothing is kept."""
    wanted = requested(place, kind, schema, credential, insecure_http, labels_from, patients_from)
    with open_source(wanted) as source, listing(names) as told, output.progress_bar("looking") as progress:
        found = deidentification.inspect(
            source, profile=profile, schema=wanted.schema, limit=limit, progress=progress, told=told
        )
    output.show(found, lambda made: views.show_inspected(made, names), json=views.inspected)


@app.command(cls=ResumedCommand, epilog=example("hmchain data deidentify /mnt/mri --project brain --output clean"))
def deidentify(
    place: SourceArgument,
    target: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder.")],
    project: Annotated[str, typer.Option(metavar="NAME", help=PROJECT_HELP)],
    directory: HospitalOption = DEFAULT_FOLDER,
    profile: ProfileOption = None,
    kind: KindOption = None,
    schema: SchemaOption = "",
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    labels_from: LabelsOption = None,
    patients_from: PatientsOption = "",
    workers: WorkersOption = None,
    names: ListOption = None,
) -> None:
    """Write clean files into a folder, with a report of what was done. Held items are left out and counted.

    If it is cut short, the same command goes on in the same folder.
    """
    wanted = requested(place, kind, schema, credential, insecure_http, labels_from, patients_from)
    with (
        reading(directory) as records,
        open_source(wanted) as source,
        listing(names, beside=target) as told,
        output.progress_bar("de-identifying") as progress,
    ):
        found = deidentification.deidentify(
            records, source, target, project, profile=profile, schema=wanted.schema,
            workers=_processes(workers), progress=progress, told=told,
        )  # fmt: skip
    output.show(found, lambda made: views.show_clean_files(made, target, names), json=views.inspected)


def _processes(wanted: int | None) -> int:
    return wanted or os.cpu_count() or 1


@contextmanager
def _ended(source: OpenSource) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a source that has no end of its own, so that what arrived is kept."""
    if source.stop is None:
        yield
        return
    with ended_by_signals(source.stop):
        output.say(f"{source.described}; Ctrl-C ends it. {source.warning}".rstrip(), stderr=True)
        yield
