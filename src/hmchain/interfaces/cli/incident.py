"""`hmchain incident`: what went wrong at a member, told to all, followed until it is contained and over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import incidents
from hmchain.application.governance.incidents import IncidentInWords, Report
from hmchain.application.governance.requests.documents import Document, DocumentError, file_document, text_document
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli import show_incident as views
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, MembersOption, NodeOption, SinceOption, example, milliseconds
from hmchain.interfaces.cli.request import acting
from hmchain.interfaces.cli.request.acting import LetterOption, Speaker
from hmchain.interfaces.client import members as ask_members
from hmchain.ledger.readers import incidents as reader
from hmchain.ledger.readers.incidents import IncidentView
from hmchain.plain import size

app = typer.Typer(no_args_is_help=True)

IncidentName = Annotated[str, typer.Argument(metavar="INCIDENT", help="Name of the incident.")]
PaperOption = Annotated[
    Path | None,
    typer.Option("--paper", metavar="FILE", help="Evidence: a PDF, a picture or a text, sealed to the members."),
]
AffectsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--affects", metavar="MEMBER", help="Where it happened, or acts; again for more.", show_default="here"
    ),
]
StolenOption = Annotated[
    list[str] | None,
    typer.Option("--stolen", metavar="PERSON", help="Whose key was stolen: ORGANISATION/PERSON, or /agent; again."),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option("--measure", metavar="CODE", help="What was done: the guide has the codes; again for more."),
]


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain incident list"))
def list_incidents(
    directory: MembersOption = DEFAULT_FOLDER,
    living: Annotated[bool, typer.Option("--living", help="Leave out what is closed.")] = False,
) -> None:
    """List the incidents of all members: those that are open first."""
    if remote.shown(directory, ask_members.incidents(living=living), views.show_list):
        return
    with ledger_at(directory) as place, open_ledger(place) as ledger:
        output.vouch(ledger.verified)
        found = reader.all_incidents(ledger.verified.state, over=not living)
    output.show(found, views.show_list)


@app.command(cls=PortalReadCommand, epilog=example("hmchain incident show lost-laptop --signed"))
def show(
    incident: IncidentName,
    directory: MembersOption = DEFAULT_FOLDER,
    signed: Annotated[
        bool, typer.Option("--signed", help="Also all that the stolen keys signed, whoever had them.")
    ] = False,
    since: SinceOption = None,
) -> None:
    """Show one incident: how far each member is, what was done and said when, and what is next.

    Of a ledger alone without what is sealed to the members.
    """

    def view(found: IncidentInWords) -> None:
        views.show_incident(found, signed=signed)

    since_ms = milliseconds(since)
    if remote.shown(directory, ask_members.incident(incident, signed=signed, since_ms=since_ms), view):
        return
    papers = acting.papers_of(directory) if NodeFolder(directory).toml.is_file() else None
    with ledger_at(directory) as place, open_ledger(place) as ledger:
        output.vouch(ledger.verified)
        found = incidents.shown(ledger, incident, papers, signed=signed, since_ms=since_ms)
    output.show(found, view)


@app.command("open", cls=PersonCommand, epilog=example("hmchain incident open lost-laptop key --stolen east/s1"))
def open_(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="A short name, which all members read.")],
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="key, access, disclosure, altered, malware, outage or other."),
    ],
    severity: Annotated[
        str, typer.Option("--severity", metavar="CODE", help="low, medium or high: members answer in 7, 3 or 1 days.")
    ] = "medium",
    affects: AffectsOption = None,
    stolen: StolenOption = None,
    noticed: Annotated[
        datetime | None,
        typer.Option(
            "--noticed", metavar="TIME", formats=["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            help="When it was noticed (UTC).", show_default="now",
        ),
    ] = None,
    letter: LetterOption = "",
    paper: PaperOption = None,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:  # fmt: skip
    """Tell all members that something went wrong: steward, officer, operator, data protection or auditor.

    Cut a stolen key off first: `hmchain people suspend NAME`.
    """
    report = Report(incident, kind, severity, tuple(affects or ()), tuple(stolen or ()), milliseconds(noticed))
    question = f"Tell all members of {incident} ({kind}, {severity})? It stays on the ledger."

    def say(who: Speaker, document: Document | None) -> IncidentView:
        return incidents.opened(who.user, who.papers, report, document)

    _say(directory, question, say, letter, paper, yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain incident acknowledge lost-laptop"))
def acknowledge(
    incident: IncidentName,
    letter: LetterOption = "",
    paper: PaperOption = None,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Say that this hospital knows of an incident."""

    def say(who: Speaker, document: Document | None) -> IncidentView:
        return incidents.acknowledge(who.user, who.papers, incident, document)

    _say(directory, "", say, letter, paper, yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain incident note lost-laptop --measure persons-told"))
def note(
    incident: IncidentName,
    measures: MeasureOption = None,
    affects: AffectsOption = None,
    stolen: StolenOption = None,
    letter: LetterOption = "",
    paper: PaperOption = None,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Say what was done or became known since; who opened it adds members and keys, others themselves and their own."""

    def say(who: Speaker, document: Document | None) -> IncidentView:
        return incidents.note(who.user, who.papers, incident, measures or (), affects or (), stolen or (), document)

    _say(directory, "", say, letter, paper, yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain incident contain lost-laptop --measure key-cut-off"))
def contain(
    incident: IncidentName,
    measures: MeasureOption = None,
    letter: LetterOption = "",
    paper: PaperOption = None,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Say what this hospital did, after which it goes on no more here. Refused while a stolen key of it still signs."""

    def say(who: Speaker, document: Document | None) -> IncidentView:
        return incidents.contain(who.user, who.papers, incident, measures or (), document)

    _say(directory, f"Say to all members that {incident} is contained here?", say, letter, paper, yes=yes)


@app.command(cls=PersonCommand, epilog=example("hmchain incident close lost-laptop --as o1"))
def close(
    incident: IncidentName,
    letter: LetterOption = "",
    paper: PaperOption = None,
    directory: NodeOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Say that an incident is over, once all that are affected contained it: whoever opened it does, for good.

    By another person than who contained it here, where there is another.
    """

    def say(who: Speaker, document: Document | None) -> IncidentView:
        return incidents.close(who.user, who.papers, incident, document)

    _say(directory, f"Close {incident}, for good?", say, letter, paper, yes=yes)


@app.command(cls=WriteCommand, epilog=example("hmchain incident document lost-laptop 3f9a --output report.pdf"))
def document(
    incident: IncidentName,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Of the document, or its first digits.")],
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="A new file, which nobody else can read.")],
    directory: NodeOption = DEFAULT_FOLDER,
) -> None:
    """Write a document of an incident into a file. Its author chose what is in it: open it as you open mail."""
    papers = acting.papers_of(directory)
    with open_ledger(NodeFolder(directory).ledger) as ledger:
        view = reader.incident(ledger.verified.state, incident)
        saved = incidents.save(papers, ledger.genesis.chain_id, view, digest, out)
    output.show(saved, lambda found: output.say(f"{out} has it: {found.media}, {size(found.size)}, by {found.by}."))


def _say(
    directory: Path,
    question: str,
    say: Callable[[Speaker, Document | None], IncidentView],
    letter: str,
    paper: Path | None,
    *,
    yes: bool,
) -> None:
    written = _document(letter, paper)
    with acting.steward(directory, yes=yes) as who:
        if question:
            confirm(question, yes=yes)
        done = say(who, written)
    output.show(done, views.show_done)


def _document(letter: str, paper: Path | None) -> Document | None:
    """What goes with a word: a text that somebody writes, or a file."""
    if letter and paper is not None:
        raise DocumentError("one word has one document", "give the letter or the paper; another goes with a note")
    if paper is not None:
        return file_document(paper)
    return text_document(acting.written(letter)) if letter else None
