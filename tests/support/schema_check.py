"""Whether what a route answered is what `/v1/openapi.json` says of it."""

from __future__ import annotations

from typing import Any

import jsonschema_rs


def misfit(document: dict[str, Any], method: str, path: str, status: int, answer: Any) -> str:
    """Where an answer does not fit the schema of its route, in words; empty where it does."""
    responses = document["paths"][path][method.lower()]["responses"]
    content = responses.get(str(status), responses["default"])["content"]
    (entry,) = content.values()
    schema = {**entry["schema"], "components": document["components"]}
    found = next(jsonschema_rs.Draft202012Validator(schema).iter_errors(answer), None)
    return "" if found is None else f"{'/'.join(map(str, found.instance_path))}: {found.message[:300]}"
