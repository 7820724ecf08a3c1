"""Pages of people who are signed in at a node, in a real browser: read out, in every look, by keyboard, to the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from hmchain.ledger.contracts.data.policies import SetPolicy
from support.axe import LANGUAGES, faults
from support.browser import needs_browser
from support.chromium import chromium
from support.policy_bed import terms
from support.portal_bed import PortalBed
from support.request_bed import FILE, RequestBed
from support.signed_in import Portal, portal_of
from support.walking import walked

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(900), needs_browser]
OPERATOR, AUDITOR, CLINICIAN = "olga", "aude", "cleo"
PATHS = {
    "": ("/sign-in", "/keys", "/nothing"),
    "steward": ("/", "/requests/relapse/terms"),
    "scientist": ("/", "/scientist/editor/other", "/releases-ask", "/scientist/counts?query=female&dataset=east/brain"),
    OPERATOR: ("/",),
    AUDITOR: ("/",),
    CLINICIAN: ("/steward/emergencies/ask", "/accept/cleo/" + "0" * 64),
}
"""Where each begins to look."""
TABS_MAX = 60
NUMBERS = {"file": ("numbers.txt", b"4711\n", "text/plain")}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    place = tmp_path_factory.mktemp("portal")
    bed = RequestBed.found(place)
    portal = PortalBed(bed, place / "nodes")
    bed.enrol(f"east/{OPERATOR}", "operator")
    bed.enrol(f"east/{AUDITOR}", "auditor")
    bed.enrol(f"east/{CLINICIAN}", "clinician")
    opens = 'permit(principal in Organisation::"east", action == Action::"breakglass", resource);'
    bed.user("north/steward").send(SetPolicy("brain", terms(break_glass=opens)))
    bed.submit()
    bed.submit(FILE.replace("relapse", "own").replace('east = "brain"\n', ""), "east/scientist")
    portal.act("east/steward", "/requests/relapse/comment", {"letter": "Which scanners?"})
    portal.send("east/scientist", "/scientist/editor/new", {"name": "other", "kind": "count"})
    report = {
        "incident": "lost-server",
        "kind": "outage",
        "severity": "high",
        "affects": "east",
        "letter": "A disk burnt.",
    }
    portal.act("north/steward", "/auditor/incidents-open", report)
    portal.send("east/steward", "/steward/consents-in/list", {"name": "national", "as_of": "2023-11-01"}, files=NUMBERS)
    file = {"file": ("letter.pdf", b"%PDF-1.7", "application/pdf")}
    portal.send("east/scientist", "/scientist/editor/other/attach", {"kind": "ethics"}, files=file)
    with portal_of(portal, "east") as found:
        yield found
    portal.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("who", PATHS)
def test_axe_finds_nothing_on_any_page(portal: Portal, browser: Browser, who: str, language: str) -> None:
    wrong, count = list[str](), 0
    with portal.entered(browser, who, locale=language) as (page, complaints):
        for count, path in enumerate(walked(page, PATHS[who]), start=1):  # noqa: B007
            wrong += faults(page, path, language)
        if who == "steward":
            wrong += faults(page, _to_be_signed(page), language)
            wrong += faults(page, _with_a_key(page), language)
    assert not wrong, "\n".join(wrong)
    assert not complaints, complaints
    assert count >= (12 if who else len(PATHS[""])), f"{count} pages"


def _to_be_signed(page: Page) -> str:
    page.goto("/requests/relapse")
    page.locator("form[action$='/approve'] button").click()
    page.locator("#read").get_by_text("approve_request").wait_for()
    return "the page to sign on"


def _with_a_key(page: Page) -> str:
    page.goto("/keys")
    page.fill("#name", "steward")
    page.fill("#passphrase", "a passphrase of one's own")
    page.fill("#again", "a passphrase of one's own")
    page.click("#make button")
    page.wait_for_selector(".key")
    return "the keys in a browser"


@pytest.mark.parametrize("who", PATHS)
def test_the_keyboard_leads_to_what_a_page_is_for(portal: Portal, browser: Browser, who: str) -> None:
    wrong = list[str]()
    with portal.entered(browser, who) as (page, _):
        for path in walked(page, PATHS[who]):
            wrong += [f"{path}: {each}" for each in _lost(page)]
    assert not wrong, "\n".join(wrong)


def _lost(page: Page) -> Iterator[str]:
    """What keeps the keyboard from the first thing that one can do on a page."""
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        yield "the first stop is no way to the content"
    page.keyboard.press("Enter")
    if page.evaluate("document.activeElement.id") != "main":
        yield "the way to the content leads elsewhere"
    main = page.locator("main button:visible:enabled, main .button:visible, main summary:visible, main a:visible")
    if not main.count():
        return
    wanted = main.first.element_handle()
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
            yield f"the focus on {page.evaluate('document.activeElement.outerHTML.slice(0, 160)')} is not seen"
        if page.evaluate("each => each === document.activeElement", wanted):
            return
    yield f"{main.first.inner_text()} is not reached"


def test_a_decision_leads_to_what_is_to_be_signed(portal: Portal, browser: Browser) -> None:
    with portal.entered(browser, "steward") as (page, complaints):
        page.goto("/requests/relapse")
        page.locator("form[action$='/approve'] button").click()
        page.get_by_text("Whoever signs this asks to:").wait_for()
        page.locator("#read").get_by_text("approve_request").wait_for()
        page.get_by_text("Do not sign").click()
        page.wait_for_url(f"{portal.origin}/requests/relapse")
        assert not complaints


def test_a_form_keeps_the_version_that_was_read(portal: Portal, browser: Browser) -> None:
    """An applicant puts another version in the place of the one that is decided on, and the page follows the ledger."""
    asked, requests = FILE.replace("relapse", "moving"), portal.bed.bed
    requests.submit(asked)
    with portal.entered(browser, "steward") as (page, complaints):
        page.goto("/requests/moving")
        requests.submit(asked.replace("days = 90", "days = 900"))
        page.evaluate("htmx.trigger('#request', 'ledger')")
        page.locator("#asked", has_text="900").wait_for()
        page.locator("form[action$='/approve'] button").click()
        page.get_by_text("version 1 was read").wait_for()
        assert not complaints
