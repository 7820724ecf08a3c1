"""`hmchain share list|show|revoke`: what travelled, how it stands with each, and taking back what was given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import transfers as services
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.node import transfer_words
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, MembersOption, PersonOption, example
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.client import sharing as ask_sharing
from hmchain.ledger.readers import transfers as reader
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.transfers import Standing, TransferView

app = typer.Typer()

TransferName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the transfer.")]
COLUMNS = ("name", "of", "to", "how it stands", "until (UTC)", "request")
DROP = ("request", "of")


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain share list"))
def list_transfers(directory: MembersOption = DEFAULT_FOLDER) -> None:
    """List what this hospital gave and was given: what is overdue first, then what is to be erased or received.

    Of a ledger alone what all of its members gave.
    """
    if remote.shown(directory, ask_sharing.transfers(), _show_list):
        return
    with opened(directory) as (ledger, organisation):
        found = reader.listed(ledger.verified.state, organisation)
    output.show(found, _show_list)


@app.command(cls=PortalReadCommand, epilog=example("hmchain share show relapse-east"))
def show(name: TransferName, directory: MembersOption = DEFAULT_FOLDER) -> None:
    """Show one transfer: who gave what to whom, under which permit, until when, and the receipt of its erasure."""
    if remote.shown(directory, ask_sharing.transfer(name), show_transfer):
        return
    with opened(directory) as (ledger, _):
        found = reader.transfer(ledger.verified.state, name)
    output.show(found, show_transfer)


@app.command(cls=PersonCommand, epilog=example("hmchain share revoke relapse-east --reason consent"))
def revoke(
    name: TransferName,
    reason: Annotated[str, typer.Option("--reason", help="consent, error, misuse, policy, security or other.")],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward of the giver: take a grant back for good. Its grantee may use nothing of it any more, and erases it."""
    with open_steward(node, yes=yes) as user:
        shown = reader.transfer(user.state, name)
        question = f"Take {name} back for good, with the reason {reason!r} on the ledger for ever?"
        confirm(question, yes=yes, about=lambda: show_transfer(shown))
        done = services.revoke(user, name, reason)
    output.tell(
        done, f"{name} is taken back. {done.grantee} erases it by {output.when(done.due_ms)[:10]}, and signs it."
    )


@contextmanager
def opened(place: Path) -> Iterator[tuple[LedgerReader, str]]:
    """A ledger, and whose node it is at; nobody's of a ledger by itself."""
    node = NodeFolder(place)
    own = node.settings().organisation if node.toml.is_file() else ""
    with ledger_at(place) as folder, open_ledger(folder) as ledger:
        output.vouch(ledger.verified)
        yield ledger, own


def _show_list(found: Sequence[TransferView]) -> None:
    if not found:
        output.say("Nothing was given or received.")
        return
    output.table(COLUMNS, [_row(each) for each in found], drop=DROP)
    output.say("See one: `hmchain share show NAME`")


def _row(each: TransferView) -> tuple[object, ...]:
    what = f"{each.giver}/{each.dataset} v{each.version}"
    stands = f"OVERDUE since {output.when(each.due_ms)[:10]}" if each.standing is Standing.OVERDUE else each.standing
    return each.name, what, each.grantee, stands, output.when(each.until_ms)[:16], each.request or "emergency"


def show_transfer(found: TransferView) -> None:
    """All that the ledger has of a transfer."""
    output.fields((
        ("transfer", f"{found.name}: {_STANDS[found.standing]}"),
        ("given by", f"{found.granted_by}, {output.when(found.granted_ms)} UTC"),
        ("to", found.grantee),
        ("records", f"of {found.giver}/{found.dataset} version {found.version}"),
        ("for", purpose_words(found.purpose)),
        ("under", f"the permit of request {found.request}" if found.request else "an emergency, for treatment alone"),
        ("until", f"{output.when(found.until_ms)} UTC"),
        *((("received", f"{output.when(found.received_ms)} UTC"),) if found.received_ms else ()),
        *((("taken back", f"with the reason {found.reason}"),) if found.reason else ()),
        *((("over since", f"{output.when(found.ended_ms)} UTC"),) if found.is_over else ()),
        *((("to be erased by", f"{output.when(found.due_ms)} UTC"),) if found.due_ms else ()),
        *_receipt(found),
        *((("since then", "records of this version were erased at its giver"),) if found.withdrawn else ()),
        ("manifest", found.manifest.hex()),
    ))  # fmt: skip


def _receipt(found: TransferView) -> tuple[tuple[str, str], ...]:
    if not found.erased_by:
        return ()
    said = transfer_words.STATED[found.statement]
    return (("receipt", f"{found.erased_by} signed on {output.when(found.erased_ms)} UTC: {said}"),)


_STANDS = {
    Standing.OFFERED: "offered, and not received yet",
    Standing.RECEIVED: "received, and in use",
    Standing.WAITS: "not to be used now: its permit is not in force, or records of it were erased at its giver",
    Standing.TO_ERASE: "over, and to be erased",
    Standing.OVERDUE: "OVER, AND ITS ERASURE IS OVERDUE",
    Standing.ERASED: "erased, by its receipt",
    Standing.LOST: "LOST with its grantee's vault: no key was destroyed",
}
