"""`hmchain people recover`: another steward's key for a hospital whose own is lost, by a vote of the members."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import recovery
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.network.ballots import put
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.cli.staff import view

app = typer.Typer(no_args_is_help=True, help="Another steward's key for a hospital whose own is lost.")


@app.command(cls=WriteCommand, epilog=example("hmchain people recover request"))
def request(
    directory: NodeOption = DEFAULT_FOLDER,
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="For a member.")] = Path("recovery.json"),
) -> None:
    """Make another steward's key for this hospital, and the file that asks the members to vote for it."""
    output.show(recovery.request(NodeFolder(directory), out, passphrase()), view.show_card)


@app.command(cls=PersonCommand, epilog=example("hmchain people recover propose recovery.json"))
def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of `hmchain people recover request`.")],
    directory: NodeOption = DEFAULT_FOLDER,
    days: Annotated[
        int,
        typer.Option(
            "--object-within",
            metavar="DAYS",
            min=0,
            max=90,
            help="How long that hospital may object.",
            show_default="7",
        ),
    ] = 0,
    yes: YesOption = False,
) -> None:
    """Put it to the members' vote that a hospital has another steward's key, unless it objects in time."""
    with open_steward(directory, yes=yes) as steward:
        put(steward, recovery.motion(steward, file, days), yes=yes)


@app.command("object", cls=PersonCommand, epilog=example("hmchain people recover object"))
def object_to(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Officer: object to the key that others voted for this hospital: its own is not lost."""
    with open_steward(directory, yes=yes) as officer:
        recovery.object_to(officer)
    output.show({"objected": True}, lambda _: output.say("The recovery does not take place."))


@app.command(cls=PersonCommand, epilog=example("hmchain people recover complete east"))
def complete(
    organisation: Annotated[str, typer.Argument(metavar="NAME", help="The hospital's short name.")],
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Put the key in force that the members voted for a hospital, once its time to object is over."""
    with open_steward(directory, yes=yes) as steward:
        recovery.complete(steward, organisation)
    output.show({"organisation": organisation}, lambda _: output.say(f"{organisation} has the key that was voted."))


@app.command(cls=WriteCommand, epilog=example("hmchain people recover trust"))
def trust(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Operator: have this hospital's agent obey the steward's key that the others gave it. Start the agent again then.

    Do so only if this hospital asked for that key. Nobody else can: it is written into this node's node.toml.
    """
    folder = NodeFolder(directory)
    found = recovery.given(folder, passphrase())
    confirm(
        "Did this hospital ask for this key, and shall its agent obey it?",
        yes=yes,
        about=lambda: view.show_given(found),
    )
    output.show(recovery.trust(folder, found, passphrase()), view.show_given)
