"""The roads of all roles through the portals of four hospitals on real nodes: asked, decided, learned, let go, audited.

Each person has a browser and signs in it; what is clicked is what people click, on narrow and light screens and on wide
and dark ones. Pages that are held open say what others do by themselves. The tests stand in the order of the road, and
each leaves the network as the next one finds it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from scripts.portal_network import HOSPITALS, Site, hmchain, running

from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, find_binary
from support.browser import needs_browser
from support.chromium import chromium
from support.portal_people import NARROW_AND_LIGHT, WIDE_AND_DARK, AtPortal, People, people_at
from support.ports import free_ports

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(3600), needs_browser]
NAME, RELEASE = "tell-apart", "tell-apart-2"
HERE, STUDY = f"/requests/{NAME}", f"/studies/{NAME}"
NARROW = ("s1", "o1")
"""Who looks at a narrow screen; the others at a wide one."""


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
    with running(tmp_path_factory.mktemp("portals") / "network", ports=free_ports(len(HOSPITALS))) as found:
        yield found


@pytest.fixture(scope="module")
def people(browser: Browser, sites: list[Site]) -> Iterator[People]:
    def look(who: str) -> dict[str, Any]:
        return NARROW_AND_LIGHT if who.partition("/")[2] in NARROW else WIDE_AND_DARK

    with people_at(browser, sites, look) as found:
        yield found
        assert not found.complaints, found.complaints


@pytest.fixture(scope="module")
def genesis(sites: list[Site]) -> str:
    """The digest that the network is known by."""
    return (sites[0].folder.parent / "genesis").read_text().strip()


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


def hand_in(scientist: AtPortal) -> None:
    scientist.page.wait_for_selector("text=What hospitals would read")
    scientist.page.click("button:has-text('Hand it in')")
    scientist.sign(f"/scientist/editor/{NAME}")


def test_a_scientist_asks_and_it_comes_to_who_is_looking(people: People) -> None:
    scientist, steward, other = people.of("north/r1"), people.of("east/s1"), people.of("east/s2")
    assert "Nothing waits for you" in steward.open("/inbox")
    other.open("/studies")
    scientist.open("/scientist/editor")
    scientist.page.fill("[name=name]", NAME)
    scientist.page.click("button:has-text('Begin')")
    scientist.arrive(f"/scientist/editor/{NAME}")
    fill(scientist)
    hand_in(scientist)
    assert "submitted" in scientist.told(HERE, "submitted")
    assert "decide on the use" in steward.sees("Dark or bright")
    assert other.sees("1", "a[href='/inbox'] .count")


def test_a_steward_comments_and_gives_it_back_and_it_comes_again(people: People) -> None:
    steward, scientist = people.of("east/s1"), people.of("north/r1")
    scientist.open(HERE)
    steward.open(HERE)
    steward.page.click("summary:has-text('Write something beside it')")
    steward.page.fill("form[action$='/comment'] textarea", "Which protocol is it?")
    steward.page.click("form[action$='/comment'] button")
    steward.sign(HERE)
    scientist.sees("Which protocol is it?")
    steward.page.click("summary:has-text('Give it back to be changed')")
    steward.page.fill("form[action$='/return'] textarea", "Three rounds, please.")
    steward.page.click("form[action$='/return'] button")
    steward.sign(HERE)
    scientist.sees("returned")
    scientist.open(f"/scientist/editor/{NAME}")
    scientist.page.fill("[name=rounds]", "3")
    scientist.page.click("button:has-text('Save the draft')")
    hand_in(scientist)


def test_two_stewards_of_each_hospital_approve(people: People) -> None:
    scientist = people.of("north/r1")
    scientist.open(HERE)
    for hospital in HOSPITALS:
        for name in ("s1", "s2"):
            steward = people.of(f"{hospital}/{name}")
            steward.told(HERE, "Decide")
            steward.page.click("form[action$='/approve'] button")
            steward.sign(HERE)
    assert "approved" in scientist.sees("Begin the study")


def test_the_study_is_seen_as_it_goes_on_to_its_end(people: People) -> None:
    scientist, steward = people.of("north/r1"), people.of("east/s1")
    steward.open("/studies")
    scientist.open(HERE)
    scientist.page.click("form[action$='/begin'] button")
    scientist.sign(HERE)
    scientist.open(STUDY)
    scientist.sees("finished", "main > .lead")
    assert any("Now: round" in each for each in scientist.seen), scientist.seen
    steward.sees("3 of 3")
    assert NAME in scientist.open("/models")


def ask_for_release(scientist: AtPortal, audience: str, name: str) -> None:
    scientist.open(f"/models/{NAME}")
    if scientist.page.is_visible("a[href^='/releases-ask']"):
        scientist.page.click("a[href^='/releases-ask']")
        scientist.arrive("/releases-ask")
    else:
        scientist.open(f"/releases-ask?study={NAME}")
    scientist.page.select_option("[name=audience]", audience)
    scientist.page.fill("[name=regions]", "DE")
    scientist.page.click("button:has-text('Put it before the hospitals')")
    scientist.sign(f"/releases/{name}")
    scientist.told(f"/releases/{name}", "asked by")


def test_a_release_that_a_hospital_refuses_is_withdrawn(people: People) -> None:
    scientist, steward = people.of("north/r1"), people.of("south/s1")
    ask_for_release(scientist, "public", NAME)
    steward.told("/inbox", f"what {NAME} made")
    steward.page.click(f"main a[href='/releases/{NAME}']")
    steward.arrive(f"/releases/{NAME}")
    steward.page.click("summary:has-text('Keep it inside')")
    steward.page.select_option("[name=reason]", "recipients")
    steward.page.click("form[action$='/refuse'] button")
    steward.sign(f"/releases/{NAME}")
    scientist.sees("who would get it")
    scientist.page.click("summary:has-text('Ask no more for it')")
    scientist.page.click("form[action$='/withdraw'] button")
    scientist.sign(f"/releases/{NAME}")
    scientist.sees("withdrawn")
    steward.sees("withdrawn")


def test_all_hospitals_let_the_model_leave_by_evidence_of_their_own(people: People) -> None:
    scientist, here = people.of("north/r1"), f"/releases/{RELEASE}"
    ask_for_release(scientist, "members", RELEASE)
    measuring = [people.of(f"{hospital}/s1") for hospital in HOSPITALS]
    for steward in measuring:
        steward.told(here, "Nothing was measured yet")
        steward.send("button:has-text('Measure it')")
    for steward in measuring:
        steward.sees("Let it leave")
        assert "membership" in steward.page.inner_text("#evidence")
    for hospital in HOSPITALS:
        for name in ("s1", "s2"):
            steward = people.of(f"{hospital}/{name}")
            steward.told(here, "Let it leave")
            steward.page.check("[name=weighed]")
            steward.page.click("form[action$='/grant'] button")
            steward.sign(here)
    assert "released" in scientist.sees("It may leave")


def test_whoever_is_handed_the_file_checks_it(people: People, genesis: str, tmp_path: Path) -> None:
    scientist, auditor = people.of("north/r1"), people.of("west/a1")
    scientist.open(f"/releases/{RELEASE}")
    taken = scientist.takes("a:has-text('Take the file')", tmp_path)
    assert hmchain("release", "check", str(taken), "--genesis", genesis)
    altered = tmp_path / f"altered{taken.suffix}"
    altered.write_bytes(taken.read_bytes()[:-1] + bytes([taken.read_bytes()[-1] ^ 1]))
    for file, words in ((taken, "it is what was released, byte for byte"), (altered, "It is not what was released")):
        auditor.open("/releases-check")
        auditor.page.set_input_files("#file", file)
        auditor.page.click("button:has-text('Check it')")
        auditor.page.wait_for_selector(f"text={words}")


def test_stewards_vote_on_a_ballot(people: People, sites: list[Site]) -> None:
    looking = people.of("north/s2")
    looking.open("/operator/ballots")
    sites[0].gives("network", "set", "round_trip_ms=160", "--yes")
    looking.sees("you voted yes", "#open")
    for who in ("east/s1", "south/s1"):
        steward = people.of(who)
        steward.told("/operator/ballots", "Vote yes")
        steward.page.click("summary:has-text('Vote yes')")
        steward.page.click("form[action$='/yes'] button")
        steward.sign("/operator/ballots")
    assert "carried" in looking.sees("carried", "#over")


def test_an_operator_sees_that_all_is_well_and_what_to_do(people: People) -> None:
    operator = people.of("south/o1")
    assert "healthy" in operator.told("/operator", "healthy")
    operator.page.wait_for_selector("#checks table")
    assert "has the lowest reputation" in operator.told("/operator/network", "has the lowest reputation")


def test_an_auditor_verifies_all_of_it_and_one_proof_in_the_browser(people: People, genesis: str) -> None:
    auditor = people.of("west/a1")
    decided = auditor.open(f"/auditor/decisions/{NAME}")
    assert all(f"{hospital}/s1, {hospital}/s2" in decided for hospital in HOSPITALS)
    auditor.open("/auditor/verify")
    auditor.page.fill("[name=genesis]", genesis)
    auditor.send("button:has-text('Verify the ledger')")
    assert "holds" in auditor.sees("Checked")
    auditor.open("/auditor/blocks")
    auditor.page.click("main table tbody th a >> nth=5")
    auditor.page.click("main #transactions a[href^='/auditor/transactions/'] >> nth=0")
    auditor.page.fill("#anchor", genesis)
    auditor.page.click("#check button")
    auditor.page.wait_for_selector("#checked:not(:empty)")
    assert "holds" in auditor.page.inner_text("#checked").lower()


def test_an_auditor_takes_the_ledger_along(people: People, genesis: str, tmp_path: Path) -> None:
    auditor = people.of("west/a1")
    auditor.open("/auditor/verify")
    auditor.page.click("button:has-text('Export the ledger')")
    auditor.page.wait_for_selector("a:has-text('Take the file')")
    taken = auditor.takes("a:has-text('Take the file')", tmp_path)
    found = hmchain("audit", "verify", str(taken), "--genesis", genesis)
    assert found["holds"] and found["anchored"] and not found["missing"]


@pytest.mark.parametrize("look", [NARROW_AND_LIGHT, WIDE_AND_DARK], ids=["narrow", "wide"])
def test_what_people_see_fits_every_screen(browser: Browser, sites: list[Site], look: dict[str, Any]) -> None:
    with people_at(browser, sites, lambda who: look) as people:
        for who, path in (
            ("east/s1", HERE), ("east/s1", f"/releases/{RELEASE}"), ("north/r1", STUDY), ("south/o1", "/operator"),
            ("west/a1", "/auditor/blocks"),
        ):  # fmt: skip
            person = people.of(who)
            person.open(path)
            wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (who, path, wide)
        assert not people.complaints, people.complaints
