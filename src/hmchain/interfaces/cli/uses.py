"""`hmchain uses`: what a hospital's data were used for, on whose word, until when; and the same for one patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hmchain.application.data import patient_report, uses
from hmchain.application.site import hospital
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli import show_uses as views
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.asking import patient_number
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    HospitalOption,
    IssuerOption,
    RunOption,
    SignersOption,
    SinceOption,
    example,
    milliseconds,
    passphrase,
)
from hmchain.interfaces.client import requests as ask_requests
from hmchain.interfaces.client import sharing as ask_sharing
from hmchain.ledger.readers.explanations import Explanation
from hmchain.plain import plain

_LIST = "list"


class UsesCommands(TyperGroup):
    """A group that lists where no command is named: the question that is asked most needs no more than its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before what names no command."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=UsesCommands, help="What a hospital's data were used for, on whose word, until when; for a patient too."
)


@app.command(_LIST, cls=PortalReadCommand, epilog=example("hmchain uses list --dataset brain --since 2026-01-01"))
def list_uses(
    folder: RunOption = None,
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="NAME", help="Only this one; of another hospital ORGANISATION/NAME.")
    ] = "",
    since: SinceOption = None,
) -> None:
    """List what the hospital's data were asked for and used for: by whom, on whose word, from when until when.

    At a node the hospital's own data; of a run or a ledger those of all its hospitals. `list` may be left out.
    """
    if remote.shown(folder, ask_sharing.uses(dataset, milliseconds(since)), views.show_uses):
        return
    with runs.opened(folder) as place:
        found = uses.report(place.ledger, _own(place.path), dataset, milliseconds(since))
    if _own(place.path):
        found = uses.with_machine(found, hospital.locate(place.path))
    output.show(found, views.show_uses)


@app.command(cls=PortalReadCommand, epilog=example("hmchain uses duties"))
def duties(folder: RunOption = None) -> None:
    """List what is owed to the hospital for the use of its data: due, overdue, met; and what ends within 30 days.

    At a node what its own people owe others is told too; of a run or a ledger what is owed to all its hospitals.
    """
    if remote.shown(folder, ask_sharing.duties(), views.show_duties):
        return
    with runs.opened(folder) as place:
        found = uses.duties(place.ledger, _own(place.path))
    output.show(found, views.show_duties)


@app.command(cls=PortalReadCommand, epilog=example("hmchain uses why relapse"))
def why(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Name of the request.")], folder: RunOption = None
) -> None:
    """Say why each hospital's policy said what it said of a request, and ask the version that judged again.

    A policy that was replaced since explains its past decisions as before.
    """
    if remote.shown(folder, ask_requests.reasons(request), views.show_why, _told_why):
        return
    with runs.opened(folder) as place:
        found = uses.why(place.ledger, request)
    output.show(found, views.show_why, json=_told_why)


def _told_why(found: Sequence[Explanation]) -> list[dict[str, Any]]:
    return [plain(each) | {"agrees": each.agrees} for each in found]


def _own(folder: Path) -> str:
    """The organisation whose node it is; empty for a run or a ledger."""
    return hospital.locate(folder).organisation if NodeFolder(folder).toml.is_file() else ""


@app.command(
    cls=WriteCommand, epilog=example("hmchain uses patient - --person a.key --person b.key --output answer.html")
)
def patient(
    who: Annotated[
        str,
        typer.Argument(
            metavar="PATIENT", help="The patient's number, or the whole pseudonym; - asks for the number, unseen."
        ),
    ],
    person: SignersOption,
    directory: HospitalOption = DEFAULT_FOLDER,
    issuer: IssuerOption = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is written down, so name no patient in it.")
    ] = patient_report.ASKED_BY_PATIENT,
    page: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write a page to print as well, into a new file.")
    ] = None,
) -> None:
    """Answer a patient: which uses there were of my data, and which models. Two people sign for it, and it is logged.

    The answer names nobody. It says what it does not prove, and that a finished model does not forget.
    """
    target = patient_report.named(patient_number(who), issuer)
    found = patient_report.report(hospital.locate(directory), target, reason, person, passphrase())
    if page is not None:
        patient_report.write_page(found, page)
    output.show(found, lambda shown: views.show_patient(shown, page))
