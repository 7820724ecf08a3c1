"""A FHIR R4B server for tests, made with fhirstarter: run by the interpreter of its own environment, not imported.

    python fhir_server_app.py NDJSON PORT TOKEN

It validates and serves the patients and observations of a file by search, in pages, to who has the token. Every seventh
answer is 429, so that a client that does not wait gets nowhere.
"""

# No `from __future__ import annotations`: fhirstarter looks at the types of parameters themselves.
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhirstarter import FHIRProvider, FHIRStarter, InteractionContext, Request, Response

DATA, PORT, TOKEN = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
BUSY_EVERY = 7

resources = [json.loads(line) for line in DATA.read_text().splitlines()]
provider = FHIRProvider()
answers = itertools.count(1)


def page(kind: str, context: InteractionContext) -> Bundle:
    """The part of all resources of a type that the query asks for, and where the next one is."""
    query = context.request.query_params
    start, size = int(query.get("_offset", "0")), int(query.get("_count", "50"))
    matches = [resource for resource in resources if resource["resourceType"] == kind]
    bundle: dict[str, Any] = {"type": "searchset", "total": len(matches)}
    if query.get("_summary") != "count":
        bundle["entry"] = [{"resource": resource} for resource in matches[start : start + size]] or None
        if start + size < len(matches):
            link = f"http://127.0.0.1:{PORT}/{kind}?_count={size}&_offset={start + size}"
            bundle["link"] = [{"relation": "next", "url": link}]
    return Bundle(**bundle)


@provider.search_type(Patient)
async def search_patients(context: InteractionContext) -> Bundle:
    """GET /Patient"""
    return page("Patient", context)


@provider.search_type(Observation)
async def search_observations(context: InteractionContext) -> Bundle:
    """GET /Observation"""
    return page("Observation", context)


app = FHIRStarter(title="Test server")
app.add_providers(provider)


@app.middleware("http")
async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """401 without the token, and now and then 429."""
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return Response(status_code=401)
    if next(answers) % BUSY_EVERY == 0:
        return Response(status_code=429, headers={"Retry-After": "0"})
    return await proceed(request)


uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
