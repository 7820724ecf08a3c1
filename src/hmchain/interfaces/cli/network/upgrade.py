"""`hmchain network upgrade`: the members agree on the next rules of their ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.network import ballots
from hmchain.interfaces.cli.network.rules import rules_words
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, AsJson, NodeOption, example

app = typer.Typer(no_args_is_help=True, help="The members agree on the next rules of their ledger, or call them off.")


@app.command(epilog=example('hmchain network upgrade propose 3 --after "2027-01-15 22:00"'))
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
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Propose the next rules, from a time and a block on. Two thirds of the members must vote for it.

    Every member must have installed the version that knows them by then: a node without it stops and waits.
    """
    from hmchain.application.governance import members

    after_ms = None if after is None else int(after.replace(tzinfo=UTC).timestamp() * 1000)
    ballots.propose(
        directory, lambda steward: members.upgrade(steward, protocol, after_ms, after_block), as_json=as_json
    )


@app.command("call-off", epilog=example("hmchain network upgrade call-off"))
def call_off(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Propose that the agreed upgrade does not take place. Two thirds of the members must vote for it."""
    from hmchain.application.governance import members

    ballots.propose(directory, members.call_off, as_json=as_json)


@app.command(epilog=example("hmchain network upgrade show"))
def show(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show which rules are in force, which ones come, and whether this program knows them."""
    from hmchain.application.node.reading import verified_state
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers.rules import rules_of

    with verified_state(NodeFolder(directory).ledger) as read:
        output.vouch(read)
        found = rules_of(read.state)
    if as_json:
        output.emit(found)
    else:
        output.fields(
            (("protocol", rules_words(found)), ("this program", f"knows {output.listed(map(str, found.known))}"))
        )
