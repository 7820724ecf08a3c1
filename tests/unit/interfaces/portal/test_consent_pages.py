"""What patients said, taken in by page: a file of consents, a list of who opted out, and such a list forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.consent_bed import YES
from support.pcf_consents import consent
from support.portal_bed import PortalBed
from support.sharing_bed import SharingBed

STEWARD, SCIENTIST = "east/steward", "east/scientist"
PATH, TAKE, NUMBER = "/steward/consents", "/steward/consents-in", "MRN-1"
DAY = {"name": "national", "as_of": "2026-01-02"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("consents")
    bed = SharingBed.found(place)
    bed.fill("dicom")
    made = PortalBed(bed.asking, place / "nodes")
    yield made
    made.close()


def file(text: str, name: str = "given.json") -> dict[str, tuple[str, bytes, str]]:
    return {"file": (name, text.encode(), "application/octet-stream")}


def test_consents_are_taken_in_and_it_says_what_became_of_them(portal: PortalBed) -> None:
    given = json.dumps(consent("first", YES) | {"patient": {"reference": f"Patient/{NUMBER}"}})
    told = portal.send(STEWARD, f"{TAKE}/consents", {}, files=file(given), status=200).text
    assert "What was taken in" in told and NUMBER not in told
    assert "permit" in portal.page(STEWARD, PATH)
    wrong = portal.send(STEWARD, f"{TAKE}/consents", {}, files=file("<html>"), status=422).text
    assert "/tmp" not in wrong and "hmchain-form" not in wrong
    portal.send(STEWARD, f"{TAKE}/consents", {"file": ""}, status=400)
    portal.send(SCIENTIST, f"{TAKE}/consents", {}, files=file(given), status=403)


def test_a_list_is_taken_in_and_forgotten(portal: PortalBed) -> None:
    portal.send(STEWARD, f"{TAKE}/list", DAY, files=file(f"{NUMBER}\nMRN-9\n"))
    told = portal.page(STEWARD, PATH)
    assert "national" in told and "Forget national" in told and NUMBER not in told
    portal.send(STEWARD, f"{TAKE}/list", DAY | {"as_of": "soon"}, files=file("MRN-2\n"), status=400)
    portal.send(STEWARD, f"{TAKE}/list", DAY | {"name": "a/b"}, files=file("MRN-2\n"), status=400)
    portal.send(STEWARD, f"{TAKE}/list", DAY, files=file("a,b\n"), status=400)
    portal.send(STEWARD, f"{TAKE}/forget", {"list": "national"})
    assert "Forget national" not in portal.page(STEWARD, PATH)
