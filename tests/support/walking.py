"""A portal walked through in a browser: every page that one comes to by links, one of each kind or a few."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from playwright.sync_api import Page

from hmchain.interfaces.portal.layout import ROLES

_ALIKE = 2
"""Of pages that differ in what they are about alone, so many are looked at."""
_FINE = (200, 403, 409)
"""What a page may answer: an embedded network has no node to ask how it is."""


def walked(page: Page, begins: Sequence[str] = ("/",)) -> Iterator[str]:
    """Each page that one comes to by links, while it is shown."""
    seen, alike, waiting = set(begins), Counter[str](), deque(begins)
    while waiting:
        path = waiting.popleft()
        answer = page.goto(path)
        assert answer is not None and (answer.status in _FINE or path in begins), f"{path}: {answer and answer.status}"
        settled(page)
        yield path
        for link in _links(page):
            if link not in seen and alike[_shape(link)] < _ALIKE:
                seen.add(link)
                alike[_shape(link)] += 1
                waiting.append(link)


def settled(page: Page) -> None:
    """Wait for the parts that a page fetches once it is there; one that follows the ledger is never idle."""
    page.wait_for_selector("[hx-trigger^=load], .htmx-request", state="detached")


def _shape(path: str) -> str:
    """A path without what it is about: of a role's pages the first two parts name the page, of others the first."""
    parts = path.partition("?")[0].strip("/").split("/")
    named = 2 if parts[0] in ROLES else 1
    return "/".join([*parts[:named], *("*" for _ in parts[named:])])


def _links(page: Page) -> list[str]:
    """Where a page leads within the portal, files left out."""
    found = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(each => each.getAttribute('href'))")
    return [path for each in found if (path := each.partition("#")[0]).startswith("/") and not path.startswith("/v1/")]
