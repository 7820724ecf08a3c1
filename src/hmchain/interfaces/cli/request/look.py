"""`hmchain request list|show|inbox|document|terms`: what is asked, what waits for whom, what there is to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.governance.requests import acceptance, licences, listing, reading
from hmchain.application.governance.requests.documents import Documents
from hmchain.application.governance.requests.listing import ListedRequest
from hmchain.application.node import sent
from hmchain.application.node.reading import open_ledger
from hmchain.application.node.sent import Sent
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOrRun, PersonOption, example
from hmchain.interfaces.cli.request.acting import RequestName, papers_of
from hmchain.interfaces.cli.request.show import show_inbox, show_list, show_request
from hmchain.interfaces.cli.request.terms_view import TermsFolder, show_terms
from hmchain.interfaces.client import requests as ask_requests
from hmchain.plain import plain, size
from hmchain.records.objects import ObjectStore

app = typer.Typer()


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain request list"))
def list_requests(
    folder: NodeOrRun = None,
    living: Annotated[bool, typer.Option("--living", help="Leave out what is closed.")] = False,
) -> None:
    """List the requests that this hospital's people ask or are asked. Where there is no node, all of the latest run."""
    if remote.shown(folder, ask_requests.requests(living=living), show_list, lambda found: _told(found, ())):
        return
    with _place(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = list(listing.listed(ledger, place.organisation, place.papers, over=not living))
    undecided = sent.about_requests(NodeFolder(place.ledger.parent)) if place.organisation else ()

    def view(found: Sequence[ListedRequest]) -> None:
        show_list(found)
        for each in undecided:
            output.say(f"{each}.")

    output.show(found, view, json=lambda found: _told(found, undecided))


def _told(found: Sequence[ListedRequest], undecided: Sequence[Sent]) -> list[dict[str, Any]]:
    return [
        plain(each) | {"sent": [plain(one) for one in undecided if one.about == f"request {each.view.request}"]}
        for each in found
    ]


@app.command(cls=PortalReadCommand, epilog=example("hmchain request show relapse"))
def show(request: RequestName, folder: NodeOrRun = None) -> None:
    """Show what a request asks, in plain words, each hospital's decision on it, and what is said beside it.

    Where there is no node, the request of the latest run, without what is sealed to its readers.
    """
    if remote.shown(folder, ask_requests.request(request), show_request):
        return
    with _place(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = reading.shown(ledger, request, place.papers)
    output.show(found, show_request)


@app.command(cls=PortalReadCommand, epilog=example("hmchain request inbox"))
def inbox(
    node: PersonOption = DEFAULT_FOLDER,
    of: Annotated[
        str,
        typer.Option("--for", "--as", metavar="PERSON", help="One person of this hospital.", show_default="everybody"),
    ] = "",
) -> None:
    """List what waits for this hospital's people, one thing to do a line: what is overdue first."""
    asks = ask_requests.inbox(of.rpartition("/")[2])
    if remote.shown(node, asks, lambda found: show_inbox(found, of), person=of if "/" in of else ""):
        return
    folder = NodeFolder(node)
    organisation = folder.settings().organisation
    with open_ledger(folder.ledger) as ledger:
        output.vouch(ledger.verified)
        found = listing.inbox(ledger, organisation, papers_of(node), of)
    output.show(found, lambda found: show_inbox(found, of))


@app.command(cls=WriteCommand, epilog=example("hmchain request document relapse 3f9a --output letter.pdf"))
def document(
    request: RequestName,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Of the document, or its first digits.")],
    out: Annotated[Path, typer.Option("--output", metavar="FILE", help="A new file, which nobody else can read.")],
    node: PersonOption = DEFAULT_FOLDER,
) -> None:
    """Write a document that was attached into a file. Its author chose what is in it: open it as you open mail."""
    papers = papers_of(node)  # first: where there is no node, that is to be said, and not that it has no ledger
    with open_ledger(NodeFolder(node).ledger) as ledger:
        view = reading.shown(ledger, request, None).view
        saved = reading.save(papers, ledger.genesis.chain_id, view, digest, out)
    output.show(saved, lambda found: output.say(f"{out} has it: {found.media}, {size(found.size)}, by {found.by}."))


@app.command(cls=WriteCommand, epilog=example("hmchain request terms relapse --output terms"))
def terms(request: RequestName, out: TermsFolder = None, folder: NodeOrRun = None) -> None:
    """Show the terms that hospitals ask for: whose they are, what they say, and who has accepted them.

    A hospital wrote them: open a file of theirs as you open mail.
    """
    with _place(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = acceptance.in_words(ledger.verified.state, place.objects(), request)
        saved = licences.save(place.objects(), [each.wording for each in found], out) if out is not None else ()
    output.show(found, lambda found: show_terms(found, request, saved))


@dataclass(frozen=True)
class _Place:
    """A ledger that is meant, and whose it is: a node's hospital's, or nobody's."""

    ledger: Path
    organisation: str
    papers: Documents | None
    objects: Callable[[], ObjectStore]


@contextmanager
def _place(folder: Path | None) -> Iterator[_Place]:
    node = NodeFolder(folder or DEFAULT_FOLDER)
    if node.toml.is_file():
        yield _Place(node.ledger, node.settings().organisation, papers_of(node.path), lambda: exchanged_objects(node))
        return
    with runs.opened(folder) as found:
        yield _Place(found.ledger, "", None, lambda: runs.exchanged(found))
