"""Asking for a release by page: it leads to the release, which learns of itself that somebody measured it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.portal_bed import PortalBed
from support.request_bed import RequestBed
from support.study_bed import STUDY, Bed

SCIENTIST, STEWARD = "east/scientist", "north/steward"


@pytest.mark.network
def test_who_asks_comes_to_the_release(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path / "run")
    bed.prepare(1)
    bed.approve()
    bed.run()
    portal = PortalBed(RequestBed(bed, tmp_path), tmp_path / "nodes")
    asked = {"study": STUDY, "audience": "members", "regions": "DE"}
    page = portal.send(SCIENTIST, "/releases-ask", asked, status=200).text
    (after,) = re.findall(r'data-after="([^"]*)"', page)
    portal.act(SCIENTIST, "/releases-ask", asked)
    assert after.startswith("/releases/") and "asked by" in portal.page(SCIENTIST, after)
    seen = portal.html(STEWARD, after)
    assert re.search(r'id="measuring"[^>]*hx-trigger="every 10s"', seen), "another steward may measure it"
    again = portal.send(SCIENTIST, "/releases-ask", asked)
    assert again.headers["location"] == after, "the same question is the same release"
    portal.close()
