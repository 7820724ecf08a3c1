"""One field finds what a ledger has under a name; and a proof of a transaction is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from support.api_client import api_of
from support.finished_run import DATASET, STUDY, run_directory

__all__ = ["run_directory"]


@pytest.fixture(scope="module")
def client(run_directory: Path) -> Iterator[TestClient]:
    with api_of(run_directory) as found:
        yield found


@pytest.fixture(scope="module")
def digest(client: TestClient) -> str:
    block = client.get("/v1/blocks", params={"from": 2, "limit": 1}).json()[0]
    return str(block["transactions"][0]["digest"])


def test_one_field_finds_names_heights_and_digests(client: TestClient, digest: str) -> None:
    def hits(q: str) -> list[tuple[str, str]]:
        found = client.get("/v1/search", params={"q": q}).json()["items"]
        return [(each["kind"], each["name"]) for each in found]

    assert hits(STUDY.upper())[0] in (("study", STUDY), ("request", STUDY))
    assert ("dataset", f"north/{DATASET}") in hits(DATASET)
    assert ("person", "north/steward") in hits("steward")
    assert hits("3")[0] == ("block", "3")
    assert ("transaction", digest) in hits(digest[:16])
    assert hits("<script>alert(1)</script>") == []


def test_a_proof_holds_here_and_not_elsewhere(client: TestClient, digest: str) -> None:
    proof = client.get(f"/v1/transactions/{digest}/proof").content
    checked = client.post("/v1/proofs/check", content=proof)
    assert checked.status_code == 200, checked.text
    assert checked.json()["transaction"]["digest"] == digest
    other = client.post("/v1/proofs/check", params={"genesis": "0" * 64}, content=proof)
    assert (other.status_code, other.json()["code"]) == (409, "proof")
    damaged = client.post("/v1/proofs/check", content=proof[:-20])
    assert (damaged.status_code, damaged.json()["code"]) == (400, "proof_file")
