"""The API of a place, asked in this process as a client asks over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient

from hmchain.application.node.reading import open_ledger
from hmchain.application.site.run import RunFolder
from hmchain.clock import now_ms
from hmchain.interfaces.api import app
from hmchain.interfaces.api.site import Authenticate, Site, anybody
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.ledger import LedgerReader


@dataclass(frozen=True)
class StillLedger:
    """The ledger of a finished run, opened for each question."""

    place: Path

    @property
    def height(self) -> int:
        with self.reader() as found:
            return found.height

    @property
    def words(self) -> str:
        return ""

    @property
    def ledger(self) -> Ledger:
        raise AssertionError("nothing is sent here")

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        with open_ledger(RunFolder(self.place).ledger) as found:
            yield found

    def now_ms(self) -> int:
        return now_ms()


def site_of(run: Path, authenticate: Authenticate | None = None) -> Site:
    """A run as an API shows it: to anybody, or to whom a test lets in."""
    hospitals = tuple(sorted(each.name for each in RunFolder(run).hospitals.iterdir()))
    return Site(run, StillLedger(run), hospitals, authenticate or anybody(hospitals[0]))


@contextmanager
def api_of(run: Path, authenticate: Authenticate | None = None) -> Iterator[TestClient]:
    """A client of the API of a run."""
    with TestClient(app.create(site_of(run, authenticate)), "http://localhost", raise_server_exceptions=False) as found:
        yield found
