"""`hmchain audit events|anchor|bundle|check`: a hospital's log of security events, and what an auditor takes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import bundling
from hmchain.application.node import bundle, event_audit
from hmchain.application.security.account import Account, kinds_named
from hmchain.application.site import hospital
from hmchain.application.site.node import NodeFolder
from hmchain.errors import LedgerError
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli import show_events as views
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.known_block import BlockOption, parse_block
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    GENESIS_HELP,
    HospitalOption,
    NodeOption,
    SinceOption,
    example,
    milliseconds,
    parse_digest,
    passphrase,
)
from hmchain.interfaces.cli.people import open_steward, talk

app = typer.Typer()

EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="KIND", help="Only events of this kind, such as key.changed; key for all of them."),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Every line as CSV, for a spreadsheet.")]
FhirOption = Annotated[bool, typer.Option("--fhir", help="Every event as a FHIR AuditEvent, one a line (NDJSON).")]


@app.command("events", cls=ReadCommand, epilog=example("hmchain audit events --event access.denied"))
def show_events(
    directory: HospitalOption = DEFAULT_FOLDER,
    since: SinceOption = None,
    event: EventOption = None,
    as_csv: CsvOption = False,
    as_fhir: FhirOption = False,
) -> None:
    """Check a hospital's log of security events, and show them: who signed in, changed, exported, was denied.

    Every event must follow from the one before, and those that were anchored must be the ones on the ledger: exit
    status 7 if one was cut out, put elsewhere or written anew, 6 if all follow and no ledger is there to compare with.
    No event names a patient.
    """
    place = hospital.locate(directory)
    found = event_audit.examine(place, since_ms=milliseconds(since), kinds=kinds_named(event or ()))
    output.show(found, _written(as_csv, as_fhir), json=views.as_json)
    if found.why_not:
        output.say(f"Compared with no ledger: {found.why_not}.", style="bold yellow", stderr=True)
        raise typer.Exit(LedgerError.exit_code)


@app.command(cls=PersonCommand, epilog=example("hmchain audit anchor"))
def anchor(
    directory: NodeOption = DEFAULT_FOLDER,
    after_loss: Annotated[
        bool,
        typer.Option("--after-loss", help="Say that anchored events are lost, and that the log goes on from a copy."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Anchor the log of security events on the ledger now, as the agent does from time to time.

    A log that lost anchored events, say with a disk, is anchored once its steward says so: that stays on the ledger.
    """
    if after_loss:
        confirm("Say on the ledger that events of the log are lost, for good?", yes=yes)
    with open_steward(directory, yes=yes) as user:
        made = bundling.anchor(user, NodeFolder(directory), after_loss=after_loss)
        output.tell(made, f"The log is anchored with its {made.size} events, in block {made.height}.")


@app.command("bundle", cls=WriteCommand, epilog=example("hmchain audit bundle --output north.zip"))
def make_bundle(
    file: Annotated[Path, typer.Option("--output", metavar="FILE", help="A new file, for the auditor.")],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Write all that an auditor needs into one signed file: the log of security events and the ledger that anchors it.

    The node must run; the log is anchored first. Nothing in it is secret, and no patient is in it.
    """
    with output.progress_bar("reading headers") as progress:
        made = bundling.make(NodeFolder(directory), file, passphrase(), progress, talk(yes=True))
    output.show(made, views.show_bundle)


@app.command("check", cls=ReadCommand, epilog=example("hmchain audit check north.zip --genesis DIGEST"))
def check_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle that `audit bundle` wrote.")],
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    block: BlockOption = None,
    since: SinceOption = None,
    event: EventOption = None,
    as_csv: CsvOption = False,
    as_fhir: FhirOption = False,
) -> None:
    """Check all of a bundle, offline: its signature, the ledger from its genesis on, and the log against its anchors.

    Exit status 0 only if all holds; 7 if anything does not. It needs no folder, no node, no key and no network.
    """
    known = None if genesis is None else parse_digest(genesis)
    trusted = None if block is None else parse_block(block)
    with output.progress_bar("replaying blocks") as progress:
        found = bundle.check(
            file, known, progress, trusted=trusted, since_ms=milliseconds(since), kinds=kinds_named(event or ())
        )
    if as_csv or as_fhir:
        output.show(found.log, _written(as_csv, as_fhir), json=views.as_json)
    else:
        output.show(found, views.show_checked, json=views.checked_as_json)
    if found.missing:
        raise typer.Exit(LedgerError.exit_code)


def _written(as_csv: bool, as_fhir: bool) -> Callable[[Account], None]:
    return views.write_csv if as_csv else views.write_fhir if as_fhir else views.show_events
