"""`hmchain node init`, `start`, `agent`, `status` and `audit`: make a node, run it, look at it."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import trainers
from hmchain.application.learning.memory import tune_allocator
from hmchain.application.node import agent_process, joining, process, units
from hmchain.application.node import status as node_status
from hmchain.application.node.health import Health
from hmchain.application.releases import answering
from hmchain.application.sharing.on_duty import OnDuty
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.node import show
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    GENESIS_HELP,
    TITLE_HELP,
    NodeOption,
    example,
    new_passphrase,
    parse_digest,
    passphrase,
)
from hmchain.interfaces.program import NAME

app = typer.Typer()


@app.command(
    cls=WriteCommand,
    epilog=example('hmchain node init north --title "North Hospital" --address north.example.org:26656'),
)
def init(
    organisation: Annotated[str, typer.Argument(metavar="NAME", help="Short name in lower case, for ever.")],
    title: Annotated[str, typer.Option(metavar="TEXT", help=TITLE_HELP)],
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the other members' nodes reach this one.")],
    directory: NodeOption = DEFAULT_FOLDER,
    p2p: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where this node listens for the other nodes.")
    ] = "0.0.0.0:26656",
    rpc: Annotated[
        str, typer.Option("--rpc", metavar="HOST:PORT", help="Where it answers commands; keep it on this machine.")
    ] = "127.0.0.1:26657",
) -> None:
    """Make a node: its keys, its settings, and the member file that introduces it to the others.

    A passphrase seals the key files: it is asked for at a terminal, or comes with --passphrase-file.
    """
    folder = NodeFolder(directory)
    settings = NodeSettings(organisation=organisation, title=title, address=address, p2p_listen=p2p, rpc_listen=rpc)
    joining.require_new(folder, settings)
    given = new_passphrase()
    introduction = joining.init(folder, settings, given)
    output.show(
        introduction,
        lambda made: show.show_made(made, folder, sealed=given is not None),
        json=lambda made: {
            "file": folder.introduction,
            "fingerprint": made.fingerprint,
            "sealed": given is not None,
        },
    )


@app.command(cls=WriteCommand, epilog=example("hmchain node start"))
def start(directory: NodeOption = DEFAULT_FOLDER) -> None:
    """Run the node until it is told to stop (Ctrl-C, SIGTERM): the ledger and CometBFT together.

    A process that dies is started again, ever more slowly. Everything is logged into node.log.
    """
    for library in ("httpx", "google.protobuf"):
        import_module(library)  # what runs would lack it, and be started again, and again
    output.show(process.run(NodeFolder(directory), show.tell), show.nothing)


@app.command(cls=WriteCommand, epilog=example("hmchain node agent"))
def agent(
    directory: NodeOption = DEFAULT_FOLDER,
    trainer: Annotated[
        list[str] | None,
        typer.Option(
            "--trainer",
            metavar="FILE.py:CLASS@DIGEST",
            help="Somebody's own trainer, or MODULE:CLASS@DIGEST, beside those of node.toml; may be given again.",
        ),
    ] = None,
) -> None:
    """Take part in studies until told to stop (Ctrl-C, SIGTERM). While the node is away, it waits and says so.

    It also answers emergencies, and releases of counts, as the hospital's policies let it, and erases what came by a
    grant that is over.
    """
    tune_allocator()  # before torch is imported
    folder = NodeFolder(directory)
    learn = trainers.learning(folder, trainer or ())
    output.show(
        agent_process.run_agent(folder, passphrase(), show.tell, learn, (OnDuty, answering.on_duty)), show.nothing
    )


@app.command("units", cls=WriteCommand, epilog=example("hmchain node units --output /etc/systemd/system"))
def write_units(
    directory: NodeOption = DEFAULT_FOLDER,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who runs them.", show_default="the folder's owner")
    ] = None,
    output_: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Write them there.", show_default="print them"),
    ] = None,
) -> None:
    """Give the units by which systemd runs this node, its agent and its portal, with no more rights than they need."""
    folder = NodeFolder(directory)
    found = units.units(folder, Path(sys.executable).with_name(NAME), user or folder.path.owner())
    if output_ is not None:
        units.write(found, output_)
    output.show(found, partial(show.show_units, written=output_))


@app.command(cls=ReadCommand, epilog=example("hmchain node status"))
def status(directory: NodeOption = DEFAULT_FOLDER) -> None:
    """Show height, peers and voting power of this node, and whether the network goes on.

    Exit status 6 if the node does not run or the network stands still.
    """
    folder = NodeFolder(directory)
    found = node_status.with_pace(folder, node_status.node_status(folder))
    output.show(found, show.show_status)
    if found.health is None or found.health.verdict is Health.STANDS_STILL:
        raise typer.Exit(6)


@app.command(cls=ReadCommand, epilog=example("hmchain node audit --genesis DIGEST"))
def audit(
    directory: NodeOption = DEFAULT_FOLDER,
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
) -> None:
    """Execute this node's whole ledger again, and compare the end with what the members signed; exit status 7 if not.

    The node must run, and the network with it: it gives the signed header.
    """
    anchor = None if genesis is None else parse_digest(genesis)
    with output.progress_bar("executing blocks") as progress:
        found = node_status.audit(NodeFolder(directory), anchor, progress)
    output.show(found, show.show_audit)
