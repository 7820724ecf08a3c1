"""`hmchain node`: run one hospital's node of a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.network.rules import rules_words
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    GENESIS_HELP,
    AsJson,
    NodeOption,
    SignsAboveOption,
    example,
    parse_digest,
    passphrase,
)

if TYPE_CHECKING:
    from hmchain.application.node.status import NodeStatus

app = typer.Typer(no_args_is_help=True)

DAY_MINUTES = 24 * 60
AFTER_ROTATION = {
    "agent": "Restart the agent: until then what it sends is refused.",
    "validator": "The node takes it up by itself; its reputation and power are those of before.",
    "wrapping": "Restart the agent: it holds the old key still. Back up the vault anew: its old backups need that one.",
}


@app.command(epilog=example('hmchain node init north --title "North Hospital" --address north.example.org:26656'))
def init(
    organisation: Annotated[str, typer.Argument(metavar="NAME", help="Short name in lower case, for ever.")],
    title: Annotated[str, typer.Option(help="The hospital's full name.")],
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the other members' nodes reach this one.")],
    directory: NodeOption = DEFAULT_FOLDER,
    p2p: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where this node listens for the other nodes.")
    ] = "0.0.0.0:26656",
    rpc: Annotated[
        str, typer.Option("--rpc", metavar="HOST:PORT", help="Where it answers commands; keep it on this machine.")
    ] = "127.0.0.1:26657",
    as_json: AsJson = False,
) -> None:
    """Make a node: its keys, its settings, and the member file that introduces it to the others.

    The environment variable HMCHAIN_PASSPHRASE, if it is set, protects the key files.
    """
    from hmchain.application.node import joining
    from hmchain.application.site.node import NodeFolder
    from hmchain.application.site.settings import NodeSettings

    folder = NodeFolder(directory)
    settings = NodeSettings(organisation=organisation, title=title, address=address, p2p_listen=p2p, rpc_listen=rpc)
    introduction = joining.init(folder, settings, passphrase())
    if as_json:
        output.emit({"file": folder.introduction, "fingerprint": introduction.fingerprint})
        return
    output.say(f"{directory} is the node of {organisation}. Its keys are in {folder.keys}: back them up.")
    output.say(f"Send {folder.introduction} to whoever founds the network. It holds nothing secret.")
    output.fields((("fingerprint", introduction.fingerprint), ("", "to be compared by telephone")))


@app.command(epilog=example("hmchain node start"))
def start(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Run the node until it is told to stop (Ctrl-C, SIGTERM): the ledger and CometBFT together.

    A process that dies is started again, ever more slowly. Everything is logged into node.log.
    """
    from hmchain.application.node import process
    from hmchain.application.site.node import NodeFolder

    ended = process.run(NodeFolder(directory), _tell)
    if as_json:
        output.emit(ended)


@app.command(epilog=example("hmchain node agent"))
def agent(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Take part in studies until told to stop (Ctrl-C, SIGTERM). While the node is away, it waits and says so."""
    from hmchain.application.learning.memory import tune_allocator

    tune_allocator()  # before torch is imported
    from hmchain.application.node import agent_process
    from hmchain.application.site.node import NodeFolder

    ended = agent_process.run_agent(NodeFolder(directory), passphrase(), _tell)
    if as_json:
        output.emit(ended)


@app.command(epilog=example("hmchain node status"))
def status(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show height, peers and voting power of this node; exit status 6 if it does not run."""
    from hmchain.application.node import status as node_status
    from hmchain.application.site.node import NodeFolder

    folder = NodeFolder(directory)
    found = node_status.with_pace(folder, node_status.node_status(folder))
    if as_json:
        output.emit(found)
    else:
        _show(found)
    if not found.running:
        raise typer.Exit(6)


@app.command(epilog=example("hmchain node audit --genesis DIGEST"))
def audit(
    directory: NodeOption = DEFAULT_FOLDER,
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    as_json: AsJson = False,
) -> None:
    """Execute this node's whole ledger again, and compare the end with what the members signed; exit status 7 if not.

    The node must run, and the network with it: it gives the signed header.
    """
    from hmchain.application.node import status as node_status
    from hmchain.application.site.node import NodeFolder

    anchor = None if genesis is None else parse_digest(genesis)
    with output.progress_bar("executing blocks") as progress:
        found = node_status.audit(NodeFolder(directory), anchor, progress)
    if as_json:
        output.emit(found)
        return
    output.say("The ledger holds.", style="bold green")
    output.fields((
        ("network", found.chain_id),
        ("genesis", found.genesis.hex() + ("" if found.anchored else ", not compared with anything: give --genesis")),
        ("executed", f"{found.blocks} blocks, {found.transactions} transactions, {found.refused} of them refused"),
        ("signed", f"header {found.signed_height}, by {len(found.signers)} of {found.members}: "
                   f"{output.listed(found.signers)}"),
        ("state", found.commitment.hex()),
        *((("begins", f"after block {found.begins}, with a snapshot that founders signed"),) if found.begins else ()),
        ("not proven", "\n".join(found.not_proven)),
    ))  # fmt: skip


@app.command(epilog=example("hmchain node unjail"))
def unjail(directory: NodeOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Say that this node is back from a long silence or from maintenance, so that its votes count again."""
    from hmchain.application.governance import members
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder

    with open_steward(NodeFolder(directory), passphrase()) as steward:
        members.unjail(steward)
    if as_json:
        output.emit({"unjailed": True})
    else:
        output.say("Its votes count again.")


@app.command(epilog=example("hmchain node maintenance --minutes 120"))
def maintenance(
    minutes: Annotated[int, typer.Option(metavar="N", min=1, max=DAY_MINUTES, help="How long the node will be down.")],
    in_minutes: Annotated[
        int, typer.Option("--in-minutes", metavar="N", min=0, max=7 * DAY_MINUTES, help="From when on; 0 is at once.")
    ] = 0,
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Announce that this node will be down: it loses no reputation, and the others do not wait for its votes.

    The node must run. Once a week. When it is back, `hmchain node unjail` makes its votes count again.
    """
    from hmchain.application.governance import members
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder

    with open_steward(NodeFolder(directory), passphrase()) as steward:
        window = members.announce_maintenance(steward, minutes, in_minutes)
    if as_json:
        output.emit({"from_ms": window.from_ms, "until_ms": window.until_ms})
        return
    output.fields((("from", output.when(window.from_ms)), ("until", output.when(window.until_ms))))
    output.say("Stop the node when its time has come. When it is back and has caught up: `hmchain node unjail`.")


@app.command("rotate-key", epilog=example("hmchain node rotate-key validator"))
def rotate_key(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="steward, scientist, agent, validator or wrapping.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Replace one of this hospital's keys, on the ledger and on disk; the old one is refused from then on.

    The node must run. What was interrupted goes on with the same command.
    """
    from hmchain.application.governance import key_rotation
    from hmchain.application.site.node import NodeFolder

    say = (lambda text: None) if as_json else _tell
    done = key_rotation.rotate(NodeFolder(directory), role, passphrase(), say)
    if as_json:
        output.emit(done)
        return
    output.say(f"The {role} of {done.organisation} has a new key: {done.key.hex()}")
    output.say(AFTER_ROTATION.get(role, "The old one is refused from now on."))
    output.say(f"Back up {NodeFolder(directory).keys} anew; older copies of this key are worth nothing.")


@app.command(epilog=example("hmchain node snapshot backup.tar"))
def snapshot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Back up blocks and state of a node that is stopped. Holds no key; the ledger in it is every member's."""
    from hmchain.application.node import backup
    from hmchain.application.site.node import NodeFolder

    _show_kept(backup.snapshot(NodeFolder(directory), file), file, as_json=as_json)


@app.command(epilog=example("hmchain node restore backup.tar"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup that `node snapshot` wrote.")],
    directory: NodeOption = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Bring blocks and state back into a node that is stopped; every file is checked, and the state's commitment.

    What was there is kept, in before-restore-1 and so on. What the node has signed is never forgotten: its record of
    that stays as it is.
    """
    from hmchain.application.node import backup
    from hmchain.application.site.node import NodeFolder

    _show_kept(backup.restore(NodeFolder(directory), file), file, as_json=as_json)


@app.command(epilog=example("hmchain node recover"))
def recover(
    directory: NodeOption = DEFAULT_FOLDER,
    signs_above: SignsAboveOption = None,
    as_json: AsJson = False,
) -> None:
    """Begin a damaged node anew: the next start fetches all blocks from the other members. The node must be stopped.

    Keys, settings and the record of what the node has signed stay as they are; the rest is kept beside them.
    """
    from hmchain.application.node import recovery
    from hmchain.application.site.node import NodeFolder

    kept = recovery.recover(NodeFolder(directory), signs_above)
    if as_json:
        output.emit({"kept": kept})
        return
    output.say(f"What was there is in {kept}; delete it once the node runs.")
    output.say("Start the node: it fetches all blocks from the other members and executes them.")


def _tell(text: str) -> None:
    """Standard output is for what a command found out."""
    output.say(text, stderr=True)


def _show_kept(kept: tuple[int, bytes], file: Path, *, as_json: bool) -> None:
    height, commitment = kept
    if as_json:
        output.emit({"file": file, "height": height, "commitment": commitment})
    else:
        output.fields((("file", file), ("height", height), ("state commitment", commitment.hex())))


def _pace_rows(found: NodeStatus) -> list[tuple[str, object]]:
    if (pace := found.pace) is None:
        return []
    measured = ", ".join(f"{name} {took} ms" for name, took in sorted(pace.measured_ms.items())) or "none measured"
    return [
        ("round trips", f"{measured}; the pace is made for {pace.round_trip_ms} ms"),
        ("votes missed", f"{pace.missed} of the last {pace.blocks} blocks"),
        *(("warning", warning) for warning in pace.warnings),
    ]


def _life(found: NodeStatus) -> str:
    if found.running:
        return "running"
    if found.runner:
        return f"not answering: {found.runner} has it, and CometBFT is starting or does not come up; see node.log"
    return "not running: start it with `hmchain node start`"


def _show(found: NodeStatus) -> None:
    output.fields((
        ("node", f"{found.organisation}, {_life(found)}"),
        ("network", found.chain_id),
        ("genesis", found.genesis.hex()),
        ("height", f"{found.height}{', catching up' if found.catching_up else ''}"),
        ("last block", f"{found.block}\n{found.time}" if found.block else "-"),
        ("voting power", found.power),
        ("connected to", output.listed(found.peers)),
        ("not connected to", output.listed(found.missing)),
        ("state", f"block {found.state_height}, commitment {output.short(found.commitment)}, {found.vouched}"),
        *((("protocol", rules_words(found.rules)),) if found.rules else ()),
        ("waiting", f"{found.waiting} transactions"),
        *((("log", f"begins after block {found.log_after}, with a snapshot"),) if found.log_after else ()),
        *_pace_rows(found),
        *((("last error", found.trouble),) if found.trouble else ()),
        *((("damage", found.damage),) if found.damage else ()),
    ))  # fmt: skip
