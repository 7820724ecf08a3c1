"""What routes answer, of a finished run: as their own description says, and never with an error of the server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.testclient import TestClient

from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.api.problems import KIND
from hmchain.interfaces.api.routing import Route
from support.api_client import api_of
from support.finished_run import STUDY, run_directory

__all__ = ["run_directory"]

IN_PATHS = {
    "{study}": STUDY, "{name}": STUDY, "{organisation}": "north", "{person}": "steward", "{dataset}": "scans",
    "{digest}": "0123", "{version}": "1",
}  # fmt: skip
LOOKING = [route for route in ROUTES if route.method == "GET" and not route.answer.startswith("text/event-stream")]


@pytest.fixture(scope="module")
def client(run_directory: Path) -> Iterator[TestClient]:
    with api_of(run_directory) as found:
        yield found


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return client.get("/v1/openapi.json").json()  # type: ignore[no-any-return]


def test_nothing_is_kept_of_what_tells_of_a_patient() -> None:
    told = {
        "find_consents", "prepare_patient_report", "answer_patient", "preview_erasure", "ask_model", "prove_record",
        "withdraw_consent",
        "prepare_reidentification", "reidentify",
    }  # fmt: skip
    assert {route.name for route in ROUTES if route.private} == told


@pytest.mark.parametrize("route", LOOKING, ids=lambda route: route.name)
def test_an_answer_is_as_described(client: TestClient, document: dict[str, Any], route: Route) -> None:
    path = route.path
    for name, value in IN_PATHS.items():
        path = path.replace(name, value)
    found = client.get(path)
    assert found.status_code < 500, found.text
    responses = document["paths"][route.path]["get"]["responses"]
    told = responses["200" if found.status_code == 200 else "default"]["content"]
    kind = found.headers["content-type"].partition(";")[0]
    assert kind in {each.partition(";")[0] for each in told}, (kind, found.text)
    if kind in ("application/json", KIND):
        schema = {**told[kind]["schema"], "components": document["components"]}
        jsonschema_rs.validate(schema, found.json())
