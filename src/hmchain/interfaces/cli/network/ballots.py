"""`hmchain network`: what the members decide together, who joins, who leaves, by which parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import admission, members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.members import Motion
from hmchain.application.node import sent
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.network import show
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, MembersOption, NodeOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.client import members as ask_members

app = typer.Typer()

PROPOSE = "Put this to the members' vote, with the yes of this hospital? Once it is carried it is done"
VOTE = "Vote yes? Once enough members did, it is done, and no vote can be taken back"
BallotArgument = Annotated[str, typer.Argument(metavar="BALLOT", help="Id of the ballot, or its first 4 digits.")]


def put(steward: LedgerUser, motion: Motion, *, yes: bool, newcomer: Introduction | None = None) -> None:
    """Show a motion, ask, and put it to the vote; what came there when its command had ended is only shown."""
    if motion.ballot is None:
        confirm(PROPOSE, yes=yes, about=lambda: show.show_motion(motion, newcomer))
    output.show(members.propose(steward, motion), show.show_ballot)


@app.command(cls=PortalReadCommand, epilog=example("hmchain network ballots"))
def ballots(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """List what the members were asked to decide, the newest first."""
    if remote.shown(directory, ask_members.ballots(), lambda found: show.show_all_ballots(found, ())):
        return
    with ledger_at(directory) as place, open_ledger(place) as ledger:
        output.vouch(ledger.verified)
        undecided = sent.about_the_network(NodeFolder(directory))
        output.show(ledger.ballots(), lambda found: show.show_all_ballots(found, undecided))


@app.command(cls=WriteCommand, epilog=example("hmchain network challenge west.json"))
def challenge(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The member file of whoever wants to join.")],
    directory: NodeOption = DEFAULT_FOLDER,
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="For the candidate.")] = Path("challenge.json"),
) -> None:
    """Ask a hospital that wants to join to show that it holds its keys: by `hmchain network answer FILE`."""
    output.show(admission.challenge(NodeFolder(directory), file, out), show.show_challenged)


@app.command(cls=WriteCommand, epilog=example("hmchain network answer challenge.json"))
def answer(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The challenge that a member sent.")],
    directory: NodeOption = DEFAULT_FOLDER,
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="For that member.")] = Path("answer.json"),
) -> None:
    """Show, with every key of this node, that this hospital holds them."""
    output.show(admission.answer(NodeFolder(directory), file, out, passphrase()), show.show_answer)


@app.command(cls=PersonCommand, epilog=example("hmchain network admit answer.json"))
def admit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The candidate's answer to a challenge.")],
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Propose that a hospital joins the running network. Two thirds of the members must vote for it.

    By the rules of protocol 2 its member file does as well.
    """
    found = admission.candidate(NodeFolder(directory), file)
    with open_steward(directory, yes=yes) as steward:
        put(steward, admission.motion(steward, found), yes=yes, newcomer=found.introduction)


@app.command(cls=PersonCommand, epilog=example("hmchain network remove west"))
def remove(
    organisation: Annotated[str, typer.Argument(metavar="NAME", help="The member's short name.")],
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Propose that a member leaves, for good. Two thirds of the members must vote for it."""
    with open_steward(directory, yes=yes) as steward:
        put(steward, members.removal(steward, organisation), yes=yes)


@app.command("parameters", cls=PortalReadCommand, epilog=example("hmchain network parameters"))
def show_parameters(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """Show the rules that the members agreed on, and what is proposed to change."""
    if remote.shown(directory, ask_members.parameters(), show.show_parameters):
        return
    with ledger_at(directory) as place, open_ledger(place) as ledger:
        output.vouch(ledger.verified)
        output.show(ledger.parameters(), show.show_parameters)


@app.command("set", cls=PersonCommand, epilog=example("hmchain network set round_trip_ms=160"))
def set_parameters(
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="What is to change, and to what.")],
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Propose other network parameters; `network parameters` lists them. Two thirds of the members must vote for it."""
    with open_steward(directory, yes=yes) as steward:
        put(steward, members.setting(steward, settings), yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain network vote 3f9a"))
def vote(ballot: BallotArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Vote yes to an open ballot, as this hospital's steward."""
    with open_steward(directory, yes=yes) as steward:
        found = members.open_ballot(steward, ballot)
        confirm(VOTE, yes=yes, about=lambda: show.show_question(found))
        output.show(members.vote(steward, found), show.show_ballot)


@app.command(cls=PersonCommand, epilog=example("hmchain network withdraw 3f9a"))
def withdraw(ballot: BallotArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Take back this hospital's yes to an open ballot; with the last one the ballot is over."""
    with open_steward(directory, yes=yes) as steward:
        output.show(members.withdraw(steward, ballot), show.show_ballot)
