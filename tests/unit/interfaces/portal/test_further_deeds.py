"""Deeds of a week on pages: a request renewed and talked about, patients who object, what the members are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.records.objects import address_of
from support.policy_bed import TERMS
from support.portal_bed import PortalBed
from support.request_bed import FILE, RequestBed
from support.sharing_bed import SharingBed

SCIENTIST, COLLEAGUE, STEWARD, OTHER = "west/scientist", "west/carl", "east/steward", "north/steward"
REVIEWER, PAGE = "east/eva", "/requests/relapse"
PATIENTS = "/steward/patients"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("deeds")
    bed = RequestBed.found(place)
    bed.enrol(REVIEWER, "ethics")
    bed.enrol(COLLEAGUE, "scientist")
    bed.submit()
    made = PortalBed(bed, place / "nodes")
    yield made
    made.close()


@pytest.mark.network
def test_a_request_is_reviewed_voted_on_and_noted(portal: PortalBed) -> None:
    portal.act(STEWARD, f"{PAGE}/ask", {"person": "eva", "deed": "review", "version": 1})
    assert "You are asked for a review" in portal.page(REVIEWER, PAGE)
    portal.act(
        REVIEWER,
        f"{PAGE}/answer",
        {"deed": "review", "hospital": "east", "said": "favourable", "letter": "Sound.", "version": 1},
    )
    portal.act(STEWARD, f"{PAGE}/vote", {"said": "accept", "version": 1})
    portal.act(STEWARD, f"{PAGE}/stage", {"state": "in-ethics", "version": 1})
    portal.act(STEWARD, f"{PAGE}/outside", {"number": "ek-2026-17"})
    told = portal.page(STEWARD, PAGE)
    assert "Sound." in told and "votes" in told and "before the ethics committee" in told and "ek-2026-17" in told
    portal.send(STEWARD, f"{PAGE}/stage", {"state": "No State", "version": 1}, status=400)
    portal.send(SCIENTIST, f"{PAGE}/stage", {"state": "ready"}, status=403)


@pytest.mark.network
def test_a_request_is_handed_over_and_renewed(portal: PortalBed) -> None:
    portal.bed.submit(FILE.replace('"relapse"', '"second"'))
    page = "/requests/second"
    portal.act(SCIENTIST, f"{page}/invite", {"person": "carl"})
    portal.act(SCIENTIST, f"{page}/take-back")
    portal.act(SCIENTIST, f"{page}/hand-over", {"person": "west/carl"})
    assert "Hand it in" in portal.page(COLLEAGUE, page)
    portal.act(COLLEAGUE, f"{page}/part", {"person": SCIENTIST})
    portal.act(COLLEAGUE, f"{page}/close", {"reason": "finished"})
    assert "Ask for the same again" in portal.page(COLLEAGUE, page)
    portal.act(COLLEAGUE, f"{page}/renew", {"name": "third", "until": "2024-06-30"})
    assert "a copy of second" in portal.page(COLLEAGUE, "/requests/third")
    portal.send(COLLEAGUE, f"{page}/renew", {"name": "Third!", "until": "2024-06-30"}, status=400)
    portal.send(COLLEAGUE, f"{page}/renew", {"name": "fourth", "until": "soon"}, status=400)


def test_terms_are_accepted(portal: PortalBed) -> None:
    portal.send(OTHER, "/policies/north/brain/terms", files={"terms": ("terms.txt", b"Cite us.", "text/plain")})
    portal.bed.user(OTHER).send(SetPolicy("brain", replace(TERMS, licences=(address_of(b"Cite us."),))))
    portal.bed.submit(FILE.replace("relapse", "fifth").replace('east = "brain"\n', ""))
    portal.act(OTHER, "/requests/fifth/approve", {"version": 1, "unread": "yes"})
    told = portal.page(SCIENTIST, "/requests/fifth/terms")
    assert "Cite us." in told and "Keep to these terms" in told
    portal.act(SCIENTIST, "/requests/fifth/accept", {"read": address_of(b"Cite us.").hex()})
    assert SCIENTIST in portal.page(OTHER, "/requests/fifth/terms")


@pytest.mark.network
def test_what_the_members_are_told_and_asked(portal: PortalBed) -> None:
    portal.act(STEWARD, "/operator/maintenance", {"minutes": "30", "in_minutes": "0"})
    portal.act(STEWARD, "/operator/anchor")
    portal.send(STEWARD, "/operator/maintenance", {"minutes": "0", "in_minutes": "0"}, status=400)
    assert "round_trip_ms" in portal.html(STEWARD, "/operator/ballots/propose")
    portal.act(STEWARD, "/operator/ballots/propose/set", {"name": "round_trip_ms", "value": "160"})
    portal.act(STEWARD, "/operator/ballots/propose/remove", {"member": "south"})
    assert portal.page(OTHER, "/operator/ballots").count("you voted yes") == 0
    portal.send(STEWARD, "/operator/ballots/propose/set", {"name": "no_such", "value": "1"}, status=400)
    portal.html("east/scientist", "/operator/ballots/propose", 403)


@pytest.mark.network
def test_a_patient_objects_agrees_again_and_is_erased(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("patients")
    bed = SharingBed.found(place)
    bed.fill("dicom")
    portal = PortalBed(bed.asking, place / "nodes")
    number = "MRN-1"
    try:
        sent = portal.send(STEWARD, f"{PATIENTS}/opt-out", {"number": number})
        assert number not in str(sent.headers) and number not in portal.html(STEWARD, PATIENTS)
        portal.send(STEWARD, f"{PATIENTS}/opt-in", {"number": number})
        portal.send(STEWARD, f"{PATIENTS}/opt-out", {"number": ""}, status=400)
        portal.send("east/scientist", f"{PATIENTS}/opt-out", {"number": number}, status=403)
        seen = portal.send(STEWARD, f"{PATIENTS}/preview", {"number": number}, status=200).text
        assert "2 of 6" in seen and number not in seen
        portal.send(STEWARD, f"{PATIENTS}/erase", {"number": number}, status=400)
        told = portal.carry_out(STEWARD, f"{PATIENTS}/erase", {"number": number, "sure": "yes"})
        assert "destroyed 2 records" in told and "head v1" in told
        portal.act(STEWARD, f"{PATIENTS}/withdraw")
        assert "does not know yet" not in portal.page(STEWARD, PATIENTS)
        assert number not in str(portal.client("east").app.state.site.jobs.all())  # type: ignore[attr-defined]
    finally:
        portal.close()
