"""`hmchain data`: a steward's commands, from the hospital's systems to datasets on the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data import datasets, quarantine, vault
from hmchain.interfaces.cli.data import show as data_view
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    AsJson,
    DatasetArgument,
    HospitalOption,
    VersionOption,
    example,
    passphrase,
)

if TYPE_CHECKING:
    from hmchain.records.sources.open_source import OpenSource
    from hmchain.records.sources.request import SourceRequest

app = typer.Typer(no_args_is_help=True)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(vault.app, name="vault")

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
ProjectOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Pseudonyms are the same within a project, and unlinkable between projects.",
        show_default="the dataset",
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
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", min=0, help="Processes that share the work.", show_default="all cores")
]


@app.command(epilog=example("hmchain data init --dir north"))
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
        typer.Option("--credentials", metavar="FILE", help="Of an S3 server, mode 0600; else AWS_ variables."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder of a hospital that is in no network yet; a node's folder needs no such step.

    The environment variable HMCHAIN_PASSPHRASE, if it is set, protects the key files.
    """
    from hmchain.application.site import hospital

    place = hospital.create(directory, passphrase(), location, credentials)
    if as_json:
        output.emit({"folder": place.path, "keys": place.keys})
        return
    output.say(f"{place.path} is ready. Its keys are in {place.keys}: without them nobody can read the records.")


@app.command(epilog=example("hmchain data extract /mnt/mri --into brain --title 'Brain MRI'"))
def extract(
    place: SourceArgument,
    into: Annotated[str, typer.Option("--into", metavar="DATASET", help="The dataset to fill; made if it is new.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What people call a new dataset.")] = None,
    profile: ProfileOption = None,
    project: ProjectOption = None,
    kind: KindOption = None,
    schema: SchemaOption = "",
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    labels_from: LabelsOption = None,
    patients_from: PatientsOption = "",
    workers: WorkersOption = 0,
    as_json: AsJson = False,
) -> None:
    """Extract, de-identify, encrypt and catalogue what a source holds. The same command goes on where it stopped."""
    from hmchain.application.data import extraction
    from hmchain.application.site import hospital
    from hmchain.records.sources.opening import open_source

    wanted = _asked(
        place,
        kind=kind,
        schema=schema,
        credential=credential,
        insecure_http=insecure_http,
        labels_from=labels_from,
        patients_from=patients_from,
    )
    with hospital.open_records(hospital.locate(directory), passphrase()) as records, open_source(wanted) as opened:
        dataset = extraction.begin(records, into, title=title, project=project, profile=profile, schema=wanted.schema)
        with output.progress_bar("extracting") as progress, _ended_by_signals(opened):
            version, tally = extraction.extract(
                records, dataset, opened, workers=workers or os.cpu_count() or 1, progress=progress
            )
    data_view.show_tally(version, tally, opened, as_json=as_json)


@app.command(epilog=example("hmchain data inspect /mnt/mri"))
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
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Items to look at.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show what a source holds and what de-identification would do to it. Nothing is kept."""
    from hmchain.application.data import trial
    from hmchain.records.sources.opening import open_source

    wanted = _asked(
        place,
        kind=kind,
        schema=schema,
        credential=credential,
        insecure_http=insecure_http,
        labels_from=labels_from,
        patients_from=patients_from,
    )
    with open_source(wanted) as opened, output.progress_bar("looking") as progress:
        found = trial.run(
            opened.filled(), trial.passing_rules(opened.kind, profile, wanted.schema), limit=limit, progress=progress
        )
    data_view.show_trial(found, opened, as_json=as_json)


@app.command(epilog=example("hmchain data deidentify /mnt/mri --project brain --output clean"))
def deidentify(
    place: SourceArgument,
    target: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder.")],
    project: Annotated[
        str, typer.Option(metavar="NAME", help="Pseudonyms are the same within a project, and unlinkable between.")
    ],
    directory: HospitalOption = DEFAULT_FOLDER,
    profile: ProfileOption = None,
    kind: KindOption = None,
    schema: SchemaOption = "",
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    labels_from: LabelsOption = None,
    patients_from: PatientsOption = "",
    workers: WorkersOption = 0,
    as_json: AsJson = False,
) -> None:
    """Write clean files into a folder, with a report of what was done. Held items are left out and counted.

    If it is cut short, the same command goes on in the same folder.
    """
    from hmchain.application.data import provenance, trial
    from hmchain.application.site import hospital
    from hmchain.records.deidentification.report import profile_digest
    from hmchain.records.sources.opening import open_source

    wanted = _asked(
        place,
        kind=kind,
        schema=schema,
        credential=credential,
        insecure_http=insecure_http,
        labels_from=labels_from,
        patients_from=patients_from,
    )
    with hospital.read_records(hospital.locate(directory), passphrase()) as records, open_source(wanted) as opened:
        rules = trial.project_rules(records, project, opened.kind, profile, wanted.schema)
        source, used = opened.filled(), trial.rules_of(profile)
        by = f"project {project}, profile {used.name} {profile_digest(used)[:12]}"
        with (
            trial.clean_files(target, by, opened.described) as take,
            output.progress_bar("de-identifying") as progress,
        ):
            found = trial.run(
                source, rules, workers=workers or os.cpu_count() or 1,
                left_out=records.catalogue.left_out(project), take=take, progress=progress,
            )  # fmt: skip
            trial.write_report(found, target)
            provenance.write_of_trial(found, target, used, project, records.folder)
    data_view.show_trial(found, opened, as_json=as_json)
    if not as_json:
        output.say(f"Clean files, {trial.REPORT} and {trial.PROVENANCE} are in {target}. They are not encrypted there.")


@app.command(epilog=example("hmchain data label brain labels.csv"))
def label(
    dataset: DatasetArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns patient,label or object,label.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Label records from a table: by the hospital's patient identifier, or by SOP Instance UID (object)."""
    from hmchain.application.data import labels
    from hmchain.application.site import hospital

    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        found = labels.apply(records, records.catalogue.version(dataset, number), file)
    if as_json:
        output.emit(found)
        return
    output.fields((
        ("labels", output.listed(f"{name} {count}" for name, count in found.labels.items())),
        ("without a label", found.unlabelled),
        ("lines of no record", found.unknown),
    ))  # fmt: skip


@app.command(epilog=example("hmchain data prepare brain --into brain-64 --size 64"))
def prepare(
    dataset: DatasetArgument,
    into: Annotated[str, typer.Option("--into", metavar="DATASET", help="The dataset of images to make.")],
    size: Annotated[int, typer.Option(metavar="PIXELS", min=8, max=1024, help="Side of the square images.")] = 64,
    channels: Annotated[int, typer.Option(metavar="N", min=1, max=3, help="1 for grey, 3 for colour.")] = 1,
    classes: Annotated[
        str, typer.Option(metavar="A,B,...", help="Labels in the order that all hospitals use.", show_default="sorted")
    ] = "",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the split into training and validation.")] = 0,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Make images for a federated CNN of a dataset's DICOM objects or pictures, all of one size."""
    from hmchain.application.data import preparation
    from hmchain.application.site import hospital

    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        version = records.catalogue.version(dataset, number)
        with output.progress_bar("preparing images") as progress:
            made = preparation.prepare(
                records, version, into, size=size, channels=channels, classes=names, seed=seed, progress=progress
            )
    if as_json:
        output.emit(made)
        return
    output.fields((
        ("dataset", f"{into}, version {made.version.number}"),
        ("images", f"{made.images} of {size} x {size}: {made.train} to train with, {made.validation} to validate"),
        ("classes", output.listed(made.form.classes)),
        ("kept together", f"{made.groups} groups of one patient's images or near-duplicates"),
        ("left out", output.listed(f"{count} ({reason})" for reason, count in made.left_out.items())),
    ))  # fmt: skip
    output.say(
        f"Next: hmchain data register {into}. It puts the modality, the size and the classes' names on the ledger."
    )


@app.command(epilog=example("hmchain data selftest"))
def selftest(as_json: AsJson = False) -> None:
    """De-identify made-up records full of planted identifiers; exit status 3 if a single one comes out."""
    from hmchain.records.deidentification.canary import gate

    found = gate.selftest()
    data_view.show_selftest(found, as_json=as_json)
    if not found.passed:
        raise typer.Exit(3)


app.registered_commands += (
    datasets.app.registered_commands
)  # after those that make them, in the order of a steward's work


def _asked(place: str, **given: str | bool | None) -> SourceRequest:
    """What a source file says, and the command line over it."""
    import msgspec

    from hmchain.records.sources.request import read_request

    return msgspec.structs.replace(read_request(place), **{name: value for name, value in given.items() if value})


@contextmanager
def _ended_by_signals(opened: OpenSource) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a source that has no end of its own, so that what arrived is kept."""
    if opened.stop is None:
        yield
        return
    import signal

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = opened.stop
    for number in before:
        signal.signal(number, lambda _number, _frame: stop())
    output.say(f"{opened.described}; Ctrl-C ends it. {opened.warning}".rstrip(), stderr=True)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
