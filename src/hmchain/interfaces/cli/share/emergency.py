"""`hmchain share break-glass|answer|emergencies|review`: one patient's records at once, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.delegate import LedgerUser, NoSuchPersonError
from hmchain.application.sharing import emergencies as services
from hmchain.application.sharing.emergencies import Answered, Sought
from hmchain.application.site.hospital import locate
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.interfaces.cli import acting, output, remote
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption, confirm, patient_number
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    IssuerOption,
    MembersOption,
    PersonOption,
    example,
    passphrase,
)
from hmchain.interfaces.cli.people import open_clinician, open_steward
from hmchain.interfaces.cli.share.look import TransferName, opened
from hmchain.interfaces.client import sharing as ask_sharing
from hmchain.ledger.readers import emergencies as reader
from hmchain.ledger.readers.emergencies import Emergencies, EmergencyView

app = typer.Typer()

COLUMNS = ("name", "asked by", "of", "why", "asked (UTC)", "how it stands")


@app.command("break-glass", cls=PersonCommand, epilog=example("hmchain share break-glass north/scans --as rita"))
def break_glass(
    where: Annotated[str, typer.Argument(metavar="HOSPITAL/DATASET", help="Which hospital, and which dataset of it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="danger-to-life, lasting-harm, urgent-treatment or cannot-consent.")
    ] = "danger-to-life",
    issuer: IssuerOption = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Its name.", show_default="one of chance")] = "",
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the answer.")
    ] = 120,
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Clinician: ask another hospital for one patient's records at once, for treatment alone. It is judged afterwards.

    The patient's number, as the other hospital has it, is asked for unseen, or piped in; it is sealed to that hospital.
    What comes is de-identified, and becomes a dataset of the emergency's name.
    """
    with _clinician(node, yes=yes) as user:
        sought = Sought(patient_number(prompt="Patient's number there: "), issuer)
        question = f"Ask {where.partition('/')[0]} at once, by your name and for all members to see?"
        confirm(question, yes=yes)
        place, objects = locate(node), exchanged_objects(NodeFolder(node))
        entry = services.ask(place, user, objects, where, sought, reason, name)
        output.remark(f"{entry.giver} is asked, as {entry.name}.")
        with output.doing(f"waiting for {entry.giver}"):
            services.wait(user, objects, entry.name, wait)
        done = services.receive(place, user, objects, entry.name, passphrase())
    output.show(done, _show_answer)


@app.command(cls=PersonCommand, epilog=example("hmchain share answer emergency-3f9a01bc --as rita"))
def answer(name: TransferName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Clinician: take in what answers an emergency, where that came later than its command waited."""
    with _clinician(node, yes=yes) as user:
        done = services.receive(locate(node), user, exchanged_objects(NodeFolder(node)), name, passphrase())
    output.show(done, _show_answer)


@app.command("emergencies", cls=PortalReadCommand, epilog=example("hmchain share emergencies"))
def list_emergencies(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """List emergencies that this hospital's people asked in, or was asked in: what nobody has judged yet first.

    And how often each clinician asked, and how often that was not justified. Of a ledger alone those of all members.
    """
    if remote.shown(directory, ask_sharing.emergencies(), _show_all):
        return
    with opened(directory) as (ledger, organisation):
        found = reader.emergencies(ledger.verified.state, organisation)
    output.show(found, _show_all)


@app.command(cls=PersonCommand, epilog=example("hmchain share review emergency-3f9a01bc justified"))
def review(
    name: TransferName,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="justified or unjustified.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward of the hospital that was asked: say for good whether it was justified; if not, all of it is erased."""
    with open_steward(node, yes=yes) as user:
        confirm(f"Say for good, and for all members to see, that {name} was {verdict}?", yes=yes)
        done = services.review(locate(node), user, name, verdict)
    erased = "" if done.status == "justified" else f" What was given is to be erased: `hmchain share show {name}`"
    output.tell(done, f"{name} of {done.person} was {done.status}.{erased}")


@app.command("lift-bar", cls=PersonCommand, epilog=example("hmchain share lift-bar west"))
def lift_bar(
    other: Annotated[str, typer.Argument(metavar="HOSPITAL", help="The other hospital.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: say that misused emergencies between this hospital and another were looked into.

    When both have said so, clinicians who were barred may ask again.
    """
    with open_steward(node, yes=yes) as user:
        question = f"Say, for all members to see, that misuse between {user.organisation} and {other} was looked into?"
        confirm(question, yes=yes)
        left = services.lift(user, other)
    waits = f"{other} has to say so too." if left else "The bar is gone."
    output.show(left, lambda _: output.say(f"{user.organisation} has said so. {waits}"))


@contextmanager
def _clinician(node: Path, *, yes: bool) -> Iterator[LedgerUser]:
    """The person who asks: by name, since no office is a clinician's. Raises `NoSuchPersonError`."""
    if not (acting.handle() or NodeFolder(node).settings().acts_as):
        hint = "say who you are: --as NAME; `hmchain people list` shows who is a clinician"
        raise NoSuchPersonError("a clinician asks by name", hint)
    with open_clinician(node, yes=yes) as user:
        yield user


def _show_answer(done: Answered) -> None:
    if done.received is None:
        output.say(f"{done.giver} has nothing of this patient in {done.dataset} that it may give.")
        return
    version, until = done.received.version, output.when(done.received.until_ms)
    output.say(f"{version.records:,} records came, for treatment alone until {until} UTC.")
    output.say(f"Write them out: `hmchain data export {version.dataset} --output FOLDER`")
    output.say(f"Erase them when they are not needed any more: `hmchain share erase {done.emergency}`")


def _show_all(found: Emergencies) -> None:
    if not found.listed:
        output.say("There was no emergency.")
        return
    output.table(COLUMNS, [_row(each) for each in found.listed], drop=("why",))
    for bar in found.barred:
        lifted = f"; {bar.lifted_by} has looked into it" if bar.lifted_by else ""
        since = output.when(bar.since_ms)[:10]
        output.say(f"BARRED: {bar.giver} gives {bar.grantee} nothing since {since}, for misuse{lifted}.")
    columns = ("clinician", "asked#", "not judged#", "justified#", "unjustified#")
    counted = [(each.person, each.asked, each.waiting, each.justified, each.unjustified) for each in found.counted]
    output.table(columns, counted)


def _row(each: EmergencyView) -> tuple[object, ...]:
    stands = f"{each.status}, by {each.reviewed_by}" if each.is_reviewed else f"{each.status}; to be judged by "
    due = "" if each.is_reviewed else output.when(each.review_due_ms)[:10]
    late = "OVERDUE: " if each.overdue else ""
    where = f"{each.giver}/{each.dataset}"
    return each.name, each.person, where, each.reason, output.when(each.asked_ms)[:16], f"{late}{stands}{due}"
