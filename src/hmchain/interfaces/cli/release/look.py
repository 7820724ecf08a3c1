"""`hmchain release list|show`: what was asked for, what each hospital said, and what is next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import asking
from hmchain.application.site import hospital
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.options import RunOption, StudyOption, example
from hmchain.interfaces.cli.release import show as views
from hmchain.interfaces.cli.release.ask import ReleaseName
from hmchain.interfaces.client import sharing as ask_sharing
from hmchain.interfaces.client import whose as ask_whose
from hmchain.interfaces.client.flows import Flow
from hmchain.ledger.readers.ledger import LedgerReader

app = typer.Typer()

T = TypeVar("T")


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain release list"))
def list_(study: StudyOption = None, folder: RunOption = None) -> None:
    """List what was asked to leave: what waits for this hospital first."""
    if _shown(folder, ask_sharing.releases(study or ""), views.show_releases):
        return
    with _opened(folder) as (ledger, organisation):
        found = asking.listed(ledger.releases(study or ""), organisation)
    output.show(found, lambda found: views.show_releases(found, organisation))


@app.command(cls=PortalReadCommand, epilog=example("hmchain release show brain-tumour"))
def show(release: ReleaseName, folder: RunOption = None) -> None:
    """Show a release: what would leave, for whom, what each hospital said of it, and what is next."""
    if _shown(folder, ask_sharing.release(release), views.show_release):
        return
    with _opened(folder) as (ledger, organisation):
        found = ledger.release(release)
    output.show(found, lambda found: views.show_release(found, organisation))


def _shown(folder: Path | None, flow: Flow[T], view: Callable[[T, str], None]) -> bool:
    """Show what a portal answers as its hospital sees it; False where none is named."""
    return remote.shown(
        folder, ask_whose.here(flow), lambda found: view(found.view, found.organisation), lambda found: found.view
    )


@contextmanager
def _opened(folder: Path | None) -> Iterator[tuple[LedgerReader, str]]:
    """A ledger, and whose node it is at; nobody's of a run or of a ledger by itself."""
    with runs.opened(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        own = hospital.locate(place.path).organisation if NodeFolder(place.path).toml.is_file() else ""
        yield ledger, own
