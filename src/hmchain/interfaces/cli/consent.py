"""`hmchain consent`: what the hospital's patients permit, and what that means for the use of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hmchain.application.data import consents
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli import show_consent as views
from hmchain.interfaces.cli.asking import YesOption, confirm, patient_number
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data.erase import PatientOption
from hmchain.interfaces.cli.data.sources import noting, reading
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    DatasetArgument,
    HospitalOption,
    IssuerOption,
    VersionOption,
    example,
)
from hmchain.records.consents.purposes import RESEARCH
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.consents.uses import Use, UseKind
from hmchain.records.deidentification.patients import Patient

app = typer.Typer(no_args_is_help=True, help="What patients permit, and what that means for the use of a dataset.")

OneConsentArgument = Annotated[
    str, typer.Argument(metavar="CONSENT", help="One alone, by the first letters of its id.")
]
ForgetOption = Annotated[bool, typer.Option("--forget", help="Forget the list: who is on no other may be used again.")]
ConsentArgument = Annotated[str, typer.Argument(metavar="CONSENT", help="The first letters of its id.")]
PurposesOption = Annotated[
    str, typer.Option("--purposes", metavar="CODES", help="Of HL7's ActReason, as HRESCH,BIORCH: what for.")
]


@app.command(cls=WriteCommand, epilog=example("hmchain consent add consents.ndjson"))
def add(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="FHIR R4 in JSON: a Consent, a bundle, or NDJSON.")
    ],
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Take in patients' consents: FHIR R4 resources of type Consent, new ones and what changed."""
    with noting(directory) as records:
        done = consents.add(records, files)
    output.show(done, views.show_added)


@app.command(cls=WriteCommand, epilog=example("hmchain consent withdraw --patient -"))
def withdraw(
    consent: OneConsentArgument = "",
    directory: HospitalOption = DEFAULT_FOLDER,
    patient: PatientOption = "-",
    issuer: IssuerOption = "",
    yes: YesOption = False,
) -> None:
    """Note that a patient withdraws consent: the records are in no use that begins from now on.

    A round that has begun goes on as it was bound; the next one is without them. A finished model does not forget.
    """
    who = Patient(patient_number(patient), issuer)
    question = "Note that the patient withdraws? It holds from the next use on, until the patient consents anew"
    confirm(question, yes=yes)
    with noting(directory) as records:
        done = consents.withdraw(records, who, consent)
    output.show(done, views.show_withdrawn)


@app.command("list", cls=ReadCommand, epilog=example("hmchain consent list --patient -"))
def list_consents(
    directory: HospitalOption = DEFAULT_FOLDER, patient: PatientOption = None, issuer: IssuerOption = ""
) -> None:
    """List the consents that the hospital keeps, of all patients or of one; nobody is named."""
    with reading(directory) as records:
        who = None if patient is None else Patient(patient_number(patient), issuer)
        found = consents.all_of(records) if who is None else consents.of_patient(records, who)
    output.show(found, views.show_list)


@app.command(cls=ReadCommand, epilog=example("hmchain consent show 3f9a"))
def show(consent: ConsentArgument, directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Show what a consent says, rule by rule, as it is decided on."""
    with reading(directory) as records:
        found = consents.one(records, consent)
    output.show(found, views.show_consent)


@app.command(cls=ReadCommand, epilog=example("hmchain consent check brain train"))
def check(
    dataset: DatasetArgument,
    use: Annotated[
        Literal["train", "count", "prepare", "register", "export", "transfer", "evidence"],
        typer.Argument(metavar="USE", help="train, count, prepare, register, export, transfer or evidence."),
    ] = "train",
    directory: HospitalOption = DEFAULT_FOLDER,
    version: VersionOption = None,
    purposes: PurposesOption = RESEARCH,
    recipient: Annotated[
        list[str] | None,
        typer.Option("--recipient", metavar="MEMBER", help="Who asks, or receives it; again for more."),
    ] = None,
) -> None:
    """Say how many records of a version a use may have, and why others may not be used; the numbers stay here."""
    asked = Use(UseKind(use), consents.codes(purposes), tuple(recipient or ()))
    with reading(directory) as records:
        found = consents.check(records, dataset, version, asked)
    output.show(found, views.show_check)


@app.command(cls=WriteCommand, epilog=example("hmchain consent basis brain consent --purposes HRESCH"))
def basis(
    dataset: DatasetArgument,
    goes_by: Annotated[
        Literal["opt-out", "consent"] | None,
        typer.Argument(
            metavar="BASIS",
            help="opt-out: all but who objects; consent: those alone who permit it. Without it, what holds is shown.",
        ),
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    purposes: PurposesOption = "",
    yes: YesOption = False,
) -> None:
    """Say, or show, by what a dataset is used where patients say nothing, and what it is kept for."""
    if goes_by is None:
        with reading(directory) as records:
            found = consents.basis(records, dataset)
        output.show(found, views.show_basis, json=views.basis)
        return
    said = DatasetBasis(Basis(goes_by), consents.codes(purposes))
    confirm(f"Let {dataset} go by {views.BASES[said.basis]} from the next use on?", yes=yes)
    with noting(directory) as records:
        consents.set_basis(records, dataset, said)
    output.show(said, views.show_basis, json=views.basis)


@app.command(cls=WriteCommand, epilog=example("hmchain consent optouts national list.txt --as-of 2026-11-01"))
def optouts(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a list; without it all are shown.")] = "",
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The whole list as its keeper has it: a number a line.")
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    issuer: IssuerOption = "",
    as_of: Annotated[str, typer.Option("--as-of", metavar="DAY", help="The day that the list is of.")] = "",
    forget: ForgetOption = False,
    yes: YesOption = False,
) -> None:
    """Reconcile a list of patients who opted out, as a nation keeps it, or show when each was reconciled last.

    The file takes the place of the list before: who left it may be used again. No number is kept.
    """
    if forget:
        confirm(f"Forget list {name}? Who is on no other may be used again", yes=yes)
        with noting(directory) as records:
            consents.drop_list(records, name)
    elif file is not None:
        with noting(directory) as records:
            consents.reconcile(records, name, file, issuer, as_of)
    with reading(directory) as records:
        found = consents.lists(records)
    output.show(found, views.show_lists)
