"""A real node's portal of a bed, and people who are signed in there, each with a session of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from playwright.sync_api import Browser, Page, Route

from hmchain.application.access.settings import PortalSettings
from hmchain.application.access.sign_in import Access, named
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.api.one_origin import cookie_name
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.portal import app
from support.chromium import listener, origin_of, served, watched
from support.portal_bed import PortalBed


@dataclass(frozen=True)
class Portal:
    """A hospital's portal while it is served."""

    bed: PortalBed
    hospital: str
    origin: str
    access: Access

    @contextmanager
    def entered(self, browser: Browser, person: str, **look: Any) -> Iterator[tuple[Page, list[str]]]:
        """A page of somebody who is signed in, of nobody for an empty name; and what it complained of."""
        with watched(browser, base_url=self.origin, **look) as (page, complaints):
            page.route("**/v1/events", _silent)
            if person:
                name = cookie_name(self.access.settings, self.hospital)
                page.context.add_cookies([{"name": name, "value": self._session(person), "url": self.origin}])
            yield page, complaints

    def _session(self, person: str) -> str:
        who = named(self.hospital, person)
        asked = self.access.challenge(who, "")
        signature = self.bed.key(f"{self.hospital}/{person}").sign(asked.message)
        return self.access.by_key(who, asked.challenge, signature, "").secret


@contextmanager
def portal_of(bed: PortalBed, hospital: str) -> Iterator[Portal]:
    """Serve a hospital's portal, at which people sign in."""
    taken = listener()
    made: Any = bed.client(hospital).app
    site = made.state.site
    access = Access(NodeFolder(site.place), PortalSettings(origin=origin_of(taken)), site.live)
    entered = replace(site, authenticate=by_session_or_token(access), access=access)
    with served(app.create(entered), taken) as origin:
        yield Portal(bed, hospital, origin, access)
    access.close()


def _silent(route: Route) -> None:
    """Nothing happens on this ledger meanwhile."""
    route.fulfill(content_type="text/event-stream", body=": nothing\n\n")
