"""A release that takes two people, on pages: each marks and signs in the browser, and the second lets it through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from hmchain.application.data import extraction, quarantine
from hmchain.application.site.hospital import open_records, read_records
from hmchain.canonical import digest
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.api_bed import HEADER
from support.dicom_objects import ct, written
from support.portal_bed import PortalBed
from support.request_bed import RequestBed
from support.steward import TWO

FIRST, SECOND, PATH = "east/steward", "east/eve", "/steward/quarantine"


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalBed]:
    bed = RequestBed.found(tmp_path)
    bed.enrol(SECOND, "steward")
    (tmp_path / "careful.toml").write_text(TWO)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "shot.dcm").write_bytes(written(ct(BurnedInAnnotation="YES")))
    with (
        open_records(bed.bed.consortium.hospitals["east"].folder) as records,
        open_source(SourceRequest(place=str(tmp_path / "source"))) as source,
    ):
        extraction.extract_into(records, "head", source, title="Heads", profile=str(tmp_path / "careful.toml"))
    made = PortalBed(bed, tmp_path / "nodes")
    yield made
    made.close()


def mark(portal: PortalBed, who: str) -> None:
    """Sit down, look, and mark what waits to be released."""
    portal.send(who, f"{PATH}/begin")
    portal.html(who, f"{PATH}/review/")
    portal.send(who, f"{PATH}/review/mark", {"number": "0", "state": "released"})


def signed(portal: PortalBed, who: str) -> dict[str, str]:
    """The fields of the form, signed as the page's script does."""
    page = portal.html(who, PATH)
    told, minutes = re.search(r'data-votes="([^"]*)"', page), re.search(r'name="minutes" value="(\d+)"', page)
    assert told and minutes
    said = []
    for each in json.loads(unescape(told[1])):
        names = ("dataset", "version", "reason", "state", "reviewer", "at", "regions")
        parts = (each[name].encode() for name in names)
        said.append(portal.key(who).sign(digest("hmchain review", bytes.fromhex(each["item"]), *parts)).hex())
    return {"minutes": minutes[1], "signatures": " ".join(said)}


def waiting(portal: PortalBed) -> int:
    with read_records(portal.bed.bed.consortium.hospitals["east"].folder) as records:
        return quarantine.waiting(records).total


def applied(portal: PortalBed, who: str) -> None:
    """Send what was signed, and get up: what is decided is waited for."""
    portal.send(who, f"{PATH}/sign", signed(portal, who))
    portal.send(who, f"{PATH}/leave")


@pytest.mark.network
def test_two_people_release_in_their_browsers(portal: PortalBed) -> None:
    mark(portal, FIRST)
    assert "Your key does not decide here yet" in portal.page(FIRST, PATH)
    for who in (FIRST, SECOND):
        portal.send(FIRST, f"{PATH}/deciders/{who.split('/')[1]}/add")
    assert "Let eve release" not in portal.page(FIRST, PATH)
    fields = signed(portal, FIRST)
    portal.send(FIRST, f"{PATH}/sign", fields | {"signatures": "00" * 64}, status=400)
    portal.send(FIRST, f"{PATH}/sign", fields | {"signatures": ""}, status=400)
    portal.send(FIRST, f"{PATH}/sign", fields | {"minutes": "1"}, status=400)
    applied(portal, FIRST)
    assert waiting(portal) == 1, "one is not enough"
    mark(portal, FIRST)
    applied(portal, FIRST)
    assert waiting(portal) == 1, "the same person twice is one"
    mark(portal, SECOND)
    applied(portal, SECOND)
    assert waiting(portal) == 0


def test_who_may_let_somebody_release(portal: PortalBed) -> None:
    portal.send("east/scientist", f"{PATH}/deciders/eve/add", status=403)
    portal.send(FIRST, f"{PATH}/deciders/scientist/add", status=400)
    portal.send(FIRST, f"{PATH}/deciders/eve/add")
    portal.send(FIRST, f"{PATH}/deciders/eve/add", status=400)


def test_the_review_speaks_german(portal: PortalBed) -> None:
    portal.send(FIRST, f"{PATH}/begin")
    client, asked = portal.client("east"), {HEADER: FIRST, "accept-language": "de"}
    for page, words in (("", "Was auf Sie wartet"), ("item/0", "Freigeben (r)"), ("decisions", "Noch wurde nichts")):
        found = client.get(f"{PATH}/review/{page}", headers=asked).text
        assert words in found and '<html lang="de">' in found, page
    assert "What waits for you" in portal.html(FIRST, f"{PATH}/review/")
