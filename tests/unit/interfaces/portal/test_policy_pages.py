"""Policies on pages: read by all, written and tried, set by one person and confirmed by another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from support.portal_bed import PortalBed
from support.request_bed import RequestBed

STEWARD, SECOND, OTHER, SCIENTIST = "east/steward", "east/eve", "north/steward", "west/scientist"
PAGE = "/policies/east/brain"
ANSWERS = {
    "uses": ["DUO:0000006"], "kinds": ["count", "train"], "regions": "DE, fi", "approvers": "2", "minimum_cohort": "64",
    "colluders": "1", "days": "90", "rounds": "0", "epsilon": "1", "conditions": ["IRB"], "person_looks": "yes",
    "duty.publish": "730", "break_glass": "west", "rule": ["", ""], "cedar": ["", ""],
}  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("policies")
    bed = RequestBed.found(place)
    bed.enrol(SECOND, "steward")
    bed.submit()
    made = PortalBed(bed, place / "nodes")
    yield made
    made.close()


def checked(portal: PortalBed, answers: dict[str, object]) -> tuple[str, str]:
    """What the editor says of answers, and the policy that it would set."""
    found = portal.send(STEWARD, f"{PAGE}/check", answers, status=200).text
    policy = re.search(r'name="policy" value="([^"]*)"', found)
    return found, unescape(policy[1]) if policy else ""


@pytest.mark.network
def test_a_policy_is_written_tried_set_and_confirmed(portal: PortalBed) -> None:
    assert "a person looks at all" in portal.page(SCIENTIST.replace("west", "east"), "/policies")
    assert "Change it" not in portal.page(OTHER, PAGE)
    assert "Its answers" in portal.page(STEWARD, f"{PAGE}/edit")
    told, policy = checked(portal, ANSWERS)
    assert "Results may go to DE, FI alone." in told and "Requests that wait for you" in told
    waiting = told[told.index('id="waiting"') : told.index('id="usual"')]
    assert 'href="/requests/relapse"' in waiting and "no" in waiting, "no transfer is among what may be done"

    portal.act(STEWARD, f"{PAGE}/set", {"policy": policy})
    assert "version 1" in portal.page(STEWARD, PAGE) and "DE, FI alone" in portal.page(OTHER, PAGE)
    assert 'value="DE, FI"' in portal.html(STEWARD, f"{PAGE}/edit"), "what is in force is what one changes"

    _, policy = checked(portal, ANSWERS | {"regions": "DE"})
    portal.act(STEWARD, f"{PAGE}/set", {"policy": policy})
    assert "Another policy waits for a second person" in portal.page(STEWARD, PAGE)
    assert "another steward reads it" in portal.page(STEWARD, PAGE)
    assert 'href="/policies"' in portal.html(SECOND, "/inbox")
    page = portal.html(SECOND, PAGE)
    (digest,) = re.findall(r'name="digest" value="([0-9a-f]{64})"', page)
    assert "Results may go to DE alone." in page
    portal.send(SECOND, f"{PAGE}/confirm", {"digest": "00" * 32}, status=404)
    portal.act(SECOND, f"{PAGE}/confirm", {"digest": digest})
    assert "Results may go to DE alone." in portal.page(OTHER, f"{PAGE}?version=2&before=1")


@pytest.mark.network
def test_one_that_waits_is_let_go(portal: PortalBed) -> None:
    _, policy = checked(portal, ANSWERS | {"regions": "FR"})
    portal.act(STEWARD, f"{PAGE}/set", {"policy": policy})
    portal.act(SECOND, f"{PAGE}/withdraw")
    assert "waits for a second person" not in portal.page(STEWARD, PAGE)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"regions": "Germany"}, "no country&#39;s code"),
        ({"rule": ["own"], "cedar": ["permit everything"]}, "is no Cedar"),
        ({"licences": "/etc/passwd"}, "no digests"),
        ({"uses": []}, "nothing would be permitted"),
    ],
)
def test_what_makes_no_policy_is_named_and_kept_in_the_form(
    portal: PortalBed, wrong: dict[str, object], said: str
) -> None:
    told, policy = checked(portal, ANSWERS | wrong)
    assert said in told and not policy and 'value="90"' in told


def test_terms_are_put_where_all_read_them(portal: PortalBed) -> None:
    sent = {"terms": ("terms.txt", b"Cite us.", "text/plain")}
    portal.send(STEWARD, f"{PAGE}/terms", files=sent)
    refused = portal.send(STEWARD, f"{PAGE}/terms", files={"terms": ("x.exe", b"MZ\0\0", "text/plain")}, status=400)
    assert "MZ" not in refused.text


@pytest.mark.parametrize(
    ("who", "path", "fields", "status"),
    [
        ("east/scientist", f"{PAGE}/edit", None, 403),
        ("east/scientist", f"{PAGE}/set", {"policy": "{}"}, 403),
        (STEWARD, f"{PAGE}/set", {"policy": "{"}, 400),
        (STEWARD, f"{PAGE}/set", {"policy": '{"dataset": "other"}'}, 400),
        (STEWARD, f"{PAGE}/check", ANSWERS | {"days": "ninety"}, 400),
    ],
)
def test_who_may_not_and_what_cannot(
    portal: PortalBed, who: str, path: str, fields: dict[str, object] | None, status: int
) -> None:
    if fields is None:
        portal.html(who, path, status)
    else:
        portal.send(who, path, fields, status=status)


def test_codes_are_found_by_a_word(portal: PortalBed) -> None:
    assert "glioma" in portal.page(STEWARD, "/policy-codes?word=glioma")
    assert "Nothing is called so" in portal.page(STEWARD, "/policy-codes?word=zzzz")
