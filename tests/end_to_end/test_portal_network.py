"""The roads of all roles through the portals of four hospitals on real nodes: asked, decided, learned, audited.

Each person has a browser and signs in it; what is clicked is what people click. The tests stand in the order of the
road, and each leaves the network as the next one finds it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from scripts.portal_network import HOSPITALS, Site, running

from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, find_binary
from support.chromium import chromium, needs_chromium
from support.portal_people import AtPortal, People, people_at

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(1800), needs_chromium]
NAME = "tell-apart"
HERE = f"/requests/{NAME}"
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    try:
        find_binary()
    except CometBFTMissingError as missing:
        pytest.skip(str(missing))
    with running(tmp_path_factory.mktemp("portals") / "network") as found:
        yield found


@pytest.fixture(scope="module")
def people(browser: Browser, sites: list[Site]) -> Iterator[People]:
    with people_at(browser, sites, viewport=WIDE) as found:
        yield found
        assert not found.complaints, found.complaints


def fill(person: AtPortal) -> None:
    """Answer the questions of a draft."""
    page, until = person.page, datetime.date.today() + datetime.timedelta(days=60)
    for name in HOSPITALS:
        page.check(f"input[name=dataset][value='{name}/scans']")
    page.fill("[name=purposes]", "health-research")
    page.fill("[name=until]", until.isoformat())
    page.fill("[name=rounds]", "2")
    for box in page.query_selector_all("[name^='form']"):
        if not box.input_value():
            box.fill("Dark or bright: can one model tell?")
    page.click("button:has-text('Save the draft')")


def test_a_scientist_asks(people: People) -> None:
    scientist = people.of("north/r1")
    scientist.open("/scientist/editor")
    scientist.page.fill("[name=name]", NAME)
    scientist.page.click("button:has-text('Begin')")
    scientist.arrive(f"/scientist/editor/{NAME}")
    fill(scientist)
    scientist.page.wait_for_selector("text=What hospitals would read")
    scientist.page.click("button:has-text('Hand it in')")
    scientist.sign(f"/scientist/editor/{NAME}")
    assert "submitted" in scientist.told(HERE, "submitted")


def test_a_steward_comments_and_gives_it_back_and_it_comes_again(people: People) -> None:
    steward, scientist = people.of("east/s1"), people.of("north/r1")
    steward.told("/inbox", "Dark or bright")
    steward.open(HERE)
    steward.page.click("summary:has-text('Write something beside it')")
    steward.page.fill("form[action$='/comment'] textarea", "Which protocol is it?")
    steward.page.click("form[action$='/comment'] button")
    steward.sign(HERE)
    assert "Which protocol is it?" in scientist.told(HERE, "Which protocol is it?")
    steward.open(HERE)
    steward.page.click("summary:has-text('Give it back to be changed')")
    steward.page.fill("form[action$='/return'] textarea", "Three rounds, please.")
    steward.page.click("form[action$='/return'] button")
    steward.sign(HERE)
    scientist.told(HERE, "returned")
    scientist.open(f"/scientist/editor/{NAME}")
    scientist.page.fill("[name=rounds]", "3")
    scientist.page.click("button:has-text('Save the draft')")
    scientist.page.wait_for_selector("text=What hospitals would read")
    scientist.page.click("button:has-text('Hand it in')")
    scientist.sign(f"/scientist/editor/{NAME}")


def test_two_stewards_of_each_hospital_approve(people: People) -> None:
    for hospital in HOSPITALS:
        for name in ("s1", "s2"):
            steward = people.of(f"{hospital}/{name}")
            steward.told(HERE, "Decide")
            steward.page.click("form[action$='/approve'] button")
            steward.sign(HERE)
    assert "approved" in people.of("north/r1").told(HERE, "Begin the study")


def test_the_study_runs_and_is_seen_to_its_end(people: People) -> None:
    scientist = people.of("north/r1")
    scientist.open(HERE)
    scientist.page.click("form[action$='/begin'] button")
    scientist.sign(HERE)
    assert "finished" in scientist.told(f"/studies/{NAME}", "finished")
    assert NAME in scientist.open("/models")


def test_an_operator_sees_that_all_is_well_and_what_to_do(people: People) -> None:
    operator = people.of("south/o1")
    assert "healthy" in operator.told("/operator", "healthy")
    operator.page.wait_for_selector("#checks table")
    assert "has the lowest reputation" in operator.told("/operator/network", "has the lowest reputation")


def test_an_auditor_verifies_all_of_it_and_one_proof_in_the_browser(people: People, sites: list[Site]) -> None:
    auditor, genesis = people.of("west/a1"), (sites[0].folder.parent / "genesis").read_text().strip()
    decided = auditor.open(f"/auditor/decisions/{NAME}")
    assert all(f"{hospital}/s1, {hospital}/s2" in decided for hospital in HOSPITALS)
    auditor.open("/auditor/verify")
    auditor.page.fill("[name=genesis]", genesis)
    auditor.page.click("button:has-text('Verify the ledger')")
    auditor.page.wait_for_selector("text=Checked", timeout=300_000)
    assert "holds" in auditor.page.inner_text("main")
    auditor.open("/auditor/blocks")
    auditor.page.click("main table tbody th a >> nth=5")
    auditor.page.click("main #transactions a[href^='/auditor/transactions/'] >> nth=0")
    auditor.page.fill("#anchor", genesis)
    auditor.page.click("#check button")
    auditor.page.wait_for_selector("#checked:not(:empty)")
    assert "holds" in auditor.page.inner_text("#checked").lower()


@pytest.mark.parametrize(("screen", "scheme"), [(NARROW, "light"), (WIDE, "dark")])
def test_what_people_see_fits_every_screen(
    browser: Browser, sites: list[Site], screen: dict[str, int], scheme: str, tmp_path: Path
) -> None:
    with people_at(browser, sites, viewport=screen, color_scheme=scheme) as people:
        for who, path in (
            ("east/s1", HERE), ("north/r1", f"/studies/{NAME}"), ("south/o1", "/operator"),
            ("west/a1", "/auditor/blocks"),
        ):  # fmt: skip
            person = people.of(who)
            person.open(path)
            assert person.page.evaluate("document.documentElement.scrollWidth") <= screen["width"], (who, path)
        assert not people.complaints, people.complaints
