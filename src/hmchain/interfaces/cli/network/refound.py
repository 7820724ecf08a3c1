"""`hmchain network refound`: those that are left found the network again, where too many are lost for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.node import refounding
from hmchain.application.node.refounding import Agreed, Proposal, Refounded
from hmchain.application.site.node import NodeFolder
from hmchain.clock import utc
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example, passphrase

app = typer.Typer(
    no_args_is_help=True,
    help="Found the network again without members that are lost for good, where no block is decided any more.",
)

SIGN = "Sign this for the hospital? It holds once every hospital that is left has signed"
_AUDIT = "executing blocks"

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="The person's key file.", show_default="the steward's, keys/steward.key"
    ),
]


def _agreed(*, yes: bool) -> Agreed:
    return lambda told: confirm(SIGN, yes=yes, about=lambda: _show(told))


@app.command(cls=WriteCommand, epilog=example("hmchain network refound propose --without south --without west"))
def propose(
    without: Annotated[
        list[str], typer.Option("--without", metavar="NAME", help="A member that is lost for good; once for each.")
    ],
    directory: NodeOption = DEFAULT_FOLDER,
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="The file that goes round.")] = Path(
        "refound.json"
    ),
    key: KeyOption = None,
    yes: YesOption = False,
) -> None:
    """Propose to go on from this node's audited ledger without those that are lost, and sign it.

    Nothing changes yet. One of the hospitals that are left does this; the others sign what it wrote.
    """
    with output.progress_bar(_AUDIT) as progress:
        made = refounding.propose(
            NodeFolder(directory), without, out, progress, agreed=_agreed(yes=yes), key=key, passphrase=passphrase()
        )
    output.show(made, lambda found: _show_proposed(found, out))


@app.command(cls=WriteCommand, epilog=example("hmchain network refound sign refound.json"))
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that a member proposed.")],
    directory: NodeOption = DEFAULT_FOLDER,
    key: KeyOption = None,
    yes: YesOption = False,
) -> None:
    """Sign a proposal that this node's own ledger gives too; any other one is refused. The signature goes into it."""
    with output.progress_bar(_AUDIT) as progress:
        found = refounding.sign(
            NodeFolder(directory), file, progress, agreed=_agreed(yes=yes), key=key, passphrase=passphrase()
        )
    output.show(found, lambda signed: _show_proposed(signed, file))


@app.command(cls=WriteCommand, epilog=example("hmchain network refound join refound.json"))
def join(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="What all have signed: one file, or each one's own.")
    ],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Go on with the network that everybody who is left has signed. The node must be stopped.

    The ledger of before stays beside the new one. Interrupted, the same command goes on.
    """
    with output.progress_bar(_AUDIT) as progress:
        done = refounding.join(NodeFolder(directory), files, progress, passphrase())
    output.show(done, _show_joined)


def _show_proposed(found: Proposal, file: Path) -> None:
    _show(found)
    if found.unsigned:
        output.say(
            f"Has not signed yet: {', '.join(found.unsigned)}. Send {file} there: `hmchain network refound sign FILE`"
        )
    else:
        output.say(f"All have signed. Send {file} to each; stop the node, then `hmchain network refound join FILE`")


def _show(found: Proposal) -> None:
    output.heading(f"{found.network} goes on where {found.former} stopped, after block {found.height}")
    output.say(f"Left: {', '.join(found.members)}. Left out, for good: {', '.join(found.left_out)}.")
    output.say(
        f"Its first block is {found.height + 2}, by protocol {found.protocol}; founded at {utc(found.time_ms)} UTC."
    )
    ended = ", ".join(found.studies) or "none"
    output.say(
        f"Open studies, which end with their last accepted model: {ended}. Open ballots, which lapse: {found.ballots}."
    )
    output.say("All else goes on: datasets, policies, requests, permits, budgets, models.")
    output.say("Compare this digest with every hospital that is left, by telephone:")
    output.say(f"genesis {found.genesis.hex()}", style="bold")


def _show_joined(done: Refounded) -> None:
    output.say(f"This node goes on with {done.network}, after block {done.height}. Start it: `hmchain node start`")
    output.say(f"Its ledger of before lies in {done.before}; `hmchain audit verify` reads both.")
    output.say("This digest anchors every audit from now on:")
    output.say(f"genesis {done.genesis.hex()}", style="bold")
