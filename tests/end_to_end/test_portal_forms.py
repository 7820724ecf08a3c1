"""The forms of stewards' and scientists' pages in a real browser: read out, narrow and wide, up to the signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route

from hmchain.interfaces.portal import app
from support.chromium import chromium, needs_chromium, served, watched
from support.portal_bed import PortalBed
from support.request_bed import RequestBed

pytestmark = [pytest.mark.process, pytest.mark.network, needs_chromium]
STEWARD, SCIENTIST = "east/steward", "west/scientist"
PATHS = {
    STEWARD: ("/requests/relapse", "/inbox", "/steward/quarantine", "/steward/consents", "/requests/relapse/terms"),
    SCIENTIST: (
        "/requests/relapse", "/scientist/editor", "/scientist/editor/other", "/releases-ask",
        "/scientist/counts?query=female&dataset=east/brain",
    ),
}  # fmt: skip
LOOKS = ((1280, "light", "en"), (390, "dark", "de"))


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("portal")
    bed = RequestBed.found(place)
    portal = PortalBed(bed, place / "nodes")
    bed.submit()
    portal.act(STEWARD, "/requests/relapse/comment", {"letter": "Which scanners?"})
    portal.send(SCIENTIST, "/scientist/editor/new", {"name": "other", "kind": "count"})
    file = {"file": ("letter.pdf", b"%PDF-1.7", "application/pdf")}
    portal.send(SCIENTIST, "/scientist/editor/other/attach", {"kind": "ethics"}, files=file)
    yield portal
    bed.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def portal_for(portal: PortalBed, who: str) -> Any:
    """The portal of somebody's hospital, at which that person is signed in."""
    application: Any = portal.client(who.split("/")[0]).app
    person = portal.principal(who)
    return app.create(replace(application.state.site, authenticate=lambda request: person))


def _silent(route: Route) -> None:
    """Nothing happens on this ledger meanwhile."""
    route.fulfill(content_type="text/event-stream", body=": nothing\n\n")


@pytest.mark.parametrize(("width", "scheme", "language"), LOOKS)
@pytest.mark.parametrize("who", PATHS)
def test_forms_can_be_read_and_fit(
    portal: PortalBed, browser: Browser, who: str, width: int, scheme: Any, language: str
) -> None:
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "locale": language}
    with served(portal_for(portal, who)) as origin, watched(browser, **look) as (page, complaints):
        page.route("**/v1/events", _silent)
        for path in PATHS[who]:
            page.goto(f"{origin}{path}")
            page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
            found = Axe().run(page)
            assert not found.violations_count, (path, found.generate_report())
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        assert not complaints


def test_a_decision_leads_to_what_is_to_be_signed(portal: PortalBed, browser: Browser) -> None:
    with served(portal_for(portal, STEWARD)) as origin, watched(browser) as (page, complaints):
        page.route("**/v1/events", _silent)
        page.goto(f"{origin}/requests/relapse")
        page.locator("form[action$='/approve'] button").click()
        page.get_by_text("Whoever signs this asks to:").wait_for()
        page.locator("#read").get_by_text("approve_request").wait_for()
        page.get_by_text("Do not sign").click()
        page.wait_for_url(f"{origin}/requests/relapse")
        assert not complaints
