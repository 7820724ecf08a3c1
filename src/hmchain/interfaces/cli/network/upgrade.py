"""`hmchain network upgrade`: the members agree on the next rules of their ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from hmchain.application.governance import members
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.reading import open_ledger
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption
from hmchain.interfaces.cli.network import show
from hmchain.interfaces.cli.network.ballots import put
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, MembersOption, NodeOption, example
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.client import members as ask_members

app = typer.Typer(no_args_is_help=True, help="The members agree on the next rules of their ledger, or call them off.")


@app.command(cls=PersonCommand, epilog=example('hmchain network upgrade propose 3 --after "2027-01-15 22:00"'))
def propose(
    protocol: Annotated[int, typer.Argument(metavar="PROTOCOL", help="The next protocol's number.")],
    after: Annotated[
        datetime | None,
        typer.Option(
            "--after", metavar="TIME", formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            help="Not before this time (UTC). Default: an hour more than the notice that the ledger demands.",
        ),
    ] = None,
    after_block: Annotated[int, typer.Option("--after-block", metavar="N", min=0, help="Nor before this block.")] = 0,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:  # fmt: skip
    """Propose the next rules, from a time and a block on. Two thirds of the members must vote for it.

    Every member must have installed the version that knows them by then: a node without it stops and waits.
    """
    after_ms = None if after is None else int(after.replace(tzinfo=UTC).timestamp() * 1000)
    with open_steward(directory, yes=yes) as steward:
        put(steward, members.upgrade(steward, protocol, after_ms, after_block), yes=yes)


@app.command("call-off", cls=PersonCommand, epilog=example("hmchain network upgrade call-off"))
def call_off(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Propose that the agreed upgrade does not take place. Two thirds of the members must vote for it."""
    with open_steward(directory, yes=yes) as steward:
        put(steward, members.calling_off(steward), yes=yes)


@app.command("show", cls=PortalReadCommand, epilog=example("hmchain network upgrade show"))
def show_agreed(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """Show which rules are in force, which ones come, and whether this program knows them."""
    if remote.shown(directory, ask_members.rules(), show.show_rules):
        return
    with ledger_at(directory) as place, open_ledger(place) as ledger:
        output.vouch(ledger.verified)
        output.show(ledger.rules(), show.show_rules)
