"""`hmchain people list|show|powers|deeds`: who acts for a hospital, who may do what, and what a key did."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.governance import staff
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example
from hmchain.interfaces.cli.staff import view
from hmchain.interfaces.client import members as ask_members
from hmchain.ledger.readers.deeds import KeyDeed

app = typer.Typer()

PersonArgument = Annotated[str, typer.Argument(metavar="NAME", help="The person, or office.")]
MemberOption = Annotated[
    str, typer.Option("--member", metavar="NAME", help="Another member.", show_default="this hospital")
]
DEED_COLUMNS = ("block#", "time (UTC)", "transaction", "what", "outcome")


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain people list"))
def list_people(
    directory: NodeOption = DEFAULT_FOLDER,
    organisation: MemberOption = "",
) -> None:
    """List a hospital's people, their roles and keys, and what waits for a second officer."""
    if remote.shown(directory, ask_members.people(organisation), view.show_people):
        return
    with staff.opened(directory) as found:
        output.vouch(found.verified)
        output.show(found.people(organisation), view.show_people)


@app.command(cls=PortalReadCommand, epilog=example("hmchain people show s1"))
def show(person: PersonArgument, directory: NodeOption = DEFAULT_FOLDER) -> None:
    """Show one person of this hospital, with the whole key."""
    if remote.shown(directory, ask_members.person(person), view.show_person):
        return
    with staff.opened(directory) as found:
        output.vouch(found.verified)
        output.show(found.person(person), view.show_person)


@app.command(cls=PortalReadCommand, epilog=example("hmchain people powers r1"))
def powers(
    person: Annotated[
        str, typer.Argument(metavar="NAME", help="The person, or office.", show_default="everybody")
    ] = "",
    directory: NodeOption = DEFAULT_FOLDER,
    organisation: MemberOption = "",
) -> None:
    """Show what a person may do now, or everybody: roles, permits in force, and requests that are open."""
    if remote.shown(directory, ask_members.powers(person, organisation), view.show_powers):
        return
    with staff.opened(directory) as found:
        output.vouch(found.verified)
        output.show(found.powers(person, organisation), view.show_powers)


@app.command(cls=PortalReadCommand, epilog=example("hmchain people deeds s1"))
def deeds(
    person: PersonArgument,
    directory: NodeOption = DEFAULT_FOLDER,
    since: Annotated[int, typer.Option("--since-block", metavar="N", min=1, help="From this block on.")] = 1,
) -> None:
    """List all that a person's key signed, the keys before it too: for one that was stolen."""
    if remote.shown(directory, ask_members.deeds(person, since), lambda listed: _show_deeds(person, listed)):
        return
    with staff.opened(directory) as found:
        output.vouch(found.verified)
        output.show(found.deeds(person, since), lambda listed: _show_deeds(person, listed))


def _show_deeds(person: str, listed: list[KeyDeed]) -> None:
    if not listed:
        output.say(f"The keys of {person} signed nothing.")
        return
    rows = (
        (each.height, output.when(each.time_ms), output.short(each.digest), staff.words(each), each.code)
        for each in listed
    )
    output.table(DEED_COLUMNS, rows)
