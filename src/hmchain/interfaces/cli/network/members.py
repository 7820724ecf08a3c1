"""`hmchain network`: found a network of hospitals, join it, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.clock import now_ms
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.audit import parse_block
from hmchain.interfaces.cli.network import ballots as balloting
from hmchain.interfaces.cli.network import upgrade
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    AsJson,
    NodeOption,
    SignsAboveOption,
    example,
    parse_digest,
    passphrase,
)

if TYPE_CHECKING:
    from hmchain.application.node.joining import Founded, Joined, SnapshotSource
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers.members import ValidatorStatus

app = typer.Typer(no_args_is_help=True)
app.add_typer(upgrade.app, name="upgrade")

VALIDATOR_COLUMNS = ("hospital", "name", "power#", "share#", "consensus#", "learning#", "blocks proposed#", "remarks")
PARAMETER_COLUMNS = ("parameter", "value#", "may be")


@app.command(epilog=example("hmchain network init north.json south.json west.json --chain brain-net"))
def init(
    members: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The member files of all founders.")],
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
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the network file of all founding members, and print the digest that anchors every audit."""
    from hmchain.application.node import joining

    founded = joining.found(members, chain, out, round_trip)
    genesis = founded.network.genesis
    facts = {"file": out, "chain": genesis.chain_id, "genesis": genesis.digest, "members": founded.names}
    output.show(facts, lambda _: _show_founded(founded, out))


def _show_founded(founded: Founded, file: Path) -> None:
    genesis, members = founded.network.genesis, founded.introductions
    rows = ((each.member.organisation, each.member.title, each.address, each.fingerprint) for each in members)
    output.table(("hospital", "name", "address", "fingerprint"), rows)
    output.say(f"The chain is {genesis.chain_id}: the name, and 80 bits of the digest below.")
    output.say(f"{len(members)} members: the network goes on while at most {founded.tolerated} of them fail or lie.")
    output.say(f"Compare the fingerprints by telephone, then send {file} to every member, with this digest beside it:")
    output.say(f"genesis {genesis.digest.hex()}", style="bold")
    output.say(f"hmchain network join {file} --genesis {genesis.digest.hex()}", style="bold")


@app.command(epilog=example("hmchain network join network.json --genesis DIGEST"))
def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The network file that the founder sent.")],
    directory: NodeOption = DEFAULT_FOLDER,
    genesis: Annotated[
        str | None,
        typer.Option("--genesis", metavar="DIGEST", help="Digest that the founder named by another way than the file."),
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
    as_json: AsJson = False,
) -> None:
    """Let this node join a network, as a founder or to be admitted later."""
    from hmchain.application.node import joining
    from hmchain.application.site.node import NodeFolder

    folder = NodeFolder(directory)
    done = joining.join(
        folder, file, genesis=None if genesis is None else parse_digest(genesis), signs_above=signs_above,
        snapshot=_snapshot_source(trust, rpc or [], wanted=from_snapshot), passphrase=passphrase(),
    )  # fmt: skip
    output.show(done, lambda done: _show_joined(done, folder, compare=genesis is None))


def _show_joined(done: Joined, folder: NodeFolder, *, compare: bool) -> None:
    output.say(f"{folder.settings().organisation} has joined {done.network}.")
    if not done.founder:
        output.say(f"It is no founder: send {folder.introduction} to a member, who runs hmchain network admit FILE.")
    if compare:
        question = f"Ask the founder by telephone whether this is the genesis digest: {done.genesis.hex()}"
        output.say(question, style="bold")
    output.say(
        "Start the node: hmchain node start" + ("" if folder.path == DEFAULT_FOLDER else f" --dir {folder.path}")
    )


def _snapshot_source(trust: str | None, servers: list[str], *, wanted: bool) -> SnapshotSource | None:
    """What was given of a snapshot to begin with, all of it or nothing."""
    from hmchain.application.node.joining import SnapshotSource
    from hmchain.application.node.snapshot_join import FromSnapshotError

    if not wanted:
        if trust is not None or servers:
            raise FromSnapshotError("--trust and --rpc belong to a snapshot", "add --from-snapshot")
        return None
    if trust is None:
        hint = "let a member read out `last block` in its `hmchain node status`: --trust"
        raise FromSnapshotError("no block to trust was given", hint)
    return SnapshotSource(parse_block(trust), tuple(servers))


@app.command(epilog=example("hmchain network status"))
def status(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show validators, voting power, reputation and who proposed, as this node sees it."""
    from hmchain.application.node import status as node_status
    from hmchain.application.site.node import NodeFolder

    found = node_status.network_status(NodeFolder(directory))
    if as_json:
        output.emit(found)
        return
    output.heading(f"Network {found.chain_id}, block {found.height}, {found.vouched}")
    rows = (
        (each.organisation, each.title, each.power, f"{each.share_permyriad / 100:.1f} %", each.consensus,
         each.learning, each.proposed, _standing(each))
        for each in found.validators
    )  # fmt: skip
    output.table(VALIDATOR_COLUMNS, rows)
    output.say(f"Proposers of the last {found.blocks} blocks. At most {found.tolerated} members may fail or lie.")


def _standing(found: ValidatorStatus) -> str:
    if found.tombstoned:
        return "no longer a validator"
    if found.jailed and found.maintenance_until_ms > now_ms():
        return f"maintenance until {output.when(found.maintenance_until_ms)} UTC"
    return "jailed" if found.jailed else ""


@app.command(epilog=example("hmchain network ballots"))
def ballots(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """List what the members were asked to decide, the newest first."""
    from hmchain.application.node.reading import verified_state
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers import members

    with verified_state(NodeFolder(directory).ledger) as read:
        output.vouch(read)
        found = members.ballots(read.state)
    if as_json:
        output.emit(found)
    else:
        output.table(balloting.COLUMNS, (balloting.row(ballot) for ballot in found))


@app.command(epilog=example("hmchain network admit west.json"))
def admit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The member file of whoever wants to join.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Propose that a hospital joins the running network. Two thirds of the members must vote for it."""
    from hmchain.application.governance import members
    from hmchain.application.site import network

    member = network.load_introduction(file).member
    balloting.propose(directory, lambda steward: members.admit(steward, member), as_json=as_json)


@app.command(epilog=example("hmchain network remove west"))
def remove(
    organisation: Annotated[str, typer.Argument(metavar="NAME", help="The member's short name.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Propose that a member leaves, for good. Two thirds of the members must vote for it."""
    from hmchain.application.governance import members

    balloting.propose(directory, lambda steward: members.remove(steward, organisation), as_json=as_json)


@app.command("parameters", epilog=example("hmchain network parameters"))
def show_parameters(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show the rules that the members agreed on, and what is proposed to change."""
    from msgspec.structs import asdict

    from hmchain.application.node.reading import verified_state
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.contracts.members import parameters
    from hmchain.ledger.contracts.members.membership import SetParameters
    from hmchain.ledger.readers import members

    with verified_state(NodeFolder(directory).ledger) as read:
        output.vouch(read)
        rules = asdict(parameters.current(read.state))
        waiting = [ballot for ballot in members.ballots(read.state, SetParameters) if ballot.open]
    if as_json:
        output.emit({"parameters": rules, "ballots": waiting})
        return
    rows = ((name, value, "{} to {}".format(*parameters.RANGES[name])) for name, value in rules.items())
    output.table(PARAMETER_COLUMNS, rows)
    if waiting:
        output.table(balloting.COLUMNS, map(balloting.row, waiting))


@app.command("set", epilog=example("hmchain network set round_trip_ms=160"))
def set_parameters(
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="What is to change, and to what.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Propose other network parameters; `network parameters` lists them. Two thirds of the members must vote for it."""
    from hmchain.application.governance import members

    balloting.propose(directory, lambda steward: members.set_parameters(steward, settings), as_json=as_json)


@app.command(epilog=example("hmchain network vote 3f9a"))
def vote(
    ballot: Annotated[str, typer.Argument(metavar="BALLOT", help="Id of the ballot, or its first digits.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Vote yes to an open ballot, as this hospital's steward."""
    balloting.vote(directory, ballot, as_json=as_json)


@app.command(epilog=example("hmchain network withdraw 3f9a"))
def withdraw(
    ballot: Annotated[str, typer.Argument(metavar="BALLOT", help="Id of the ballot, or its first digits.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Take back this hospital's yes to an open ballot; with the last one the ballot is over."""
    balloting.withdraw(directory, ballot, as_json=as_json)
