"""People of a network's hospitals, each at a portal with a browser and a key of one's own in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page
from scripts.portal_network import Site

from support.chromium import watched

PASSPHRASE = "a passphrase of one's own"
_MS_MAX, _COMES_SECONDS = 60_000, 900.0


@dataclass(frozen=True)
class AtPortal:
    """One person, signed in at the portal of the own hospital."""

    site: Site
    name: str
    page: Page
    complaints: list[str]

    def enter(self) -> None:
        """Take the key into the browser, and sign in with it."""
        page = self.page
        page.goto("/keys")
        page.set_input_files("#key-file", self.site.key(self.name))
        page.fill("#take-name", self.name)
        page.fill("#take-passphrase", PASSPHRASE)
        page.click("#take button")
        page.wait_for_selector(".key")
        page.goto("/sign-in?next=/notifications")
        page.wait_for_selector("#key option", state="attached")
        page.click("#by-key button")
        self.arrive("/notifications")

    def arrive(self, path: str) -> None:
        """Wait for a page."""
        self.page.wait_for_url(lambda url: urlsplit(url).path == path)

    def sign(self, then: str) -> None:
        """Sign what is shown, once the browser has read it itself; and wait for the page that comes next."""
        self.page.wait_for_selector("#sign:not([hidden])")
        self.page.click("#sign")
        self.arrive(then)

    def open(self, path: str) -> str:
        """Go to a page; what its content says."""
        answer = self.page.goto(path)
        assert answer is not None and answer.status == 200, (self.site.name, self.name, path, answer and answer.status)
        return self.page.inner_text("main")

    def told(self, path: str, words: str) -> str:
        """A page once it says so, which others bring about."""
        deadline = time.monotonic() + _COMES_SECONDS
        while words not in (told := self.open(path)):
            assert time.monotonic() < deadline, f"{self.name} of {self.site.name} waits for {words!r}, and sees {told}"
            time.sleep(0.5)
        return told


class People:
    """Everybody who came in."""

    def __init__(self, browser: Browser, sites: list[Site], held: ExitStack, **how: Any) -> None:
        self._browser, self._held, self._how = browser, held, how
        self._sites = {site.name: site for site in sites}
        self._known: dict[str, AtPortal] = {}

    def of(self, who: str) -> AtPortal:
        """Somebody, written ORGANISATION/PERSON, who signs in when first asked for."""
        if who not in self._known:
            organisation, _, name = who.partition("/")
            site = self._sites[organisation]
            page, complaints = self._held.enter_context(watched(self._browser, base_url=site.link, **self._how))
            page.set_default_timeout(_MS_MAX)
            self._known[who] = AtPortal(site, name, page, complaints)
            self._known[who].enter()
        return self._known[who]

    @property
    def complaints(self) -> list[str]:
        """What pages complained of, of all of them."""
        return [each for person in self._known.values() for each in person.complaints]


@contextmanager
def people_at(browser: Browser, sites: list[Site], **how: Any) -> Iterator[People]:
    """People with browsers that look alike."""
    with ExitStack() as held:
        yield People(browser, sites, held, **how)
