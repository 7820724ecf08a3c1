"""Every page of a run in a real browser: by screen reader, narrow and wide, light and dark, in both languages."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from hmchain.interfaces.portal import app

__all__ = ["run_directory"]
from support.api_client import site_of
from support.chromium import chromium, needs_chromium, served, watched
from support.finished_run import run_directory

pytestmark = [pytest.mark.process, pytest.mark.network, needs_chromium]
ALIKE = 2
"""Of pages that differ in what they are about alone, so many are looked at."""
WEIGHT_MAX = 200_000
"""Of a page with all that it loads, packed as it is sent."""
RUN = "HMCHAIN_PORTAL_RUN"
"""Names a finished run to look at in the place of a small one: one of the demo has more on its pages."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin(run_directory: Path) -> Iterator[str]:
    with site_of(Path(os.environ.get(RUN) or run_directory)) as site, served(app.create(site)) as found:
        yield found


def shape(path: str) -> str:
    """A path without what it is about."""
    place = path.partition("?")[0]
    head, _, rest = place.strip("/").partition("/")
    return f"/{head}/{re.sub(r'[^/]*[0-9][^/]*', '*', rest)}"


def links(page: Page) -> list[str]:
    """Where a page leads within the portal, files left out."""
    found = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(each => each.getAttribute('href'))")
    return [path for each in found if (path := each.partition("#")[0]).startswith("/") and not path.startswith("/v1/")]


def settled(page: Page) -> None:
    """Wait for the parts that a page fetches once it is there; one that follows the ledger is never idle."""
    page.wait_for_selector("[hx-trigger^=load], .htmx-request", state="detached")


def walked(page: Page) -> Iterator[str]:
    """Each page that one comes to from the first one by links, while it is shown."""
    seen, alike, waiting = set[str](), Counter[str](), deque(["/"])
    while waiting:
        path = waiting.popleft()
        answer = page.goto(path)
        assert answer is not None and answer.status in (200, 403), f"{path}: {answer and answer.status}"
        settled(page)
        yield path
        for link in links(page):
            if link not in seen and alike[shape(link)] < ALIKE:
                seen.add(link)
                alike[shape(link)] += 1
                waiting.append(link)


@pytest.mark.parametrize(("width", "scheme", "language"), [(390, "light", "de"), (1280, "dark", "en")])
def test_axe_finds_nothing_on_any_page(browser: Browser, origin: str, width: int, scheme: str, language: str) -> None:
    screen, wrong, count = {"width": width, "height": 900}, [], 0
    with watched(browser, base_url=origin, viewport=screen, color_scheme=scheme, locale=language) as (page, complaints):
        for count, path in enumerate(walked(page), start=1):  # noqa: B007
            found = Axe().run(page).response["violations"]
            wrong += [f"{path}: {each['id']} {each['nodes'][0]['html'][:200]}" for each in found]
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                wrong.append(f"{path} is {wide} pixels wide")
    assert not wrong, "\n".join(wrong)
    assert not complaints, complaints
    assert count > 30, f"{count} pages"


def test_no_page_weighs_much(browser: Browser, origin: str) -> None:
    heavy = []
    with watched(browser, base_url=origin) as (page, _):
        sent: list[int] = []
        page.on("requestfinished", lambda request: sent.append(request.sizes()["responseBodySize"]))
        for path in ("/steward", "/scientist", "/operator/network", "/auditor/blocks", "/auditor/events", "/studies"):
            sent.clear()
            page.context.clear_cookies()
            page.goto(path)
            settled(page)
            if sum(sent) > WEIGHT_MAX:
                heavy.append(f"{path}: {sum(sent)} bytes")
    assert not heavy, heavy
