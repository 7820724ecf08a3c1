"""The whole API of a finished run, asked by Schemathesis what its own description allows, and what it does not.

No answer is an error of the server's, and each is as the description says. What a run refuses, since one only looks at
it, is asked for all the same: rules come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hmchain.interfaces.api import app
from hmchain.interfaces.api.app import ROUTES
from support.api_client import site_of
from support.finished_run import run_directory

__all__ = ["run_directory"]

pytestmark = pytest.mark.network

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
STREAMS = ("/v1/events",)
"""They have no end."""
MODEL_ANSWERS = ("/v1/models/{study}/predictions",)
"""Of a process of its own, which takes its time and says 503 where it has none: `test_models` asks it."""


@pytest.fixture(scope="module")
def served(run_directory: Path) -> Iterator[FastAPI]:
    with site_of(run_directory) as site:
        yield app.create(site)


@pytest.fixture(scope="module")
def schema(served: FastAPI) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/v1/openapi.json", served)


ASKED = [route for route in ROUTES if route.path not in (*STREAMS, *MODEL_ANSWERS)]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("route", ASKED, ids=lambda route: route.name)
def test_every_answer_is_as_described(schema: schemathesis.BaseSchema, route: object, mode: GenerationMode) -> None:
    operation = schema[route.path][route.method]  # type: ignore[attr-defined]

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "what takes nothing can be given nothing wrong"
