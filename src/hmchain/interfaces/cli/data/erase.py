"""`hmchain data erase`, `withdraw` and `opt-out`: what a patient may ask for."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hmchain.application.data import erasure, registration
from hmchain.application.data.erasure import Target
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.data import show_decisions as views
from hmchain.interfaces.cli.data.sources import changing
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, RECORD_HELP, HospitalOption, example, passphrase

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
        help="The patient with this identifier of the hospital, in every project; - reads it from standard input.",
    ),
]


@app.command(cls=WriteCommand, epilog=example("hmchain data erase --patient -"))
def erase(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Of a record: its dataset. A patient goes from all.")
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
) -> None:
    """Destroy the keys of a record or of a patient's records, then the ciphertext: nobody can bring them back.

    Later extractions pass over what was erased, until `hmchain data opt-out --lift`. On the ledger the versions that
    had some are withdrawn: no new study may use them.
    """
    target = _target(record, subject, patient)
    done = erasure.erase(hospital.locate(directory), dataset, target, passphrase())
    output.show(done, views.show_erased, json=views.erased)


@app.command(cls=WriteCommand, epilog=example("hmchain data withdraw"))
def withdraw(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Have the ledger say of which versions records were erased: what `data erase` does, if the node ran then."""
    withdrawn = registration.withdraw(hospital.locate(directory), passphrase())
    output.show(withdrawn, views.show_withdrawn, json=lambda versions: {"withdrawn": versions})


@app.command("opt-out", cls=WriteCommand, epilog=example("hmchain data opt-out --patient - --lift"))
def opt_out(
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
    lift: Annotated[bool, typer.Option("--lift", help="Take it back: later extractions take them again.")] = False,
) -> None:
    """Have later extractions pass over a patient or a record. What is here already stays: `hmchain data erase`."""
    target = _target(record, subject, patient)
    with changing(directory) as records:
        said = erasure.lift_opt_out(records, target) if lift else erasure.opt_out(records, target)
    output.show(said, views.show_opt_out)


def _target(record: str | None, subject: str | None, patient: str | None) -> Target:
    """The patient or record; an identifier may come from standard input, where no list of processes shows it."""
    return Target(sys.stdin.readline().strip() if patient == "-" else patient, subject, record)
