"""Who may do what, as the reference says: every route, every role, of this hospital and of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from scripts.api_reference import PAGE, page
from starlette.requests import Request
from starlette.testclient import TestClient

from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation, allowed
from hmchain.application.access.principal import Principal
from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.api.routing import Route
from hmchain.interfaces.api.site import Site
from support.api_client import api_of
from support.finished_run import run_directory

__all__ = ["run_directory"]

OWN, OTHER = "east", "elsewhere"
DENIED = "not_allowed"


def table() -> dict[tuple[str, str], tuple[dict[str, bool], bool]]:
    """Of each route on the page: which roles of this hospital may, and whether anybody of another member may."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| `([A-Z]+) (\S+)` \|", line):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            marks = [cell == "✓" for cell in cells[3 : 4 + len(HOSPITAL_ROLES)]]
            found[match[1], match[2]] = dict(zip(HOSPITAL_ROLES, marks, strict=False)), marks[-1]
    return found


TABLE = table()


def person(organisation: str, role: str) -> Principal:
    return Principal(organisation, "p", frozenset({role}), bytes(32), frozenset(Operation), frozenset({"key"}))


def test_the_page_is_what_the_routes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page() + "\n", "run: python scripts/api_reference.py"


def test_no_route_is_missing_in_it() -> None:
    assert set(TABLE) == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_rule_lets_in_whom_the_table_names(route: Route) -> None:
    roles, other = TABLE[route.method, route.path]
    for role in HOSPITAL_ROLES:
        assert allowed(route.rule, person(OWN, role), OWN) == roles[role], role
    assert any(allowed(route.rule, person(OTHER, role), OWN) for role in HOSPITAL_ROLES) == other
    assert allowed(route.rule, None, OWN) == (route.rule.scope == "public")


class OfNode(Site):
    """A run that is judged as a node's portal is, once it is open: by whose people somebody is of."""

    is_open = False

    @property
    def is_read_only(self) -> bool:
        return not self.is_open


@dataclass
class Door:
    """Lets in whoever stands there."""

    who: Principal | None = None

    def __call__(self, request: Request) -> Principal | None:
        return self.who


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.fixture(scope="module")
def client(run_directory: Path, door: Door) -> Iterator[TestClient]:
    with api_of(run_directory, door, OfNode) as found:
        OfNode.is_open = True
        yield found
        OfNode.is_open = False


def is_let_in(client: TestClient, method: str, path: str) -> bool:
    """Whether a request gets past the rule; it says nothing that a route could use."""
    place = re.sub(r"\{[^}]+\}", "0123456789abcdef", path)
    wrong = {"limit": "-", "after": "-"}  # a stream would not end
    found = client.request(method, place, params=wrong, content=b"-", headers={"content-type": "text/plain"})
    assert found.status_code < 500, (method, path, found.text)
    is_problem = found.headers.get("content-type", "").startswith("application/problem")
    return not (is_problem and found.json()["code"] == DENIED)


@pytest.mark.parametrize("route", ROUTES[::20], ids=lambda route: route.name)
def test_a_server_lets_in_whom_the_table_names(client: TestClient, door: Door, route: Route) -> None:
    _try_all(client, door, route)


@pytest.mark.network
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_server_lets_in_whom_the_table_names_of_every_route(client: TestClient, door: Door, route: Route) -> None:
    _try_all(client, door, route)


def _try_all(client: TestClient, door: Door, route: Route) -> None:
    roles, other = TABLE[route.method, route.path]
    for organisation, role in product((OWN, OTHER), HOSPITAL_ROLES):
        door.who = person(organisation, role)
        said = is_let_in(client, route.method, route.path)
        if organisation == OWN:
            assert said == roles[role], (organisation, role)
        elif not other:
            assert not said, (organisation, role)
