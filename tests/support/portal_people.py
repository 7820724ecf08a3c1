"""People of a network's hospitals, each at a portal with a browser and a key of one's own in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from scripts.portal_network import Site

from support.chromium import watched

PASSPHRASE = "a passphrase of one's own"
NARROW_AND_LIGHT: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}
WIDE_AND_DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}
_MS_MAX, _COMES_SECONDS, _LOOK_MS = 120_000, 900.0, 20_000
_WATCH = """() => {
  const main = document.querySelector("main"), seen = (window.seen = []);
  const note = () => main.innerText === seen.at(-1) || seen.push(main.innerText);
  new MutationObserver(note).observe(main, { subtree: true, childList: true, characterData: true });
  note();
}"""
_SAYS = "([place, words]) => [...document.querySelectorAll(place)].some((each) => each.innerText.includes(words))"


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
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in with the key that is in the browser."""
        self.page.goto("/sign-in?next=/notifications")
        self.page.wait_for_selector("#key option", state="attached")
        self.page.click("#by-key button")
        self.arrive("/notifications")

    def arrive(self, path: str) -> None:
        """Wait for a page, and note from then on what it says."""
        self.page.wait_for_url(lambda url: urlsplit(url).path == path)
        self.page.evaluate(_WATCH)

    def send(self, button: str) -> None:
        """Click what leads to a page, perhaps the same once more, and note from then on what it says."""
        with self.page.expect_navigation():
            self.page.click(button)
        self.page.evaluate(_WATCH)

    def sign(self, then: str) -> None:
        """Sign what is shown, once the browser has read it itself; and wait for the page that comes next."""
        self.page.wait_for_selector("#sign:not([hidden])")
        self.page.click("#sign")
        self.arrive(then)

    def open(self, path: str) -> str:
        """Go to a page, once more signed in where the session was left alone too long; what its content says."""
        assert not self.site.ended, f"something of {self.site.name} ended by itself:\n{_last_words(self.site)}"
        answer = self.page.goto(path)
        if urlsplit(self.page.url).path == "/sign-in":
            self.sign_in()
            answer = self.page.goto(path)
        assert answer is not None and answer.status == 200, (self.site.name, self.name, path, answer and answer.status)
        self.page.evaluate(_WATCH)
        return self.page.inner_text("main")

    def told(self, path: str, words: str) -> str:
        """A page once it says so: it is opened, and says by itself what others bring about meanwhile."""
        self.open(path)
        return self.sees(words)

    def sees(self, words: str, place: str = "main") -> str:
        """What a part of the page that is open says, once words come to it while the page stays."""
        deadline = time.monotonic() + _COMES_SECONDS
        while True:
            try:
                self.page.wait_for_function(_SAYS, arg=[place, words], timeout=_LOOK_MS)
            except PlaywrightTimeout:
                self._must_go_on(words, place, deadline)
            else:
                assert self.seen, f"{self.page.url} was loaded anew"
                return self.page.inner_text(place)

    @property
    def seen(self) -> list[str]:
        """All that the page said since it was opened, one after the other; nothing of one that was loaded anew."""
        found: list[str] = self.page.evaluate("window.seen ?? []")
        return found

    def _must_go_on(self, words: str, place: str, deadline: float) -> None:
        self.page.request.get("/v1/session")  # somebody is there: a session that is left alone ends
        assert not self.site.ended, f"something of {self.site.name} ended by itself:\n{_last_words(self.site)}"
        seen = self.page.inner_text("body")
        what = f"{self.site.name}/{self.name} waits for {words!r} in {place} of {self.page.url}, and sees {seen}"
        assert time.monotonic() < deadline, what

    def takes(self, link: str, folder: Path) -> Path:
        """Save the file behind a link."""
        with self.page.expect_download(timeout=_COMES_SECONDS * 1000) as taking:
            self.page.click(link)
        target = folder / taking.value.suggested_filename
        taking.value.save_as(target)
        return target


class People:
    """Everybody who came in."""

    def __init__(
        self, browser: Browser, sites: list[Site], held: ExitStack, looks: Callable[[str], dict[str, Any]]
    ) -> None:
        self._browser, self._held, self._looks = browser, held, looks
        self._sites = {site.name: site for site in sites}
        self._known: dict[str, AtPortal] = {}

    def of(self, who: str) -> AtPortal:
        """Somebody, written ORGANISATION/PERSON, who signs in when first asked for."""
        if who not in self._known:
            organisation, _, name = who.partition("/")
            site = self._sites[organisation]
            look = self._looks(who)
            page, complaints = self._held.enter_context(watched(self._browser, base_url=site.link, **look))
            page.set_default_timeout(_MS_MAX)
            self._known[who] = AtPortal(site, name, page, complaints)
            self._known[who].enter()
        return self._known[who]

    @property
    def complaints(self) -> list[str]:
        """What pages complained of, of all of them."""
        return [each for person in self._known.values() for each in person.complaints]


def _last_words(site: Site) -> str:
    """What the processes of a hospital wrote last."""
    return "\n".join(f"{path.name}: {path.read_text('utf-8')[-2000:]}" for path in sorted(site.folder.glob("*.out")))


@contextmanager
def people_at(browser: Browser, sites: list[Site], looks: Callable[[str], dict[str, Any]]) -> Iterator[People]:
    """People with browsers of the looks that each of them has."""
    with ExitStack() as held:
        yield People(browser, sites, held, looks)
