"""Options that say what a source is, and the hospital's records that they go with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from hmchain.application.site import hospital
from hmchain.application.site.hospital import Records
from hmchain.interfaces.cli.options import passphrase
from hmchain.records.sources.request import SourceRequest, read_request

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder, a file, an address such as dicomweb+https://... or dimse://TITLE@HOST:PORT, or a .toml file "
        "that describes a source.",
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option("--as", metavar="KIND", help="What it holds: dicom, image, arrays, fhir, hl7 or table."),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Rules of de-identification: a shipped profile, or a .toml file.", show_default="basic"
    ),
]
SchemaOption = Annotated[
    str, typer.Option("--schema", metavar="FILE", help="Of tables: what their columns are. A .toml file, or omop.")
]
CredentialOption = Annotated[
    str, typer.Option("--credential", metavar="PLACE", help="Where the credential is: env:NAME or file:PATH.")
]
InsecureOption = Annotated[
    bool,
    typer.Option("--insecure-http", help="Of DICOMweb and FHIR: take patient data unencrypted from another machine."),
]
LabelsOption = Annotated[
    Literal["folders"] | None,
    typer.Option(
        "--labels-from",
        help="Of pictures: the folders are their classes.",
        show_default="no labels",
    ),
]
PatientsOption = Annotated[
    str,
    typer.Option(
        "--patients-from",
        metavar="folders|FILE",
        help="Of pictures: each folder is a patient's, or a CSV file with the columns file,patient.",
        show_default="each file is a patient of its own",
    ),
]
ListOption = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="A CSV file to write what became of every file into, by name. Names may tell who a patient is.",
        show_default="no list",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Processes that share the work.", show_default="all cores"),
]


def requested(
    place: str,
    kind: str | None = None,
    schema: str = "",
    credential: str = "",
    insecure_http: bool = False,
    labels_from: Literal["folders"] | None = None,
    patients_from: str = "",
) -> SourceRequest:
    """The request of a source file, or of a destination's, and the command line over it."""
    given = {
        "kind": kind,
        "schema": schema,
        "credential": credential,
        "insecure_http": insecure_http,
        "labels_from": labels_from,
        "patients_from": patients_from,
    }
    return msgspec.structs.replace(read_request(place), **{name: value for name, value in given.items() if value})


def reading(directory: Path) -> AbstractContextManager[Records]:
    """The records of the hospital in a folder, to look at."""
    return hospital.read_records(hospital.locate(directory), passphrase())


def changing(directory: Path) -> AbstractContextManager[Records]:
    """The records of the hospital in a folder, for this command alone."""
    return hospital.open_records(hospital.locate(directory), passphrase())


def noting(directory: Path) -> AbstractContextManager[Records]:
    """The records of the hospital in a folder, to write down what patients say: that waits for no other command."""
    return reading(directory)
