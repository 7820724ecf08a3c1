"""The API of a place, asked in this process as a client asks over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from hmchain.application.node.live import open_live
from hmchain.application.site.run import RunFolder
from hmchain.interfaces.api import app
from hmchain.interfaces.api.site import Authenticate, Site, anybody
from support.apart import here


@contextmanager
def site_of(run: Path, authenticate: Authenticate | None = None, kind: type[Site] = Site) -> Iterator[Site]:
    """A run as an API shows it: to anybody, or to whom a test lets in."""
    hospitals = tuple(sorted(each.name for each in RunFolder(run).hospitals.iterdir()))
    with open_live(run) as live:
        site = kind(run, live, hospitals, authenticate or anybody(hospitals[0]), apart=here)
        yield site
        site.jobs.close()
        site.models.close()


@contextmanager
def api_of(run: Path, authenticate: Authenticate | None = None, kind: type[Site] = Site) -> Iterator[TestClient]:
    """A client of the API of a run."""
    with (
        site_of(run, authenticate, kind) as site,
        TestClient(app.create(site), "http://localhost", raise_server_exceptions=False) as found,
    ):
        yield found
