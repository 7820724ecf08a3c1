"""`hmchain network`: found a network of hospitals, join it, look at it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.cli import output
from hmchain.application.cli.node import DEFAULT_FOLDER, NodeOption, passphrase
from hmchain.application.cli.options import AsJson, example, parse_digest

app = typer.Typer(no_args_is_help=True, help="A network of hospitals: found it, join it, look at it.")

VALIDATOR_COLUMNS = ("hospital", "name", "power#", "share#", "consensus#", "learning#", "blocks proposed#", "remarks")


@app.command(epilog=example("hmchain network init north.json south.json west.json --chain brain-net"))
def init(
    members: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The member files of all founders.")],
    chain: Annotated[str, typer.Option(metavar="NAME", help="The network's name, in lower case.")],
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="The network file to write.")] = Path(
        "network.json"
    ),
    as_json: AsJson = False,
) -> None:
    """Make the network file of all founding members, and print the digest that anchors every audit."""
    from hmchain.application import network
    from hmchain.ledger.reputation import faults_tolerated

    if out.exists():
        raise network.NetworkFileError(f"{out} exists", "give another --output; a genesis is made once")
    introductions = [network.load_introduction(path) for path in members]
    made = network.found(introductions, chain, time.time_ns() // 1_000_000)
    network.save(made, out)
    digest = made.genesis.digest
    if as_json:
        output.emit({"file": out, "genesis": digest, "members": [peer.organisation for peer in made.peers]})
        return
    rows = ((each.member.organisation, each.member.title, each.address, each.fingerprint) for each in introductions)
    output.table(("hospital", "name", "address", "fingerprint"), rows)
    tolerated = faults_tolerated(len(introductions))
    output.say(f"{len(introductions)} members: the network goes on while at most {tolerated} of them fail or lie.")
    output.say(f"Compare the fingerprints by telephone, then send {out} to every member, with this digest beside it:")
    output.say(f"genesis {digest.hex()}", style="bold")
    output.say(f"hmchain network join {out} --genesis {digest.hex()}", style="bold")


@app.command(epilog=example("hmchain network join network.json --genesis DIGEST"))
def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The network file that the founder sent.")],
    directory: NodeOption = DEFAULT_FOLDER,
    genesis: Annotated[
        str | None,
        typer.Option("--genesis", metavar="DIGEST", help="Digest that the founder named by another way than the file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let this node join a network. It must hold this hospital with the keys of this node."""
    from hmchain.application import network, node
    from hmchain.application.node_folder import NodeFolder

    folder = NodeFolder(directory)
    found = network.load(file)
    node.join(folder, found, None if genesis is None else parse_digest(genesis), passphrase())
    digest = found.genesis.digest
    if as_json:
        output.emit({"network": found.genesis.chain_id, "genesis": digest, "peers": found.peers})
        return
    output.say(f"{folder.settings().organisation} has joined {found.genesis.chain_id}.")
    if genesis is None:
        output.say(f"Ask the founder by telephone whether this is the genesis digest: {digest.hex()}", style="bold")
    output.say("Start the node: hmchain node start" + ("" if directory == DEFAULT_FOLDER else f" --dir {directory}"))


@app.command(epilog=example("hmchain network status"))
def status(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show validators, voting power, reputation and who proposed, as this node sees it."""
    from hmchain.application import node
    from hmchain.application.node_folder import NodeFolder

    found = node.network_status(NodeFolder(directory))
    if as_json:
        output.emit(found)
        return
    output.heading(f"Network {found.chain_id}, block {found.height}")
    rows = (
        (each.organisation, each.title, each.power, f"{each.share_permyriad / 100:.1f} %", each.consensus,
         each.learning, each.proposed, "no longer a validator" if each.tombstoned else "jailed" if each.jailed else "")
        for each in found.validators
    )  # fmt: skip
    output.table(VALIDATOR_COLUMNS, rows)
    output.say(f"Proposers of the last {found.blocks} blocks. At most {found.tolerated} members may fail or lie.")
