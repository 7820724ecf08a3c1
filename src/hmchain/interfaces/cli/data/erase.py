"""`hmchain data erase`, `withdraw` and `opt-out`: what a patient may ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.data import erasure, registration
from hmchain.application.data.erasure import Target
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm, patient_number
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.data import show_decisions as views
from hmchain.interfaces.cli.data.sources import noting
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    RECORD_HELP,
    HospitalOption,
    IssuerOption,
    example,
    passphrase,
)

app = typer.Typer()

RecordOption = Annotated[str | None, typer.Option("--record", metavar="ID", help=RECORD_HELP)]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", metavar="PSEUDONYM", help="The patient with this pseudonym, in its project.")
]
PatientOption = Annotated[
    str | None,
    typer.Option(
        "--patient",
        metavar="ID",
        help="The patient with this number, in every project; - asks for it, unseen.",
    ),
]


@app.command(cls=WriteCommand, epilog=example("hmchain data erase --patient -"))
def erase(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="Of a record: its dataset. A patient goes from all.")
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
    issuer: IssuerOption = "",
    only_show: Annotated[
        bool, typer.Option("--preview", help="Only show what would be destroyed; nothing is changed.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Destroy the keys of a record or of a patient's records, then the ciphertext: nobody can bring them back.

    It shows first what would be destroyed, in which versions, and which studies used them; then it asks.

    Later extractions pass over what was erased, until `hmchain data opt-out --lift`. On the ledger the versions that
    had some are withdrawn: no new study may use them.
    """
    place, target = hospital.locate(directory), _target(record, subject, patient, issuer)
    if only_show or not yes:
        found = erasure.preview(place, dataset, target, passphrase())
        if only_show:
            output.show(found, views.show_losses)
            return
        confirm("Destroy all of this? Nobody can bring it back", yes=yes, about=lambda: views.show_losses(found))
    done = erasure.erase(place, dataset, target, passphrase())
    output.show(done, lambda made: views.show_erased(made, target), json=views.erased)


@app.command(cls=WriteCommand, epilog=example("hmchain data withdraw"))
def withdraw(directory: HospitalOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Have the ledger say of which versions records were erased: what `data erase` does, if the node ran then.

    It shows first which versions those are, and asks.
    """
    place = hospital.locate(directory)
    left = registration.to_withdraw(place, passphrase())
    if left:
        question = "Have the ledger call them withdrawn for good? No new study may use them then"
        confirm(question, yes=yes, about=lambda: views.show_to_withdraw(left))
    withdrawn = registration.withdraw(place, passphrase()) if left else ()
    output.show(withdrawn, views.show_withdrawn, json=lambda versions: {"withdrawn": versions})


@app.command("opt-out", cls=WriteCommand, epilog=example("hmchain data opt-out --patient - --lift"))
def opt_out(
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
    issuer: IssuerOption = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take it back: later extractions take them again.")] = False,
) -> None:
    """Let no use begin with a patient's records or a record, nor an extraction take them.

    `hmchain data erase` destroys them.
    """
    target = _target(record, subject, patient, issuer)
    with noting(directory) as records:
        said = erasure.lift_opt_out(records, target) if lift else erasure.opt_out(records, target)
    output.show(said, views.show_opt_out)


def _target(record: str | None, subject: str | None, patient: str | None, issuer: str) -> Target:
    """The patient or record; an identifier that is asked for stands in no list of processes and no shell's history."""
    return Target(None if patient is None else patient_number(patient), subject, record, issuer)
