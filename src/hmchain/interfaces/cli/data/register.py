"""`hmchain data register`, `verify` and `prove`: put a version on the ledger, and check it against that later."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.data import registration
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data import show_written as views
from hmchain.interfaces.cli.data.sources import reading
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    RECORD_HELP,
    DatasetArgument,
    HospitalOption,
    ProofOption,
    VersionOption,
    example,
    passphrase,
)

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain data register brain-64"))
def register(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    leave_waiting: Annotated[bool, typer.Option("--leave-waiting", help="Leave out what waits in quarantine.")] = False,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Also if nothing can be learnt of it, for want of labels.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Fix a version for good, write its card and FHIR Provenance, and put its root and rounded count on the ledger.

    It shows first what would be fixed, and asks. Records take over the labels that they had in the version before.
    """
    place = hospital.locate(directory)
    if not yes:
        planned = registration.preview(
            place, dataset, number, leave_waiting=leave_waiting, unlabelled=unlabelled, passphrase=passphrase()
        )
        question = "Register it for good? Neither records nor labels of it can change any more"
        fixed = planned.version.closed  # what is left of its registration is done unasked
        confirm(question, yes=fixed, about=lambda: views.show_planned(planned))
    with output.progress_bar("assessing records") as progress:
        found = registration.register(
            place, dataset, number, leave_waiting=leave_waiting, unlabelled=unlabelled, passphrase=passphrase(),
            progress=progress,
        )  # fmt: skip
    output.show(found, views.show_registered)


@app.command(cls=ReadCommand, epilog=example("hmchain data verify brain-64"))
def verify(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help=RECORD_HELP)] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the ledger.")] = False,
) -> None:
    """Read every record and compare them with what was registered; exit status 7 if they are not the same."""
    place = hospital.locate(directory)
    with output.progress_bar("reading records") as progress:
        found = registration.verify(
            place, dataset, number, record, offline=offline, passphrase=passphrase(), progress=progress
        )
    output.show(found, views.show_checked)


@app.command(cls=WriteCommand, epilog=example("hmchain data prove RECORD --out proof.json"))
def prove(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="The record's id, as `data show` lists it.")],
    out: ProofOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its dataset.", show_default="the one that has it")
    ] = None,
    number: VersionOption = None,
) -> None:
    """Prove that a registered version holds a record, to an auditor who has the ledger or the version's root.

    Think before you hand it over. It shows the record's id, the digest of its ciphertext, the exact number of records
    and the key of the version's root; nothing of other records. It cannot be taken back, not even by erasing.
    """
    with reading(directory) as records:
        written = registration.prove(records, record, out, dataset, number)
    output.show(written, views.show_proof)
