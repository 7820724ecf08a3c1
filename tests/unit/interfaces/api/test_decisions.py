"""What people sign over the API beside requests: policies, people, studies, counts; prepared, signed, sent, read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hmchain.application.governance import people
from hmchain.keys import SigningKey
from support.api_bed import ApiBed
from support.request_bed import RequestBed

STEWARD, SCIENTIST = "east/steward", "west/scientist"
POLICY = {"dataset": "brain", "uses": ["health-research"], "kinds": ["train", "count", "transfer"], "approvers": 1}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("decisions")
    bed = ApiBed(RequestBed.found(place), place / "nodes")
    yield bed
    bed.close()


def test_a_policy_is_tried_and_put_in_force(api: ApiBed) -> None:
    tried = api.ask("POST", STEWARD, "/policies/trials", json={"policy": POLICY}).json()
    assert {each["answer"] for each in tried} <= {"yes", "no", "look"} and len(tried) > 3
    change = api.ask("POST", STEWARD, "/policies/changes", json=POLICY).json()
    assert (change["before"], change["is_in_force"], bool(change["new"])) == (0, False, True)
    (said,) = api.do(STEWARD, "/policies", POLICY)
    assert said.startswith("set the policy of brain")
    assert api.get(SCIENTIST, "/policies/east/brain")["version"] == 1
    assert api.ask("POST", STEWARD, "/policies", json=POLICY).json()["version"] == 1  # it is in force: nothing to sign
    two = POLICY | {"approvers": 2}
    api.do(STEWARD, "/policies", two)
    assert api.get(SCIENTIST, "/policies/east/brain/versions/1/2")["new"]
    for path in ("/policies", "/policies/changes"):
        found = api.ask("POST", STEWARD, path, status=400, json=POLICY | {"licences": ["/etc/passwd"]})
        assert found.json()["code"] == "policy_file"


def test_a_person_is_invited_with_a_key_made_elsewhere_and_accepts(api: ApiBed) -> None:
    key = SigningKey.generate()
    new = {"person": "rita", "public": key.public.raw.hex()}
    message = api.ask("POST", STEWARD, "/people/possession", json=new).json()["message"]
    proof = key.sign(bytes.fromhex(message)).hex()
    api.do(STEWARD, "/people", new | {"proof": proof, "roles": ["scientist", "steward"]})
    api.bed.keys["east/rita"] = key
    people.accept(newcomer := api.bed.user("east/rita"), people.invited(newcomer))
    assert api.get(SCIENTIST, "/people/rita", params={"of": "east"})["roles"] == ["scientist", "steward"]
    api.do("east/rita", "/people/rita/suspension", {})
    assert api.get(STEWARD, "/people/rita")["status"] == "suspended"
    assert len(api.get(STEWARD, "/people/rita/deeds")["items"]) == 2


def test_a_study_is_asked_for_allowed_and_proposed_by_the_same_question(api: ApiBed) -> None:
    study = {"name": "tumour", "datasets": {"north": "brain", "south": "brain", "west": "brain"}, "rounds": 3}
    assert len(api.do("north/scientist", "/studies", study)) == 3
    for hospital in ("north", "south", "west"):
        assert api.get(f"{hospital}/steward", "/studies/tumour")["proposal"]["asked"]["decision"] == "undecided"
        api.do(f"{hospital}/steward", "/studies/tumour/approval", {"days": 30})
    (said,) = api.do("north/scientist", "/studies", study)
    assert said.startswith("propose study tumour")
    assert api.get("east/steward", "/studies/tumour/status")["status"]["status"] == "proposed"
    api.do("south/steward", "/studies/tumour/revocation", {})
    api.do("north/scientist", "/studies/tumour/end", {})
    assert api.get("east/steward", "/studies/tumour/status")["status"]["status"] == "closed"
    named = study | {"name": "other", "trainer": "/tmp/evil.py:Evil"}
    assert api.ask("POST", "north/scientist", "/studies", status=400, json=named).json()["code"] == "study_file"


def test_what_cannot_be_counted_is_a_problem(api: ApiBed) -> None:
    asked = {"query": "female", "datasets": ["north/brain", "south/brain", "west/brain"]}
    assert api.ask("POST", SCIENTIST, "/counts", status=400, json=asked).json()["code"] == "count_argument"
    assert (
        api.ask("POST", SCIENTIST, "/counts", status=400, json=asked | {"query": "femal"}).json()["code"] == "bad_query"
    )
