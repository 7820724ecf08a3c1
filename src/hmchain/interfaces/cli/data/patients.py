"""`hmchain data patients`: whom numbers mean, who turned out to be another, and the way back from a pseudonym."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import patients, reidentification
from hmchain.application.data.patients import PatientsKnown
from hmchain.application.data.reidentification import Reidentified
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm, patient_number
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data.sources import changing, reading
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    HospitalOption,
    IssuerOption,
    SignersOption,
    example,
    passphrase,
)
from hmchain.records.deidentification.patients import RULE_FILE, Patient

app = typer.Typer(
    no_args_is_help=True, help="Whom patients' numbers mean, merged patients, and the way back from a pseudonym."
)

NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="A patient's number; - asks for it, unseen.")]


@app.command(cls=ReadCommand, epilog=example("hmchain data patients show"))
def show(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Show whose numbers count as the hospital's own, and how many patients turned out to be another."""
    with reading(directory) as records:
        found, rule = patients.known(records), records.folder.path / RULE_FILE
    output.show(found, lambda known: _show(known, rule))


@app.command(cls=WriteCommand, epilog=example("hmchain data patients merge - -"))
def merge(
    number: NumberArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The number that the patient goes by from now on.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Let two numbers of the hospital's own be one patient, from the next extraction on.

    What HL7 (A40 and its like) and FHIR (Patient.link) say is heard by itself.
    """
    confirm("Let the two numbers be one patient? `hmchain data patients part NUMBER` undoes it", yes=yes)
    prior, lasting = patient_number(number), patient_number(other)
    with changing(directory) as records:
        patients.merge(records, Patient(prior), Patient(lasting))
    output.show(True, lambda _: output.say("One patient, from the next extraction on."), json=lambda _: {"merged": 1})


@app.command(cls=WriteCommand, epilog=example("hmchain data patients part -"))
def part(
    number: NumberArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    issuer: IssuerOption = "",
    yes: YesOption = False,
) -> None:
    """Undo what was said of a number, if it was wrong: it is no other patient's from the next extraction on."""
    confirm("Forget that this number and others are one patient?", yes=yes)
    with changing(directory) as records:
        count = patients.part(records, Patient(patient_number(number), issuer))
    output.show(count, lambda n: output.say(f"{n} forgotten."), json=lambda n: {"parted": n})


@app.command(
    cls=WriteCommand,
    epilog=example(
        "hmchain data patients reidentify 33d2d9b537f281c35f542952a8edc356 --reason nodule "
        "--person a.key --person b.key"
    ),
)
def reidentify(
    pseudonym: Annotated[str, typer.Argument(metavar="PSEUDONYM", help="As a whole: 32 hexadecimal digits.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is written down, so name no patient in it.")
    ],
    person: SignersOption,
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Say which patient a pseudonym is, for an incidental finding, say. Two people sign for it, and it is logged."""
    with reading(directory) as records:
        found = reidentification.reidentify(records, pseudonym, reason, person, passphrase())
    output.show(found, _show_patient)


def _show(known: PatientsKnown, rule: Path) -> None:
    own = [f"{issuer} ({kind}, seen first)" for kind, issuer in known.own_issuers.items()]
    said = ", ".join(known.rule.own or own) or "those without an issuer; no issuer was seen yet"
    output.fields(
        [
            ("own numbers", said),
            ("one issuer", "; ".join(" = ".join(group) for group in known.rule.same) or "-"),
            ("case", "does not count" if known.rule.fold_case else "counts"),
            ("leading zeros", "do not count" if known.rule.strip_zeros else "count"),
            ("merged", f"{known.merged} numbers or ids stand for another"),
            ("kept", f"{known.kept} patients' numbers, sealed"),
            ("rule", f"{rule}{'' if rule.exists() else ' (not there: it would say otherwise)'}"),
        ]
    )


def _show_patient(found: Reidentified) -> None:
    numbers = [f"{each.number}{f' of {each.issuer}' if each.issuer else ''}" for each in found.patients]
    output.fields(
        [
            ("patient", ", ".join(numbers)),
            ("called so in", ", ".join(found.projects)),
            ("signed for by", " and ".join(found.approved_by)),
        ]
    )
