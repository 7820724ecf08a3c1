"""Every page of a run in a real browser: by screen reader, narrow and wide, light and dark, in both languages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from hmchain.interfaces.portal import app

__all__ = ["run_directory"]
from support.api_client import site_of
from support.axe import LANGUAGES, faults
from support.browser import needs_browser
from support.chromium import chromium, served, watched
from support.finished_run import run_directory
from support.walking import settled, walked

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(900), needs_browser]
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_any_page(browser: Browser, origin: str, language: str) -> None:
    wrong, count = list[str](), 0
    with watched(browser, base_url=origin, locale=language) as (page, complaints):
        for count, path in enumerate(walked(page), start=1):  # noqa: B007
            wrong += faults(page, path, language)
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
