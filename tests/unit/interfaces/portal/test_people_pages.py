"""A hospital's people on pages: invited, accepted, changed, cut off, confirmed by a second officer; and lost keys."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hmchain.keys import SigningKey
from hmchain.ledger.contracts.members.enrolment import possession_bytes
from hmchain.ledger.contracts.members.recovery import recovery_bytes
from support.portal_bed import PortalBed
from support.request_bed import RequestBed

STEWARD, OTHER, NAMES = "east/steward", "north/steward", ("east/olga", "east/otto")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalBed]:
    place = tmp_path_factory.mktemp("people")
    made = PortalBed(RequestBed.found(place), place / "nodes")
    yield made
    made.close()


def chain(portal: PortalBed) -> str:
    return str(portal.bed.bed.consortium.ledger.chain_id)


def sent_as(name: str, said: dict[str, Any]) -> dict[str, Any]:
    """A file as its page sends it."""
    packed = {
        key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in said.items()
    }
    return {"card": (name, json.dumps(packed).encode(), "application/json")}


def card(portal: PortalBed, person: str, key: SigningKey, organisation: str = "east") -> dict[str, Any]:
    """The file by which a key is introduced to an officer."""
    public = key.public.raw
    proof = key.sign(possession_bytes(chain(portal), organisation, person, public))
    said = {"chain_id": chain(portal), "organisation": organisation, "person": person, "key": public, "proof": proof}
    return sent_as(f"{person}.json", said)


def invite(portal: PortalBed, person: str, *roles: str) -> SigningKey:
    """Invite somebody with the file of a new key."""
    key = SigningKey.generate()
    portal.act(STEWARD, "/people/invite", {"role": roles}, files=card(portal, person, key))
    return key


def accept(portal: PortalBed, person: str, key: SigningKey) -> None:
    """Accept an invitation, before anybody lets that person sign in."""
    nobody, page = portal.client("east"), f"/accept/{person}/{key.public.raw.hex()}"
    shown = nobody.get(page).text
    assert 'data-send="/v1/transactions/acceptance"' in shown
    portal.sign_at(shown, key, "/transactions/acceptance")
    portal.bed.keys[f"east/{person}"] = key
    assert "No invitation waits" in nobody.get(page).text


def ways(portal: PortalBed, who: str, deed: str) -> list[str]:
    """Where somebody can confirm, or drop, what another officer asked for."""
    return re.findall(rf'action="(/people/changes/[0-9a-f]+/{deed})"', portal.html(who, "/people"))


@pytest.mark.network
def test_somebody_is_invited_accepts_and_is_changed_by_two(portal: PortalBed) -> None:
    stranger = SigningKey.generate()
    assert "No invitation waits" in portal.client("east").get(f"/accept/rita/{stranger.public.raw.hex()}").text
    assert "Invite somebody" not in portal.page("east/scientist", "/people")
    assert "Invite somebody" not in portal.page(STEWARD, "/people/north")
    olga, otto = NAMES
    accept(portal, "olga", invite(portal, "olga", "officer", "steward"))
    key = invite(portal, "otto", "officer")
    assert not ways(portal, STEWARD, "confirm") and ways(portal, STEWARD, "drop"), "who asked does not confirm"
    assert 'href="/people"' in portal.html(olga, "/inbox")
    portal.act(olga, *ways(portal, olga, "confirm"))
    accept(portal, "otto", key)

    portal.act(olga, "/people/east/otto/roles", {"role": ["officer", "auditor"]})
    portal.act(otto, *ways(portal, otto, "confirm"))
    assert "auditor" in portal.page(otto, "/people/east/otto")
    portal.act(olga, "/people/east/otto/suspend")
    assert "suspended" in portal.page(olga, "/people/east/otto")
    portal.act(olga, "/people/east/otto/reinstate")
    portal.act(olga, *ways(portal, olga, "drop"))
    assert "Waits for another officer" not in portal.page(olga, "/people")
    portal.act(olga, "/people/new-key", files=card(portal, "otto", SigningKey.generate()))
    portal.act(olga, "/people/east/otto/remove")
    assert len(ways(portal, STEWARD, "confirm")) == 2


@pytest.mark.parametrize(
    ("who", "path", "more", "status"),
    [
        ("east/scientist", "/people/hand-over", {}, 403),
        (STEWARD, "/people/invite", {"files": {"card": ("x.json", b"{}", "application/json")}}, 400),
        (STEWARD, "/people/invite", {}, 400),
        (STEWARD, "/people/recovery/propose", {"files": {"card": ("x.json", b"[1]", "application/json")}}, 400),
    ],
)
def test_what_nobody_may(portal: PortalBed, who: str, path: str, more: dict[str, Any], status: int) -> None:
    portal.send(who, path, status=status, **more)


def test_a_file_of_another_hospital_invites_nobody(portal: PortalBed) -> None:
    found = card(portal, "nina", SigningKey.generate(), "north")
    portal.send(STEWARD, "/people/invite", {"role": "auditor"}, files=found, status=400)


def test_nothing_but_an_acceptance_is_sent_without_signing_in(portal: PortalBed) -> None:
    page = portal.client("east").post("/people/hand-over", headers={"x-test-person": STEWARD}).text
    found = portal.sign_at(page, portal.key(STEWARD), "/transactions/acceptance", status=403)
    assert found.json()["code"] == "not_allowed"


@pytest.mark.network
def test_a_lost_key_is_voted_and_its_hospital_objects(portal: PortalBed) -> None:
    fresh, former = SigningKey.generate(), portal.key("south/steward").public.raw
    proof = fresh.sign(recovery_bytes(chain(portal), "south", former, fresh.public.raw))
    said = {
        "chain_id": chain(portal),
        "organisation": "south",
        "former": former,
        "key": fresh.public.raw,
        "proof": proof,
    }
    portal.act(OTHER, "/people/recovery/propose", files=sent_as("recovery.json", said))
    ballot = portal.get(OTHER, "/network/ballots")["items"][0]["id"]
    for who in (STEWARD, "west/steward"):
        portal.act(who, f"/operator/ballots/{ballot}/yes")
    assert "Put the new key in force" not in portal.page(OTHER, "/people/south"), "a week is not over"
    assert "Our key is not lost" in portal.page("south/steward", "/people")
    portal.act("south/steward", "/people/recovery/object")
    assert "not lost" not in portal.page("south/steward", "/people")
