"""`hmchain people key|invite|accept|...`: officers decide over a hospital's people, and these over their own key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import people
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.node import sent
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.cli.staff import view
from hmchain.interfaces.cli.staff.show import PersonArgument

app = typer.Typer()

CardArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file that `hmchain people key NAME` made.")]
RolesOption = Annotated[
    list[str],
    typer.Option(
        "--role",
        metavar="ROLE",
        help="Steward, scientist, clinician, operator, auditor, officer, ethics, protection or code; once for each.",
    ),
]
ChangeArgument = Annotated[str, typer.Argument(metavar="CHANGE", help="Id of the change, or its first 4 digits.")]


def _ask(directory: Path, yes: bool, question: str, make: Callable[[LedgerUser], people.Change]) -> None:
    """Ask for a change, as an officer, after a question."""
    with open_steward(directory, yes=yes) as officer:
        change = make(officer)
        confirm(question, yes=yes, about=lambda: _show_change("you ask", officer, change))
        output.show(people.ask(officer, change), view.show_asked)


def _show_change(title: str, officer: LedgerUser, change: people.Change) -> None:
    said = [(title, sent.words(change))]
    if ended := people.ended_by(officer, change):
        said.append(("ends for good", f"{', '.join(ended)}: what was asked for, what it allows, and its studies"))
    output.fields(said)


@app.command("key", cls=WriteCommand, epilog=example("hmchain people key s1"))
def new_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Short name that the hospital gives the person.")],
    directory: NodeOption = DEFAULT_FOLDER,
    out: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="For an officer.", show_default="NAME.json")
    ] = None,
    private: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Where the key goes.", show_default="keys/people/NAME.key"),
    ] = None,
) -> None:
    """Make a person's key, sealed with the person's own passphrase where one is given, and its file for an officer."""
    card = out or Path(f"{name}.json")
    output.show(people.new_key(NodeFolder(directory), name, card, private, passphrase()), view.show_new_key)


@app.command(cls=PersonCommand, epilog=example("hmchain people invite s1.json --role steward"))
def invite(
    file: CardArgument, roles: RolesOption, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False
) -> None:
    """Officer: invite a person to act for this hospital, who then accepts."""
    question = "Invite this person, after comparing the key's digits by telephone?"
    _ask(directory, yes, question, lambda officer: people.invitation(officer, file, roles))


@app.command(cls=PersonCommand, epilog=example("hmchain people accept --as s1"))
def accept(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Accept an invitation with the key that it names: from then on that key decides in these roles."""
    with open_steward(directory, yes=yes) as user:
        entry = people.invited(user)
        confirm(f"Act for {user.organisation} as {output.listed(entry.roles)}?", yes=yes)
        people.accept(user, entry)
    output.show(
        {"person": entry.person, "roles": entry.roles}, lambda _: output.say(f"{entry.person} acts from now on.")
    )


@app.command(cls=PersonCommand, epilog=example("hmchain people roles s1 --role steward --role ethics"))
def roles(
    person: PersonArgument, roles: RolesOption, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False
) -> None:
    """Officer: give a person these roles, and take all others away."""
    _ask(directory, yes, "Change this person's roles?", lambda _: people.roles_changed(person, roles))


@app.command(cls=PersonCommand, epilog=example("hmchain people suspend s1"))
def suspend(person: PersonArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Cut a key off at once: any one officer does, and everybody one's own. For a key that was stolen or is lost."""
    with open_steward(directory, yes=yes) as user:
        people.suspend(user, person)
    output.show({"person": person, "suspended": True}, lambda _: view.show_suspended(person))


@app.command(cls=PersonCommand, epilog=example("hmchain people reinstate s1"))
def reinstate(person: PersonArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: let a suspended person act again, with the same key."""
    _ask(directory, yes, "Let this person act again with the same key?", lambda _: people.reinstated(person))


@app.command(cls=PersonCommand, epilog=example("hmchain people remove s1"))
def remove(person: PersonArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: end what a person does for this hospital, for good; the name is never given again."""
    _ask(directory, yes, "Remove this person, for good?", lambda _: people.removed(person))


@app.command("replace-key", cls=PersonCommand, epilog=example("hmchain people replace-key s1.json"))
def replace_key(file: CardArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: let a person, or an office, sign with a new key; the old one is dead, and a suspension over."""
    question = "Replace this key, after comparing the new one's digits by telephone?"
    _ask(directory, yes, question, lambda officer: people.replacement(officer, file))


@app.command("hand-over", cls=PersonCommand, epilog=example("hmchain people hand-over"))
def hand_over(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: have only named people decide from now on; the office keys of steward and scientist end for good."""
    _ask(directory, yes, "Give up the office keys, for good?", lambda _: people.handed_over())


@app.command("confirm", cls=PersonCommand, epilog=example("hmchain people confirm 3f9a"))
def confirm_change(change: ChangeArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: carry out what another officer asked for."""
    with open_steward(directory, yes=yes) as officer:
        name, found = people.waiting(officer, change)
        confirm("Carry this out?", yes=yes, about=lambda: _show_change("asked", officer, found))
        output.show(people.confirm(officer, name, found), view.show_asked)


@app.command(cls=PersonCommand, epilog=example("hmchain people drop 3f9a"))
def drop(change: ChangeArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: have a change that waits come to nothing."""
    with open_steward(directory, yes=yes) as officer:
        name, found = people.waiting(officer, change)
        done = people.drop(officer, name, found)
    output.show(done, view.show_asked)
