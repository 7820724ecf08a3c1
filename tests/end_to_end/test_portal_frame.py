"""The portal's frame in a real browser: by screen reader and keyboard, narrow and wide, light and dark, printed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import htpy as h
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import bar, table, tiles
from hmchain.canonical import encode
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signing import to_sign
from hmchain.interfaces.portal import app, components, pages
from hmchain.interfaces.portal.page import Page as Content
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.signing import signing
from hmchain.interfaces.portal.texts import later
from hmchain.keys import ED25519
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.transactions import Transaction

__all__ = ["run_directory"]
from support.api_client import site_of
from support.browser import needs_browser
from support.chromium import chromium, served, watched
from support.finished_run import run_directory

pytestmark = [pytest.mark.process, pytest.mark.network, needs_browser]
LOOK = Rule(Operation.VIEW, Scope.NETWORK)
WIDTHS = (390, 1280)
PATHS = ("/sign-in", "/keys", "/nothing", "/steward/parts", "/steward/sign")
room = Pages("steward")


@room.show("/steward/parts", LOOK, later("Pages"), count=lambda call: 3)
def parts(call: Call) -> Content:
    """Every component that there is."""
    made = [
        components.section("Badges", *[components.badge(kind, kind) for kind in ("good", "bad", "warn", "plain")]),
        components.section("Tiles", tiles([("12", "datasets", "more"), ("3", "wait", "")])),
        components.section("Table", table(["name", "share"], [("north", bar(0.3))], caption="Shares", folds=True)),
        components.section("Form", components.form(
            "/x", "token", components.text_field("name", "Name", help="Yours", error="It is taken"),
            components.text_field("why", "Why", lines=3), components.choice_field("one", "One", {"a": "A", "b": "B"}),
            components.check_field("sure", "Sure", help="Once"),
            label="Try", sends="Send",
        )),
        components.confirmed("Withdraw", "Really?", "/x", "token", "Yes"),
        components.tabs("Views", [("All", "/steward/parts"), ("Own", "/x")], "/steward/parts"),
        components.pages("/steward/parts", {}, 20, 20, 80), components.progress("Audit", 3, 10),
        components.progress("Audit", 3, None), components.empty("Nothing waits."),
        components.problem("refused", "it is late", "ask again"), components.waiting(2),
        components.fresh("live", "/steward/parts", ["study."], h.p["Round 3"]),
    ]  # fmt: skip
    return Content("All parts", made, lead="To look at.", crumbs=(("Steward", "/steward"),))


moved = itertools.count(1)


@room.show("/steward/live", LOOK, later("Live"), count=lambda call: next(moved))
def live(call: Call) -> Content:
    """A part that follows the ledger, in which one reads and writes."""
    form = components.form("/x", "token", components.text_field("why", "Why"), sends="Send")
    part = components.fresh(
        "live", "/steward/live", ["study."], h.p["Seen ", h.b("#seen")[str(next(moved))]], h.a(href="/keys")["A link"],
        h.details[h.summary["Unfold"], form],
    )  # fmt: skip
    return Content("Live", part, lead=str(next(moved)))


@room.show("/steward/sign", LOOK)
def sign(call: Call) -> Content:
    body = encode(AnnounceMaintenance(5, 7))
    return signing(to_sign(encode(Transaction("net", ED25519, bytes(32), bytes(16), 9, body))))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin(run_directory: Path) -> Iterator[str]:
    with site_of(run_directory) as site, served(app.create(site, (*pages.ALL, room))) as found:
        yield found


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Browser, origin: str, width: int, scheme: str, language: str) -> None:
    screen = {"width": width, "height": 900}
    with watched(browser, base_url=origin, viewport=screen, color_scheme=scheme, locale=language) as (page, complaints):
        for path in PATHS:
            page.goto(path)
            page.wait_for_load_state("load")
            assert page.get_attribute("html", "lang") == language
            found = Axe().run(page)
            assert not found.violations_count, f"{path}: {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} pixels wide"
        assert not complaints, complaints


def test_everything_is_reached_by_the_keyboard(browser: Browser, origin: str) -> None:
    with watched(browser, base_url=origin) as (page, _):
        page.goto("/steward/parts")
        page.keyboard.press("Tab")
        assert focused(page) == "Go to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.goto("/steward/parts")
        reached, count = (
            [],
            page.evaluate("document.querySelectorAll('a, button, input, select, summary, textarea').length"),
        )
        for _ in range(count):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert seen != "none", f"the focus on {focused(page)} is not seen"
            reached.append(focused(page))
        assert {"Steward", "Withdraw", "Send", "Own"} <= set(reached)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.name"))


def test_a_choice_of_colours_and_language_takes_no_script(browser: Browser, origin: str) -> None:
    with watched(browser, base_url=origin, java_script_enabled=False, color_scheme="light") as (page, _):
        page.goto("/steward/parts")
        light = colour(page)
        page.click("summary[aria-label^='Display']")
        page.select_option("[name=theme]", "dark")
        page.select_option("[name=language]", "de")
        page.click("#display button")
        assert page.url.endswith("/steward/parts") and page.get_attribute("html", "lang") == "de"
        assert colour(page) != light
        page.click("summary:has-text('Withdraw')")
        assert page.is_visible("text=Really?")


def colour(page: Page) -> str:
    return str(page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor"))


def test_without_motion_and_in_forced_colours_all_stays(browser: Browser, origin: str) -> None:
    with watched(browser, base_url=origin, reduced_motion="reduce", forced_colors="active") as (page, complaints):
        page.goto("/steward/parts")
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
        assert page.is_visible(".badge.bad") and not complaints
        page.emulate_media(media="print")
        assert not page.is_visible("nav.pages") and page.is_visible("h1")


def test_a_part_is_fetched_anew_whenever_the_ledger_moves(browser: Browser, origin: str) -> None:
    asked: list[str] = []

    def stream(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id", ""))
        body = f"retry: 1\n\nid: 7-{len(asked)}\nevent: study.round_opened\ndata: {{}}\n\n"
        route.fulfill(headers={"Content-Type": "text/event-stream"}, body=body)

    with watched(browser, base_url=origin) as (page, complaints):
        page.route("**/v1/events", stream)
        for number in range(2):
            with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
                if not number:
                    page.goto("/steward/parts")
        page.wait_for_selector("#live:has-text('Round 3')")
        made = page.get_attribute("body", "data-since")
        assert asked[:2] == [made, "7-1"], "it begins where the page was made; cut, it goes on where it was"
        assert not complaints, complaints


def test_nothing_is_taken_from_who_reads_or_writes_when_a_part_is_fetched_anew(browser: Browser, origin: str) -> None:
    streams: list[Route] = []

    def asked() -> None:
        """Wait until the page asks what happens: for the first time, or seconds after it was told."""
        while not streams:
            page.wait_for_timeout(20)

    def happens() -> None:
        asked()
        body = "retry: 1\n\nid: 7-1\nevent: study.opened\ndata: {}\n\n"
        streams.pop().fulfill(headers={"Content-Type": "text/event-stream"}, body=body)

    def told() -> tuple[str, ...]:
        places = ("#seen", "main > .lead", "a[href='/steward/live'] .count")
        return tuple(page.inner_text(place).split()[0] for place in places)

    with watched(browser, base_url=origin) as (page, complaints):
        page.route("**/v1/events", lambda route: streams.append(route))
        page.goto("/steward/live")
        before = told()
        page.click("#live summary")
        page.focus("#live a")
        happens()
        page.wait_for_function("(before) => document.querySelector('#seen').textContent !== before", arg=before[0])
        page.wait_for_function("() => document.activeElement.textContent === 'A link'")
        assert page.is_visible("#live [name=why]"), "what was unfolded stays so"
        assert all(new != old for new, old in zip(told(), before, strict=True)), "its lead and counts come along"
        page.fill("#live [name=why]", "half a sentence")
        page.evaluate("document.activeElement.blur()")
        before = told()
        happens()
        asked()
        assert (page.inner_text("#seen"), page.input_value("#live [name=why]")) == (before[0], "half a sentence")
        page.fill("#live [name=why]", "")
        page.evaluate("document.activeElement.blur()")
        page.wait_for_function("(before) => document.querySelector('#seen').textContent !== before", arg=before[0])
        assert not complaints, complaints


def test_a_page_weighs_little(browser: Browser, origin: str) -> None:
    weights: list[int] = []
    with watched(browser, base_url=origin) as (page, _):
        page.on("response", lambda answer: weights.append(len(answer.body())) if answer.ok else None)
        for path in PATHS:
            weights.clear()
            page.goto(path)
            page.wait_for_load_state("load")
            assert sum(weights) <= 200_000, f"{path}: {weights}"
