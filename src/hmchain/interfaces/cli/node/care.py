"""`hmchain node`: care for a running node, its keys, and its backups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import key_rotation, members
from hmchain.application.node import backup, ledger_export, recovery
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ResumedCommand, WriteCommand
from hmchain.interfaces.cli.node import show
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, SignsAboveOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward

app = typer.Typer()

DAY_MINUTES = 24 * 60


@app.command(cls=PersonCommand, epilog=example("hmchain node unjail"))
def unjail(directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Say that this node is back from a long silence or from maintenance, so that its votes count again."""
    with open_steward(directory, yes=yes) as steward:
        members.unjail(steward)
    output.show({"unjailed": True}, lambda _: output.say("Its votes count again."))


@app.command(cls=PersonCommand, epilog=example("hmchain node maintenance --minutes 120"))
def maintenance(
    minutes: Annotated[int, typer.Option(metavar="N", min=1, max=DAY_MINUTES, help="How long the node will be down.")],
    in_minutes: Annotated[
        int, typer.Option("--in-minutes", metavar="N", min=0, max=7 * DAY_MINUTES, help="From when on; 0 is at once.")
    ] = 0,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Announce that this node will be down: it loses no reputation, and the others do not wait for its votes.

    The node must run. Once a week. When it is back, `hmchain node unjail` makes its votes count again.
    """
    with open_steward(directory, yes=yes) as steward:
        window = members.announce_maintenance(steward, minutes, in_minutes)
    output.show({"from_ms": window.from_ms, "until_ms": window.until_ms}, show.show_window)


@app.command("rotate-key", cls=ResumedCommand, epilog=example("hmchain node rotate-key validator"))
def rotate_key(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="steward, scientist, agent, validator or wrapping.")],
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Replace one of this hospital's keys, on the ledger and on disk; the old one is refused from then on.

    The node must run. What was interrupted goes on with the same command.
    """
    folder = NodeFolder(directory)
    key_rotation.require_role(role)
    question = f"Replace the key of the {role} of {folder.settings().organisation}? The old one is refused from then on"
    confirm(question, yes=yes)
    done = key_rotation.rotate(folder, role, passphrase(), output.remark)
    output.show(done, lambda rotated: show.show_rotated(rotated, role, folder))


@app.command(cls=WriteCommand, epilog=example("hmchain node snapshot backup.tar"))
def snapshot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Back up blocks and state of a node that is stopped. Holds no key; the ledger in it is every member's."""
    height, commitment = backup.snapshot(NodeFolder(directory), file)
    output.show({"file": file, "height": height, "commitment": commitment}, show.show_backup)


@app.command("export-ledger", cls=WriteCommand, epilog=example("hmchain node export-ledger ledger.zip"))
def export_ledger(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, new.")],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Write all that an outsider needs to audit this network's ledger into one file: blocks, genesis, signed headers.

    No key, no state, no record. The node may run or be stopped. Commands that read a ledger take the file as they take
    a folder: anywhere, without a network, and on media that cannot be written.
    """
    with output.progress_bar("exporting the ledger") as progress:
        found = ledger_export.export(NodeFolder(directory), file, progress)
    output.show(found, show.show_export)


@app.command(cls=WriteCommand, epilog=example("hmchain node restore backup.tar"))
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup that `node snapshot` wrote.")],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Bring blocks and state back into a node that is stopped; every file is checked, and the state's commitment.

    What was there is kept, in before-restore-1 and so on. What the node has signed is never forgotten: its record of
    that stays as it is.
    """
    height, commitment = backup.restore(NodeFolder(directory), file)
    output.show({"file": file, "height": height, "commitment": commitment}, show.show_restored)


@app.command(cls=WriteCommand, epilog=example("hmchain node recover"))
def recover(directory: NodeOption = DEFAULT_FOLDER, signs_above: SignsAboveOption = None) -> None:
    """Begin a damaged node anew: the next start fetches all blocks from the other members. The node must be stopped.

    Keys, settings and the record of what the node has signed stay as they are; the rest is kept beside them.
    """
    output.show({"kept": recovery.recover(NodeFolder(directory), signs_above)}, show.show_recovered)
