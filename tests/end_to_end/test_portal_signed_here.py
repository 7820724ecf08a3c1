"""People sign with keys in their own browsers: a policy, an invitation that is accepted, a release by two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from hmchain.application.data import extraction, quarantine
from hmchain.application.site.hospital import open_records, read_records
from hmchain.keys import save_key
from hmchain.ledger.contracts.members import people
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.axe import faults
from support.browser import needs_browser
from support.chromium import chromium
from support.dicom_objects import ct, written
from support.portal_bed import PortalBed
from support.request_bed import RequestBed
from support.signed_in import Portal, portal_of
from support.steward import TWO

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(600), needs_browser]
PASSPHRASE = "correct horse battery"
FIRST, SECOND = "steward", "eve"
QUARANTINE, POLICY = "/steward/quarantine", "/policies/east/brain"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    place = tmp_path_factory.mktemp("portal")
    bed = RequestBed.found(place)
    bed.enrol(f"east/{SECOND}", "steward")
    held(bed, place)
    made = PortalBed(bed, place / "nodes")
    with portal_of(made, "east") as found:
        yield found
    made.close()


def held(bed: RequestBed, place: Path) -> None:
    """An item waits in quarantine of which a release takes two people."""
    (place / "careful.toml").write_text(TWO)
    (place / "source").mkdir()
    (place / "source" / "shot.dcm").write_bytes(written(ct(BurnedInAnnotation="YES")))
    with (
        open_records(bed.bed.consortium.hospitals["east"].folder) as records,
        open_source(SourceRequest(place=str(place / "source"))) as source,
    ):
        extraction.extract_into(records, "head", source, title="Heads", profile=str(place / "careful.toml"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def people_at(portal: Portal, browser: Browser, tmp_path: Path) -> Iterator[dict[str, Page]]:
    """Both stewards, each in a browser that has the own key, and somebody who is nobody yet."""
    with ExitStack() as held:
        found, complaints = {}, []
        for person in (FIRST, SECOND, ""):
            page, said = held.enter_context(portal.entered(browser, person))
            complaints.append(said)
            if person:
                take_key(page, portal, person, tmp_path)
            found[person] = page
        yield found
        assert not any(complaints), complaints


def take_key(page: Page, portal: Portal, person: str, folder: Path) -> None:
    save_key(portal.bed.key(f"east/{person}"), folder / f"{person}.key", PASSPHRASE)
    page.goto("/keys")
    page.set_input_files("#key-file", folder / f"{person}.key")
    page.fill("#take-name", person)
    page.fill("#take-passphrase", PASSPHRASE)
    page.click("#take button")
    page.wait_for_selector(".key")


def sign(page: Page, then: str) -> None:
    """Sign what the page shows, once the browser has read it, and arrive where it leads."""
    page.locator("#sign:visible").click()
    arrive(page, then)


def arrive(page: Page, path: str) -> None:
    try:
        page.wait_for_url(lambda url: urlsplit(url).path == path)
    except Exception as error:
        raise AssertionError(f"{page.url} is shown: {page.inner_text('main')[:600]}") from error


def test_a_policy_is_set_by_one_and_confirmed_by_the_other(portal: Portal, people_at: dict[str, Page]) -> None:
    page, other = people_at[FIRST], people_at[SECOND]
    for field, value in (("approvers", "2"), ("minimum_cohort", "64")):  # the second takes the persons of the first
        page.goto(f"{POLICY}/edit")
        page.fill(f"[name={field}]", value)
        page.click("form[action$='/check'] .send button")
        page.click("form[action$='/set'] button")
        sign(page, POLICY)
    other.goto(POLICY)
    other.click("summary:has-text('Stand behind it')")
    other.click("form[action$='/confirm'] button")
    sign(other, POLICY)
    other.goto(POLICY)
    assert "version 2" in other.inner_text("main .lead")


def test_whoever_is_invited_accepts_and_comes_in(portal: Portal, people_at: dict[str, Page], tmp_path: Path) -> None:
    new, officer = people_at[""], people_at[FIRST]
    new.goto("/keys")
    new.fill("#name", "nina")
    new.fill("#passphrase", PASSPHRASE)
    new.fill("#again", PASSPHRASE)
    new.click("#make button")
    with new.expect_download() as downloaded:
        new.click(".key button:has-text('officer')")
    downloaded.value.save_as(tmp_path / "nina.json")
    new.click(".key a[href^='/accept/']")
    assert "No invitation waits for this key" in new.inner_text("main")

    officer.goto("/people")
    officer.set_input_files("form[action$='/invite'] input[type=file]", tmp_path / "nina.json")
    officer.check("form[action$='/invite'] input[value=auditor]")
    officer.click("form[action$='/invite'] .send button")
    sign(officer, "/people")

    new.reload()
    sign(new, "/sign-in")
    found = people.person(portal.bed.bed.bed.state, "east", "nina")
    assert found is not None and found.roles == ("auditor",)
    new.wait_for_selector("#key option", state="attached")
    assert new.input_value("#person") == "nina", "the key's name is the person's"
    new.click("#by-key button")
    arrive(new, "/auditor")
    assert "east/nina" in new.inner_text(".menu summary >> nth=0")


def test_an_incident_is_told_to_all_and_contained(portal: Portal, people_at: dict[str, Page]) -> None:
    page, other, incident = people_at[FIRST], people_at[SECOND], "/auditor/incidents/lost-server"
    page.goto("/auditor/incidents")
    page.click("text=Open an incident")
    page.fill("[name=incident]", "lost-server")
    page.select_option("[name=kind]", "outage")
    page.fill("[name=noticed]", "2023-11-14T10:00")
    page.fill("[name=letter]", "A disk of the machine burnt.")
    page.click("text=Tell all members")
    sign(page, incident)
    other.goto(incident)
    other.click("summary:has-text('It is contained here')")
    other.check("#measure-contain-restored")
    other.click("form[action$='/contain'] .send button")
    sign(other, incident)
    page.goto(incident)
    assert "restored from a copy" in page.inner_text("#said")
    page.click("summary:has-text('Read it')")
    assert page.is_visible("text=A disk of the machine burnt.")


def test_a_release_takes_two_who_sign_in_their_browsers(portal: Portal, people_at: dict[str, Page]) -> None:
    folder = portal.bed.bed.bed.consortium.hospitals["east"].folder
    wrong = list[str]()
    for number, person in enumerate((FIRST, SECOND)):
        page = people_at[person]
        page.goto(QUARANTINE)
        if not number:
            for each in (FIRST, SECOND):
                page.click(f"summary:has-text('Let {each} release')")
                page.click(f"form[action$='/deciders/{each}/add'] button")
                arrive(page, QUARANTINE)
        page.click("form[action$='/begin'] button")
        arrive(page, f"{QUARANTINE}/review/")
        wrong += faults(page, "what waits")
        mark(page)
        wrong += looked_at(page)
        page.click("#tray a")
        arrive(page, QUARANTINE)
        page.locator("form[data-votes] button:enabled").click()
        arrive(page, f"{QUARANTINE}/review/")
        page.goto(QUARANTINE)
        page.click("form[action$='/leave'] button")
        arrive(page, QUARANTINE)
        with read_records(folder) as records:
            assert quarantine.waiting(records).total == 1 - number, person
    assert not wrong, "\n".join(wrong)


def looked_at(page: Page) -> list[str]:
    """What axe finds on the pages of an item and of what was decided."""
    found = list[str]()
    for path in ("item/0", "decisions"):
        page.goto(f"{QUARANTINE}/review/{path}")
        found += faults(page, path)
    return found


def mark(page: Page) -> None:
    """Mark the item that waits to be released."""
    page.check(".card input[type=checkbox]")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.click("button[value=released]")
