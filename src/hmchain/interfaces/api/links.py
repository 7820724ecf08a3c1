"""What one may ask after an answer, as OpenAPI links: the reading of what was made, the job's standing, the sending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hmchain.interfaces.api.routing import Route

_JOB, _SENDING = "show_job", "send_transaction"


def link(route: Route, routes: Sequence[Route], responses: dict[str, Any]) -> None:
    """Add to the responses of a route what follows them."""
    if route.method in ("GET", "DELETE"):
        return
    done = "202" if route.job else "200"
    if route.job:
        _add(responses[done], _JOB, {"id": "$response.body#/id"})
        return
    if (found := _reading(route, routes)) is not None:
        operation, parameters = found
        _add(responses[done], operation, parameters)
        if route.signs:
            _add(responses["202"], operation, parameters, "Once it is signed and sent.")
    if route.signs:
        message = {"message": "$response.body#/message"}
        links = responses["202"].setdefault("links", {})
        links[_SENDING] = {"operationId": _SENDING, "requestBody": message, "description": "With a signature."}


def _add(response: dict[str, Any], operation: str, parameters: dict[str, str], words: str = "") -> None:
    found: dict[str, Any] = {"operationId": operation, "parameters": parameters}
    response.setdefault("links", {})[operation] = found | ({"description": words} if words else {})


def _reading(route: Route, routes: Sequence[Route]) -> tuple[str, dict[str, str]] | None:
    """The route that shows what this one made or changed, and where its parameters are known from."""
    readable = {each.path: each.name for each in routes if each.method == "GET"}
    above = route.path
    while "{" in above:  # /studies/{name}/approval is of what /studies/{name} shows
        if above in readable:
            return readable[above], {name: f"$request.path.{name}" for name in _names(above)}
        above = above.rpartition("/")[0]
    for path, name in readable.items():  # /studies makes what /studies/{name} shows
        place, _, last = path.rpartition("/")
        if place == route.path and last.startswith("{") and (field := _named_by(route, last[1:-1])):
            return name, {last[1:-1]: f"$request.body#/{field}"}
    return None


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _named_by(route: Route, parameter: str) -> str:
    """The field of a body that says how what is made is called, which it must have; else an empty text."""
    if route.takes is None:
        return ""
    wanted = (parameter, route.path.rpartition("/")[2].removesuffix("s"))
    required = [each.name for each in msgspec.structs.fields(route.takes) if each.required]
    return next((name for name in wanted if name in required), "")
