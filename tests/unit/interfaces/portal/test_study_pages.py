"""A study that no request asked for (protocol 2), at its page: read, allowed, refused, taken back and ended."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hmchain.ledger.contracts.learning import closing, studies
from hmchain.ledger.contracts.learning.studies import Status
from support.api_bed import HEADER
from support.portal_bed import PortalBed
from support.request_bed import RequestBed
from support.study_bed import STUDY, Bed, another

STEWARD, OTHER, SCIENTIST, STRANGER = "east/steward", "north/steward", "east/scientist", "west/scientist"
PAGE = f"/studies/{STUDY}"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("studies")
    bed = Bed.found(place / "run", protocol=2)
    bed.ask(another(bed.prepare(), "second"))
    made = PortalBed(RequestBed(bed, place), place / "nodes")
    yield made
    made.close()


def study(portal: PortalBed, name: str = STUDY) -> studies.Study:
    return studies.require_study(portal.bed.bed.state, name)


def test_a_steward_reads_allows_and_takes_back(portal: PortalBed) -> None:
    told = portal.page(STEWARD, PAGE)
    assert study(portal).spec.digest.hex() in told, "what an approval binds"
    assert "Allow it" in told and "Its request" not in told and "Take the approval back" not in told
    assert "Allow it" not in portal.page(STRANGER, PAGE)
    portal.send(STRANGER, f"{PAGE}/approve", {"days": "90"}, status=403)
    portal.send(STEWARD, f"{PAGE}/approve", {"days": "0"}, status=400)
    assert study(portal).spec.digest.hex() in portal.act(STEWARD, f"{PAGE}/approve", {"days": "90"})
    told = portal.page(STEWARD, PAGE)
    assert "Take the approval back" in told and "Allow it" not in told
    portal.act(STEWARD, f"{PAGE}/revoke")
    assert "Allow it" in portal.page(STEWARD, PAGE)


def test_stewards_vote_for_its_end_and_its_scientist_ends_it(portal: PortalBed) -> None:
    page = "/studies/second"
    assert "Vote for its end" in portal.page(STEWARD, page) and "Vote for its end" not in portal.page(SCIENTIST, page)
    portal.act(STEWARD, f"{page}/close")
    assert closing.votes(portal.bed.bed.state, "second") == ("east",)
    portal.act(SCIENTIST, f"{page}/close")
    assert study(portal, "second").status is Status.CLOSED
    assert "What you can do" not in portal.page(SCIENTIST, page)


def test_a_no_ends_what_has_not_begun(portal: PortalBed) -> None:
    portal.send(OTHER, f"{PAGE}/refuse", {"reason": "Whatever"}, status=400)
    portal.act(OTHER, f"{PAGE}/refuse", {"reason": "ethics"})
    assert study(portal).status is Status.REFUSED
    assert "What you can do" not in portal.page(STEWARD, PAGE)


def test_it_is_told_in_german(portal: PortalBed) -> None:
    found = portal.client("east").get(PAGE, headers={HEADER: STEWARD, "accept-language": "de"}).text
    assert "Was festliegt" in found and not re.findall(r'<span lang="en">[^<]*', found)
