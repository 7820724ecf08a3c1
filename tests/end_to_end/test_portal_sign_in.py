"""People come in at a portal with a real browser: by a key in it, by a key elsewhere, by a passkey, and go out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from hmchain.application.access.challenges import read_text
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal import app, pages
from hmchain.keys import save_key
from hmchain.ledger.contracts.members.people import PersonRef
from support.browser import needs_browser
from support.chromium import chromium, listener, origin_of, served, watched
from support.door import Door, opened_door

pytestmark = [pytest.mark.process, pytest.mark.network, needs_browser]
PASSPHRASE = "correct horse battery"
ROOMS = (pages.frame.pages, pages.entering.pages, pages.ways_in.pages)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def portal(place: Path, **settings: Any) -> Iterator[tuple[Door, str]]:
    """The portal of a, and its address."""
    taken = listener()
    with opened_door(place, origin=origin_of(taken), **settings) as door:
        access = door.access
        site = Site(
            door.place, door.live, ("a",), by_session_or_token(access), access=access,
            second_factor=frozenset(access.settings.second_factor),
        )  # fmt: skip
        with served(app.create(site, ROOMS), taken) as origin:
            yield door, origin


@pytest.fixture
def at(tmp_path: Path) -> Iterator[tuple[Door, str]]:
    with portal(tmp_path / "node") as found:
        yield found


@pytest.fixture
def page(browser: Browser, at: tuple[Door, str]) -> Iterator[Page]:
    with watched(browser, base_url=at[1]) as (found, complaints):
        yield found
        assert not complaints, complaints


def take_key(page: Page, door: Door, folder: Path, person: str = "s1") -> None:
    save_key(door.key(PersonRef("a", person)), folder / f"{person}.key", PASSPHRASE)
    page.goto("/keys")
    page.set_input_files("#key-file", folder / f"{person}.key")
    page.fill("#take-name", person)
    page.fill("#take-passphrase", PASSPHRASE)
    page.click("#take button")
    page.wait_for_selector(".key")


def arrive(page: Page, path: str) -> None:
    page.wait_for_url(lambda url: urlsplit(url).path == path)


def enter(page: Page, then: str = "/sessions") -> None:
    page.goto(f"/sign-in?next={then}")
    page.wait_for_selector("#key option", state="attached")
    page.click("#by-key button")
    arrive(page, then)


def test_by_a_key_of_the_browser_in_and_out(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    take_key(page, at[0], tmp_path)
    page.goto("/sessions")
    assert page.url.endswith("/sign-in?next=/sessions"), "nobody is led to the door"
    enter(page)
    assert page.inner_text(".menu summary >> nth=0") == "a/s1" and page.is_visible("text=this one")
    page.click("summary:has-text('a/s1')")
    page.click("text=Sign out")
    arrive(page, "/sign-in")
    assert page.is_visible("#toasts >> text=You are signed out.")
    page.goto("/sessions")
    assert "/sign-in" in page.url


def test_a_page_in_another_window_goes_with_the_session(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    take_key(page, at[0], tmp_path)
    enter(page)
    other = page.context.new_page()
    other.goto("/sessions")
    other.wait_for_selector("text=this one")
    page.click("summary:has-text('a/s1')")
    page.click("text=Sign out")
    arrive(page, "/sign-in")
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when somebody comes back to it
    arrive(other, "/sign-in")
    assert other.url.endswith("?next=%2Fsessions")


def test_by_a_key_elsewhere(page: Page, at: tuple[Door, str]) -> None:
    page.goto("/sign-in?next=/sessions")
    page.click("summary:has-text('My key is elsewhere')")
    page.fill("#person-elsewhere", "s1")
    page.click("#elsewhere button")
    page.wait_for_selector("#line:not(:empty)")
    asked = read_text(page.inner_text("#line"))
    assert (asked.origin, asked.person) == (at[1], "s1")
    page.fill("#sign-in-signature", at[0].key(PersonRef("a", "s1")).sign(asked.message).hex())
    page.click("#elsewhere button")
    arrive(page, "/sessions")


def test_by_a_passkey_that_was_added(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    take_key(page, at[0], tmp_path)
    enter(page)
    page.click("summary:has-text('Add a passkey')")
    page.fill("#passkey-name", "my telephone")
    page.click("#add-passkey button")
    page.wait_for_selector("th:has-text('my telephone')")
    page.click("summary:has-text('a/s1')")
    page.click("text=Sign out")
    page.goto("/sign-in?next=/sessions")
    page.click("#by-passkey button")
    arrive(page, "/sessions")
    assert page.is_visible("td:has-text('passkey')")
    page.click("tr:has-text('my telephone') button")
    page.wait_for_selector("text=Removed: my telephone.")


def test_a_token_is_shown_once_and_revoked(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    take_key(page, at[0], tmp_path)
    enter(page)
    page.click("summary:has-text('Make a token')")
    page.fill("#name", "nightly <b>report</b>")
    page.click("text=Make the token")
    secret = page.inner_text("pre.raw")
    answer = page.request.get(f"{at[1]}/v1/session", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["kind"] == "token"
    page.click("text=I have it")
    assert secret not in page.content() and page.is_visible("th:has-text('nightly <b>report</b>')")
    page.click("text=Revoke")
    page.wait_for_selector("text=Revoked: nightly <b>report</b>.")
    assert page.request.get(f"{at[1]}/v1/session", headers={"Authorization": f"Bearer {secret}"}).status == 401


def test_who_is_refused_is_told_no_more_than_that(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    take_key(page, at[0], tmp_path)
    said = set()
    for person in ("x1", "nobody"):
        page.goto("/sign-in")
        page.wait_for_selector("#key option", state="attached")
        page.fill("#person", person)
        page.click("#by-key button")
        said.add(page.inner_text("#by-key .problem"))
    assert len(said) == 1 and "does not let you in" in said.pop()


def test_a_challenge_for_another_address_is_not_signed(page: Page, at: tuple[Door, str], tmp_path: Path) -> None:
    take_key(page, at[0], tmp_path)
    sent: list[str] = []
    page.route("**/v1/sign-in/challenge", lambda route: route.fulfill(json={
        "origin": "https://other.example", "chain_id": "n", "organisation": "a", "person": "s1", "challenge": "00" * 40,
        "expires_ms": 1, "message": "00" * 32, "words": "", "text": "",
    }))  # fmt: skip
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/sign-in/key") else None)
    page.goto("/sign-in")
    page.wait_for_selector("#key option", state="attached")
    page.click("#by-key button")
    assert "another address" in page.inner_text("#by-key .problem") and not sent


def test_a_form_that_another_site_sends_for_somebody_does_nothing(
    browser: Browser, at: tuple[Door, str], page: Page, tmp_path: Path
) -> None:
    take_key(page, at[0], tmp_path)
    enter(page)
    body = f"<form method=post action='{at[1]}/sign-out'><button>Win</button></form>"
    page.route("http://evil.example/", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto("http://evil.example/")
    with page.expect_response("**/sign-out") as answer:
        page.click("text=Win")
    assert answer.value.status in (400, 401, 403)
    page.goto(f"{at[1]}/sessions")
    assert page.is_visible("text=this one"), "still signed in"
