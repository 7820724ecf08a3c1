"""`hmchain network`: found a network of hospitals, join it, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.node import joining
from hmchain.application.node import status as node_status
from hmchain.application.node.health import Health
from hmchain.application.node.joining import FoundedNetwork, SnapshotSource
from hmchain.application.node.snapshot_join import FromSnapshotError
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.known_block import parse_block
from hmchain.interfaces.cli.network import show
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    GENESIS_HELP,
    MembersOption,
    NodeOption,
    SignsAboveOption,
    example,
    parse_digest,
    passphrase,
)
from hmchain.interfaces.client import members as ask_members

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain network init north.json south.json west.json --chain brain-net"))
def init(
    members: Annotated[list[Path], typer.Argument(metavar="FILE", help="The member files of all founders.")],
    chain: Annotated[
        str, typer.Option(metavar="NAME", help="The network's name: up to 28 of a-z, 0-9, '.', '_' and '-'.")
    ],
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="The network file to write.")] = Path(
        "network.json"
    ),
    round_trip: Annotated[
        int,
        typer.Option(
            "--round-trip", metavar="MS", min=10, max=2000,
            help="Largest round trip between two members' nodes in milliseconds, as ping shows it.",
        ),
    ] = 50,
) -> None:  # fmt: skip
    """Make the network file of all founding members, and print the digest that anchors every audit."""
    founded = joining.found(members, chain, out, round_trip)
    output.show(founded, lambda made: show.show_founded(made, out), json=lambda made: _founded(made, out))


def _founded(made: FoundedNetwork, file: Path) -> dict[str, object]:
    genesis = made.network.genesis
    return {"file": file, "chain": genesis.chain_id, "genesis": genesis.digest, "members": made.names}


@app.command(cls=WriteCommand, epilog=example("hmchain network join network.json --genesis DIGEST"))
def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The network file that the founder sent.")],
    directory: NodeOption = DEFAULT_FOLDER,
    genesis: Annotated[
        str | None,
        typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP),
    ] = None,
    signs_above: SignsAboveOption = None,
    from_snapshot: Annotated[
        bool, typer.Option("--from-snapshot", help="Begin with a snapshot of the state, not with the first block.")
    ] = False,
    trust: Annotated[
        str | None,
        typer.Option(
            "--trust", metavar="HEIGHT:HASH", help="With it: a block that a member vouches for, from its `node status`."
        ),
    ] = None,
    rpc: Annotated[
        list[str] | None,
        typer.Option("--rpc", metavar="HOST:PORT", help="With it, twice: where two members' nodes answer commands."),
    ] = None,
    founding: Annotated[
        Path | None,
        typer.Option(
            "--founding", metavar="PLACE",
            help="Of a network that was founded again: a member's ledger, its folder or an exported file.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Let this node join a network, as a founder or to be admitted later."""
    folder = NodeFolder(directory)
    joined = joining.join(
        folder, file, genesis=None if genesis is None else parse_digest(genesis), signs_above=signs_above,
        snapshot=_snapshot_source(trust, rpc or [], wanted=from_snapshot), founding=founding,
        passphrase=passphrase(),
    )  # fmt: skip
    output.show(joined, lambda done: show.show_joined(done, folder, compare=genesis is None))


def _snapshot_source(trust: str | None, servers: list[str], *, wanted: bool) -> SnapshotSource | None:
    """The snapshot to begin with, if all of it was given."""
    if not wanted:
        if trust is not None or servers:
            raise FromSnapshotError("--trust and --rpc belong to a snapshot", "add --from-snapshot")
        return None
    if trust is None:
        hint = "let a member read out `last block` in its `hmchain node status`: --trust"
        raise FromSnapshotError("no block to trust was given", hint)
    return SnapshotSource(parse_block(trust), tuple(servers))


@app.command(cls=PortalReadCommand, epilog=example("hmchain network status"))
def status(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """Show whether the network goes on, validators, voting power, reputation and who proposed, as this node sees it.

    Exit status 6 if it stands still. Of a ledger without its node it shows the members as the ledger has them.
    """
    found = remote.asked(directory, ask_members.network()) or node_status.network_at(directory)
    output.show(found, show.show_network)
    if found.health is not None and found.health.verdict is Health.STANDS_STILL:
        raise typer.Exit(6)
