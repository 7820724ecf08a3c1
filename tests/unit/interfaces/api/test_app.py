"""The API's ground: rules before everything, problems, pages, entity tags, and a description that is whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation, Rule, Scope, allowed
from hmchain.application.access.principal import Principal
from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.api.problems import KIND

__all__ = ["run_directory"]
from support.api_client import api_of
from support.finished_run import run_directory


def test_blocks_are_shown_with_a_tag_and_not_sent_twice(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        found = client.get("/v1/blocks", params={"from": 1, "limit": 2})
        assert found.status_code == 200, found.text
        assert [block["height"] for block in found.json()] == [1, 2]
        again = client.get(
            "/v1/blocks", params={"from": 1, "limit": 2}, headers={"If-None-Match": found.headers["etag"]}
        )
    assert (again.status_code, again.content) == (304, b"")


def test_a_part_of_a_list_is_what_its_numbers_mean(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        for limit in ("1", "1.0", "%2B1"):
            found = client.get(f"/v1/models?limit={limit}&offset=0.0")
            assert (found.status_code, len(found.json()["items"])) == (200, 1), found.text


def test_what_is_wrong_is_told_as_a_problem(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        for path, status, code in (
            ("/v1/transactions/ffff", 404, "no_such_transaction"),
            ("/v1/transactions/xyz", 400, "bad_parameter"),
            ("/v1/blocks?limit=0", 400, "bad_parameter"),
            ("/v1/nothing", 404, "no_route"),
        ):
            found = client.get(path)
            assert (found.status_code, found.json()["code"]) == (status, code), found.text
            assert found.headers["content-type"] == KIND
        posted = client.post("/v1/transactions", json={"message": "90", "signature": "0" * 128})
    assert (posted.status_code, posted.json()["code"]) == (403, "read_only")


def test_the_type_of_a_problem_leads_to_its_words(run_directory: Path) -> None:
    with api_of(run_directory, lambda request: None) as client:
        kind = client.get("/v1/nothing").json()["type"]
        page = client.get(kind.partition("#")[0])
        assert page.headers["content-type"].startswith("text/html")
        for code in (
            kind.partition("#")[2],
            "bad_parameter",
            "too_many",
            "sign_in_refused",
            "refused",
            "refusal-expired",
        ):
            assert page.text.count(f'id="{code}"') == 1, code
        named = re.findall(r'id="([^"]+)"', page.text)
    assert len(named) == len(set(named))


def test_an_address_says_which_methods_it_takes(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        found = client.request("PATCH", "/v1/session")
    assert (found.status_code, found.json()["code"], found.headers["allow"]) == (405, "no_such_method", "DELETE, GET")


def test_a_form_is_held_to_its_end(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        found = client.post("/v1/people/possession", json={"person": "s1\n", "public": "00" * 32})
        assert (found.status_code, found.json()["code"]) == (400, "bad_body")
        told = client.get("/v1/openapi.json").text
    assert "\\Z" not in told


def test_what_is_written_again_is_told_with_its_own_form(run_directory: Path) -> None:
    """Two types of one name are two forms, and none takes the place of the other."""
    with api_of(run_directory) as client:
        document = client.get("/v1/openapi.json").json()
    for route in ROUTES:
        if route.takes is not None:
            operation = document["paths"][route.path][route.method.lower()]
            body = operation["requestBody"]["content"]["application/json"]
            name = body["schema"]["$ref"].rpartition("/")[2]
            told = document["components"]["schemas"][name]["properties"]
            assert set(told) == {field.encode_name for field in msgspec.structs.fields(route.takes)}, name
            assert route.example is not None and set(body["example"]) <= set(told), name


def test_headers_and_what_follows_are_told(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        paths = client.get("/v1/openapi.json").json()["paths"]

    def headers(operation: dict[str, Any]) -> set[str]:
        return {each["name"] for each in operation["parameters"] if each["in"] == "header"}

    assert headers(paths["/v1/studies"]["post"]) == {"Idempotency-Key"}
    assert (
        headers(paths["/v1/studies"]["get"]) == {"If-None-Match"} and "304" in paths["/v1/studies"]["get"]["responses"]
    )
    assert not headers(paths["/v1/tokens"]["post"]), "what is one's own is kept by no key"
    signed = paths["/v1/studies/{name}/approval"]["post"]["responses"]["202"]["links"]
    assert set(signed) == {"show_study", "send_transaction"}


def test_nobody_gets_in_who_is_not_signed_in_and_bodies_are_not_read_before(run_directory: Path) -> None:
    with api_of(run_directory, lambda request: None) as client:
        for route in ROUTES:
            if route.rule.scope is Scope.PUBLIC:
                continue
            path = route.path.replace("{digest}", "0000")
            found = client.request(route.method, path, content=b"no json")
            assert found.status_code == 401, (route, found.text)


def test_the_description_has_every_route_with_its_rule_and_a_schema(run_directory: Path) -> None:
    with api_of(run_directory) as client:
        document = client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["x-scope"] == route.rule.scope
        assert operation["responses"]["202" if route.job else "200"]["content"]


@pytest.mark.parametrize(
    ("rule", "who", "is_allowed"),
    [
        (Rule(Operation.VIEW, Scope.PUBLIC), None, True),
        (Rule(Operation.VIEW, Scope.NETWORK), None, False),
        (Rule(Operation.VIEW, Scope.NETWORK), ("south", "scientist"), True),
        (Rule(Operation.VIEW, Scope.HOSPITAL), ("south", "scientist"), False),
        (Rule(Operation.VIEW, Scope.HOSPITAL), ("north", "scientist"), True),
        (Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",)), ("north", "scientist"), False),
        (Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",)), ("north", "steward"), True),
    ],
)
def test_a_rule_says_who_may(rule: Rule, who: tuple[str, str] | None, is_allowed: bool) -> None:
    scopes = frozenset(Operation)
    person = Principal(who[0], "p", frozenset({who[1]}), scopes=scopes) if who else None
    assert allowed(rule, person, "north") == is_allowed
    assert set(rule.roles) <= set(HOSPITAL_ROLES)
