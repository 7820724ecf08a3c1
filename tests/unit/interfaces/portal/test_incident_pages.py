"""An incident by page: opened, told to all, known, noted on, contained and closed, each word signed by a person."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.portal_bed import PortalBed
from support.request_bed import RequestBed

OPENER, AFFECTED, SCIENTIST = "east/steward", "north/steward", "east/scientist"
OTHERS = ("south/steward", "west/steward")
PATH, OPEN = "/auditor/incidents", "/auditor/incidents-open"
PAGE = f"{PATH}/lost-server"
REPORT = {"incident": "lost-server", "kind": "outage", "severity": "high", "affects": "north"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("incidents")
    made = PortalBed(RequestBed.found(place), place / "nodes")
    yield made
    made.close()


@pytest.mark.network
def test_an_incident_is_followed_to_its_end(portal: PortalBed) -> None:
    assert "Open an incident" in portal.page(OPENER, PATH) and "Open an incident" not in portal.page(SCIENTIST, PATH)
    portal.send(SCIENTIST, OPEN, REPORT, status=403)
    for wrong in ({"incident": "Lost Server"}, {"kind": "Nonsense"}, {"noticed": "soon"}, {"stolen": "nobody"}):
        portal.send(OPENER, OPEN, REPORT | wrong, status=400)
    portal.act(OPENER, OPEN, REPORT | {"noticed": "2023-11-14T10:00", "letter": "A disk of the machine burnt."})
    told = portal.page(AFFECTED, PAGE)
    assert "A disk of the machine burnt." in told and "Say that it is contained here" in told and "an outage" in told
    assert "What you can do" not in portal.page("north/scientist", PAGE)

    portal.act(AFFECTED, f"{PAGE}/acknowledge")
    portal.send(AFFECTED, f"{PAGE}/contain", status=400)
    portal.act(AFFECTED, f"{PAGE}/contain", {"measure": ["restored", "persons-told"], "letter": "From the copy."})
    portal.act(OPENER, f"{PAGE}/note", {"letter": "The maker was told."})
    portal.send(OPENER, f"{PAGE}/note", status=400)
    for other in OTHERS:
        portal.act(other, f"{PAGE}/acknowledge")
    assert "Close it for good" not in portal.page(AFFECTED, PAGE)
    portal.act(OPENER, f"{PAGE}/close")
    told = portal.page(OPENER, PAGE)
    assert "What you can do" not in told and "restored from a copy" in told and "The maker was told." in told


def test_a_key_that_signs_still_is_cut_off_first(portal: PortalBed) -> None:
    portal.act(OPENER, OPEN, REPORT | {"incident": "token", "kind": "key", "affects": [], "stolen": "east/scientist"})
    told = portal.html(OPENER, f"{PATH}/token")
    assert "/people/east/scientist" in told and "signs still" in told
