"""The API asked by Schemathesis with all of its checks: all routes by examples and in steps, most at edges, by chance.

At a hospital's own portal people in all roles ask, signed in, and sign what is to be signed, so that the ledger has it.
No answer is an error of the server's, each is as the description says, and what the description allows is refused for
what it means alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hmchain.interfaces.api import app
from support.api_bed import ApiBed
from support.api_client import site_of
from support.api_fuzz import Found, Fuzzed
from support.finished_run import run_directory
from support.request_bed import RequestBed

__all__ = ["run_directory"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

EDGES = "/v1/(people|incidents|blocks|transactions|tokens|session|releases$|offices|optouts|network|studies/)"
CHANCE = "/v1/(requests|counts|incidents|studies|people|policies|blocks|consents|quarantine|audit|uses)"
"""What is asked so; each route costs seconds."""
PEOPLE = {
    "steward": "north/steward", "scientist": "north/scientist", "operator": "north/o1", "auditor": "north/a1",
    "clinician": "north/doc",
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place, seconds = tmp_path_factory.mktemp("fuzz"), itertools.count(step=60)  # nobody asks too often
    bed = RequestBed.found(place / "bed")
    for role in ("operator", "auditor", "clinician"):
        bed.enrol(PEOPLE[role], role)
    bed.submit()
    found = ApiBed(bed, place / "nodes", has_door=True, seconds=lambda: float(next(seconds)))
    yield found
    found.close()


def entered(api: ApiBed, who: str) -> str:
    """The secret of a session of somebody."""
    organisation, person = who.split("/")
    named, client = {"organisation": organisation, "person": person}, api.client(organisation)
    asked = client.post("/v1/sign-in/challenge", json=named).json()
    signature = api.key(who).sign(bytes.fromhex(asked["message"])).hex()
    signed = {**named, "challenge": asked["challenge"], "signature": signature, "bearer": True}
    return str(client.post("/v1/sign-in/key", json=signed).json()["bearer"])


def signed_in(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def portal(api: ApiBed) -> Fuzzed:
    client = api.client("north")
    secrets = {role: entered(api, who) for role, who in PEOPLE.items()}

    def sign(role: str, asked: dict[str, Any]) -> None:
        for each in (asked, *asked["more"]):
            signature = api.key(PEOPLE[role]).sign(bytes.fromhex(each["message"])).hex()
            sent = {"message": each["message"], "signature": signature}
            found = client.post("/v1/transactions", json=sent, headers=signed_in(secrets[role]))
            assert found.status_code in (200, 409), found.text  # which the ledger may refuse

    return Fuzzed(client.app, secrets, sign)


def holds(found: Found) -> None:
    assert not found.complaints, "\n".join(map(str, found.complaints[:60]))


def test_every_example_is_answered_as_described(portal: Fuzzed) -> None:
    found = portal.run("examples")
    holds(found)
    assert len(found.answered) > 40, sorted(found.answered)


def test_every_edge_is_answered_as_described(portal: Fuzzed) -> None:
    holds(portal.run("coverage", only=EDGES))


def test_what_comes_by_chance_is_answered_as_described(portal: Fuzzed) -> None:
    holds(portal.run("fuzzing", only=CHANCE))


def test_what_was_made_is_there_and_what_follows_is_answered_as_described(portal: Fuzzed) -> None:
    holds(portal.run("stateful", examples=2))


def test_a_run_that_one_only_looks_at_answers_as_described(run_directory: Path) -> None:
    with site_of(run_directory) as site:
        holds(Fuzzed(app.create(site)).run("examples"))


def test_what_is_revoked_is_over(api: ApiBed) -> None:
    client, secret = api.client("north"), entered(api, PEOPLE["steward"])
    asked = {"name": "nightly", "scopes": ["view"], "days": 1}
    made = client.post("/v1/tokens", json=asked, headers=signed_in(secret)).json()
    token = signed_in(made["secret"])
    assert client.get("/v1/session", headers=token).status_code == 200
    assert client.delete(f"/v1/tokens/{made['token']['id']}", headers=signed_in(secret)).status_code == 200
    assert client.get("/v1/session", headers=token).status_code == 401
    assert client.delete("/v1/session", headers=signed_in(secret)).status_code == 200
    assert client.get("/v1/session", headers=signed_in(secret)).status_code == 401
