"""What is looked at, of a finished run: every answer fits the schema that is published of it, with no field more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hmchain.interfaces.api.app import ROUTES
from support.api_client import api_of
from support.finished_run import DATASET, STUDY, run_directory
from support.schema_check import misfit

__all__ = ["run_directory"]

KNOWN = {
    "/v1/requests/{name}": STUDY, "/v1/requests/{name}/terms": STUDY, "/v1/requests/{name}/reasons": STUDY,
    "/v1/studies/{name}": STUDY, "/v1/studies/{name}/status": STUDY, "/v1/people/{person}": "steward",
    "/v1/people/{person}/deeds": "steward", "/v1/policies/{organisation}/{dataset}": ("east", DATASET),
    "/v1/policies/{organisation}/{dataset}/versions": ("east", DATASET),
    "/v1/policies/{organisation}/{dataset}/versions/{before}/{after}": ("east", DATASET, 0, 0),
    "/v1/policies/{organisation}/{dataset}/terms": ("east", DATASET), "/v1/codes": (), "/v1/requests": (),
    "/v1/inbox": (), "/v1/people": (), "/v1/powers": (), "/v1/offers": (), "/v1/counts": (), "/v1/studies": (),
    "/v1/study-status": (), "/v1/models": (), "/v1/releases": (), "/v1/transfers": (), "/v1/emergencies": (),
    "/v1/uses": (), "/v1/duties": (), "/v1/consents": (), "/v1/optouts": (), "/v1/blocks": (),
    "/v1/budgets/{organisation}/{dataset}": ("east", DATASET),
}  # fmt: skip
"""What fills the places in paths."""


@pytest.fixture(scope="module")
def client(run_directory: Path) -> Iterator[TestClient]:
    with api_of(run_directory) as found:
        yield found


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/openapi.json").json()
    return found


@pytest.mark.parametrize("path", KNOWN)
def test_an_answer_fits_its_schema(client: TestClient, document: dict[str, Any], path: str) -> None:
    given = KNOWN[path] if isinstance(KNOWN[path], tuple) else (KNOWN[path],)
    filled = path
    for each in given:
        before, _, rest = filled.partition("{")
        filled = f"{before}{each}{rest.partition('}')[2]}"
    found = client.get(filled, params={"word": "cancer"} if path == "/v1/codes" else {})
    assert found.status_code == 200, found.text
    assert misfit(document, "GET", path, 200, found.json()) == ""


@pytest.mark.network
def test_what_is_missing_is_no_surprise(client: TestClient) -> None:
    """A name that nobody has is a problem of ours, or an empty answer, in every route that takes one."""
    for route in ROUTES:
        if route.method != "GET" or "{" not in route.path:
            continue
        path = re.sub(r"\{(name|person|organisation|dataset|study|release)\}", "nobody-has-this", route.path)
        if "{" not in path:
            found = client.get(path)
            assert found.status_code in (200, 400, 403, 404, 409, 422), (path, found.status_code, found.text)
