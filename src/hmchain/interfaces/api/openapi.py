"""The API as OpenAPI 3.1: paths and parameters as FastAPI has them, bodies and answers from our own types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hmchain.application.access.permissions import Scope
from hmchain.interfaces.api import answers, idempotency, links, paging, problems
from hmchain.interfaces.api.routing import Route, is_page_of
from hmchain.interfaces.api.schemas import Schemas
from hmchain.interfaces.api.signing import ToSign

_REFERENCE = "#/components/schemas/{name}"
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token: `POST /v1/tokens` makes one."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "hmchain-ORGANISATION",
        "description": "A browser's session.",
    },
}


def describe(routes: Sequence[Route], document: dict[str, Any]) -> dict[str, Any]:
    """The document of an app, from what FastAPI made of it and its routes."""
    taken = [route.takes for route in routes if route.takes is not None]
    _, bodies = msgspec.json.schema_components(list(dict.fromkeys(taken)), ref_template=_REFERENCE)
    schemas = Schemas(bodies)
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        operation |= _operation(route, schemas)
        operation["parameters"] = [*operation.get("parameters", []), *_headers(route)]
    document["components"] = {
        "schemas": {**_with_ends(bodies), **schemas.components, "Problem": problems.described()},
        "securitySchemes": _SCHEMES,
    }
    for route in routes:
        links.link(route, routes, document["paths"][route.path][route.method.lower()]["responses"])
    return document


def _with_ends(schema: Any) -> Any:
    r"""A schema whose patterns end as JSON schema has it: what is `\Z` in Python is `$` there."""
    if isinstance(schema, dict):
        return {
            key: each.removesuffix(r"\Z") + "$" if key == "pattern" and str(each).endswith(r"\Z") else _with_ends(each)
            for key, each in schema.items()
        }
    return list(map(_with_ends, schema)) if isinstance(schema, list) else schema


def _headers(route: Route) -> list[dict[str, Any]]:
    """The headers that a route reads, beside those of the sign-in."""
    found = []
    if idempotency.takes_key(route.method, route.rule.scope, route.private):
        words = "New for each request: sent again with the same within a day, it is done once and answered as before."
        form = {"type": "string", "pattern": f"^{idempotency.KEY}$"}
        found.append(_header(idempotency.HEADER, words, form, "3f9a2c71-first"))
    if _has_tag(route):
        words = "The `ETag` of an answer that one has: 304 says that nothing has changed."
        found.append(_header("If-None-Match", words, {"type": "string"}, f'"{"0" * answers.TAG_DIGITS}"'))
    return found


def _header(name: str, words: str, form: dict[str, Any], example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": words, "schema": form, "example": example}


def _has_tag(route: Route) -> bool:
    return route.method == "GET" and route.answer == "application/json"


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    rule = route.rule
    found: dict[str, Any] = {
        "x-operation": rule.operation, "x-scope": rule.scope, "x-roles": list(rule.roles),
        "security": [] if rule.scope is Scope.PUBLIC else _SECURITY,
        "responses": _responses(route, schemas),
    }  # fmt: skip
    if route.commands:
        found["x-commands"] = list(route.commands)
    if route.takes is not None:
        content: dict[str, Any] = {"schema": {"$ref": _REFERENCE.format(name=route.takes.__name__)}}
        if route.example is not None:
            content["example"] = msgspec.to_builtins(route.example)
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    elif route.bytes_max:
        words = f"The file itself, of at most {route.bytes_max} bytes."
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        found["requestBody"] = {"required": True, "description": words, "content": content}
    return found


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer == "application/json":
        entry = is_page_of(route.gives)
        schema = schemas.of(route.gives) if entry is None else paging.schema(schemas.of(entry))
        content = {"application/json": {"schema": schema}}
    else:
        content = {route.answer: {"schema": {"type": "string"}}}
    words = route.rule.operation.capitalize()
    found: dict[str, Any] = {"202" if route.job else "200": {"description": words, "content": content}}
    if route.failing:
        found[str(route.failing)] = {"description": "Bad news", "content": content}
    if _has_tag(route):
        found["200"]["headers"] = {"ETag": {"description": "Of this answer.", "schema": {"type": "string"}}}
        found["304"] = {"description": "As it was"}
    if route.signs:
        signed = {"application/json": {"schema": schemas.of(ToSign)}}
        found["202"] = {"description": "To be signed; nothing was sent", "content": signed}
    problem = {problems.KIND: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    found["default"] = {"description": "A problem (RFC 9457)", "content": problem}
    return found
