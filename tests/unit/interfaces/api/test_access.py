"""Signing in over HTTP: cookies and tokens, other sites' pages, names that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx import Response, get
from starlette.testclient import TestClient

from hmchain.application.access.settings import OidcSettings
from hmchain.application.access.sign_in import Access
from hmchain.application.security.events import Kind
from hmchain.interfaces.api import app
from hmchain.interfaces.api.one_origin import csrf_of, masked, unmasked
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.ledger.contracts.members.enrolment import SuspendPerson
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import Door, door, opened_door
from support.oidc_provider import SECRET, provided
from support.passkey_device import PasskeyDevice

__all__ = ["door"]
ORIGIN = "http://localhost:8470"
COOKIE = "hmchain-a"


@contextmanager
def portal(door: Door, origin: str = ORIGIN) -> Iterator[TestClient]:
    access: Access = door.access
    site = Site(
        door.place, door.live, ("a",), by_session_or_token(access), access=access,
        second_factor=frozenset(access.settings.second_factor),
    )  # fmt: skip
    with TestClient(app.create(site), origin, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(door: Door) -> Iterator[TestClient]:
    with portal(door) as found:
        yield found


def own(client: TestClient, **more: str) -> dict[str, str]:
    """The headers that a page of this session sends."""
    secret = client.cookies.get(COOKIE) or ""
    return {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "X-Csrf": csrf_of(secret), **more}


def enter(client: TestClient, door: Door, person: str = "s1", **more: Any) -> Response:
    who = {"organisation": "a", "person": person}
    asked = client.post("/v1/sign-in/challenge", json=who, headers=own(client))
    assert asked.status_code == 200, asked.text
    found = asked.json()
    signature = door.key(PersonRef("a", person)).sign(bytes.fromhex(found["message"])).hex()
    body = {**who, "challenge": found["challenge"], "signature": signature, **more}
    return client.post("/v1/sign-in/key", json=body, headers=own(client))


def code(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_browser_signs_in_looks_and_signs_out(client: TestClient, door: Door) -> None:
    assert client.get("/v1/sign-in").json()["ways"] == ["key", "passkey"]
    assert code(client.get("/v1/session")) == (401, "not_signed_in")
    entered = enter(client, door)
    assert entered.status_code == 200, entered.text
    assert (entered.json()["bearer"], len(entered.json()["csrf"])) == ("", 64)
    kept = entered.headers["set-cookie"]
    assert kept.startswith(f"{COOKIE}=") and kept.endswith("; Path=/; HttpOnly; SameSite=Strict")
    session = client.get("/v1/session").json()
    assert (session["person"], session["roles"], session["factors"], session["is_this"]) == (
        "s1", ["steward"], ["key"], True,
    )  # fmt: skip
    assert len(client.get("/v1/sessions").json()) == 1
    gone = client.delete("/v1/session", headers=own(client))
    assert gone.status_code == 200 and "Max-Age=0" in gone.headers["set-cookie"]
    assert code(client.get("/v1/session")) == (401, "not_signed_in")
    assert [each.kind for each in door.events()] == [Kind.LOG_BEGUN, Kind.SIGN_IN, Kind.SIGN_OUT]


def test_what_only_pages_know_is_told_in_other_letters_each_time(client: TestClient, door: Door) -> None:
    enter(client, door)
    known = csrf_of(client.cookies.get(COOKIE) or "")
    first, second = masked(known), masked(known)
    assert first != second and known not in first and unmasked(first) == unmasked(second) == known
    assert masked("") == "" and unmasked("ff") == "ff"
    assert code(client.delete("/v1/session", headers=own(client, **{"X-Csrf": masked(csrf_of("x"))}))) == (
        403,
        "foreign_page",
    )
    assert client.delete("/v1/session", headers=own(client, **{"X-Csrf": second})).status_code == 200


def test_a_new_sign_in_gives_a_new_cookie_whatever_the_browser_had(client: TestClient, door: Door) -> None:
    client.cookies.set(COOKIE, "planted", domain="localhost.local")
    enter(client, door)
    first = client.cookies.get(COOKIE)
    enter(client, door)
    assert first != "planted" and client.cookies.get(COOKIE) != first
    with portal(door) as other:
        other.cookies.set(COOKIE, str(first))
        assert code(other.get("/v1/session")) == (401, "not_signed_in")


def test_cookies_of_neighbours_keep_nobody_out(client: TestClient, door: Door) -> None:
    enter(client, door)
    name, secret = next(iter(client.cookies.items()))
    client.cookies.clear()
    odd = f'theirs={{"a": [1, 2]}}; {name}={secret}; more="x'
    assert client.get("/v1/session", headers={"Cookie": odd}).status_code == 200


def test_a_program_signs_in_for_a_bearer_and_makes_a_token(client: TestClient, door: Door) -> None:
    entered = enter(client, door, bearer=True)
    assert "set-cookie" not in entered.headers and entered.json()["csrf"] == ""
    bearer = {"Authorization": f"Bearer {entered.json()['bearer']}"}
    made = client.post("/v1/tokens", json={"name": "night", "scopes": ["view"], "days": 1}, headers=bearer)
    assert made.status_code == 200, made.text
    token = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert client.get("/v1/session", headers=token).json()["kind"] == "token"
    assert made.json()["secret"] not in client.get("/v1/tokens", headers=bearer).text
    refused = client.post("/v1/tokens", json={"name": "more", "scopes": ["view"]}, headers=token)
    assert code(refused) == (403, "not_allowed")
    assert client.delete(f"/v1/tokens/{made.json()['token']['id']}", headers=bearer).status_code == 200
    assert code(client.get("/v1/session", headers=token)) == (401, "not_signed_in")


@pytest.mark.parametrize("given", ["Bearer ", "Bearer hmc_x", "Basic YTpi", "Bearer " + "x" * 5000, "bearer", ""])
def test_a_forged_token_is_nobodys_and_no_cookie_stands_in_for_it(client: TestClient, door: Door, given: str) -> None:
    enter(client, door)
    assert code(client.get("/v1/session", headers={"Authorization": given})) == (401, "not_signed_in")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost:8470"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {"X-Csrf": "0" * 64}, {"X-Csrf": ""}, {"X-Csrf": "é"},
    ],
    ids=str,
)  # fmt: skip
def test_another_sites_page_does_nothing_with_a_browsers_cookie(
    client: TestClient, door: Door, headers: dict[str, str]
) -> None:
    enter(client, door)
    sent = {name: value.encode("latin-1") for name, value in own(client, **headers).items()}
    for method, path in (("DELETE", "/v1/session"), ("POST", "/v1/tokens"), ("POST", "/v1/passkeys/options")):
        assert code(client.request(method, path, headers=sent)) == (403, "foreign_page")
    assert client.get("/v1/session").status_code == 200


def test_another_sites_page_signs_nobody_in(client: TestClient, door: Door) -> None:
    answer = client.post("/v1/sign-in/challenge", json={}, headers={"Origin": "https://evil.example"})
    assert code(answer) == (403, "foreign_page")


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:8471", "localhost:8470.evil.example", ""])
def test_a_name_that_points_here_is_not_ours(client: TestClient, host: str) -> None:
    assert code(client.get("/v1/sign-in", headers={"Host": host})) == (421, "foreign_page")
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_https_has_cookies_of_its_host_alone_and_says_so(tmp_path: Path) -> None:
    settings = {"origin": "https://portal.example", "listen": "127.0.0.1:8470"}
    with opened_door(tmp_path / "node", **settings) as door, portal(door, "https://portal.example") as client:
        who = {"organisation": "a", "person": "s1"}
        found = client.post("/v1/sign-in/challenge", json=who).json()
        signature = door.key(PersonRef("a", "s1")).sign(bytes.fromhex(found["message"])).hex()
        entered = client.post("/v1/sign-in/key", json={**who, "challenge": found["challenge"], "signature": signature})
        assert entered.headers["set-cookie"].startswith("__Host-hmchain-a=")
        assert entered.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")
        assert entered.headers["strict-transport-security"]
        assert client.get("/v1/session").status_code == 200
        assert client.get("/v1/session", headers={"Host": "localhost:8470"}).status_code == 421


def test_a_proxy_is_believed_if_it_is_the_one_of_the_settings(tmp_path: Path) -> None:
    def tries(client: TestClient, where: str) -> int:
        body = {"organisation": "a", "person": "s1", "challenge": "0" * 80, "signature": "0" * 128}
        return client.post("/v1/sign-in/key", json=body, headers={"X-Forwarded-For": where}).status_code

    with opened_door(tmp_path / "one", trusted_proxy="127.0.0.1") as door, portal(door) as client:
        # It is not at that address: what it forwards is its own word.
        assert [tries(client, f"192.0.2.{number}") for number in range(11)] == [400] * 10 + [429]
    with opened_door(tmp_path / "two", trusted_proxy="127.0.0.1") as door, portal(door) as client:
        client = TestClient(client.app, ORIGIN, client=("127.0.0.1", 1))
        assert [tries(client, f"spoofed, 192.0.2.{number}") for number in range(11)] == [400] * 11
    with opened_door(tmp_path / "three", trusted_proxy="127.0.0.1") as door, portal(door) as client:
        client, body = TestClient(client.app, ORIGIN, client=("127.0.0.1", 1)), {"organisation": "a", "person": "s1"}
        spoofed = [("X-Forwarded-For", f"192.0.2.{number}") for number in range(61)]  # HAProxy adds a line behind them
        asked = [
            client.post("/v1/sign-in/challenge", json=body, headers=[each, ("X-Forwarded-For", "203.0.113.9")])
            for each in spoofed
        ]
        assert [each.status_code for each in asked] == [200] * 60 + [429]


def test_what_is_too_often_says_for_how_long_to_wait(client: TestClient, door: Door) -> None:
    enter(client, door)
    answers = [client.get("/v1/session") for _ in range(241)]
    assert [each.status_code for each in answers].count(200) == 240
    assert code(answers[-1]) == (429, "too_many")
    assert int(answers[-1].headers["retry-after"]) == answers[-1].json()["retry_after"] == 1
    door.now_ms += 1000
    assert client.get("/v1/session").status_code == 200


def test_what_a_page_asks_for_by_itself_keeps_no_session_open(client: TestClient, door: Door) -> None:
    enter(client, door)
    for _ in range(3):
        door.later(minutes=5)
        assert client.get("/v1/session", headers={"X-Background": "true"}).status_code == 200
    door.later(minutes=1)
    assert code(client.get("/v1/session")) == (401, "not_signed_in")


def test_a_suspended_person_is_out_at_once(client: TestClient, door: Door) -> None:
    enter(client, door)
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    assert code(client.get("/v1/session")) == (401, "not_signed_in")
    refused = enter(client, door)
    assert code(refused) == (401, "sign_in_refused") and "set-cookie" not in refused.headers


def test_people_of_other_members_look_at_the_network_alone(client: TestClient, door: Door) -> None:
    ref = PersonRef("b", "p1")
    who = {"organisation": "b", "person": "p1"}
    found = client.post("/v1/sign-in/challenge", json=who).json()
    signature = door.key(ref).sign(bytes.fromhex(found["message"])).hex()
    body = {**who, "challenge": found["challenge"], "signature": signature}
    assert client.post("/v1/sign-in/key", json=body).status_code == 200
    assert client.get("/v1/session").json()["organisation"] == "b"


def test_a_passkeys_road_over_http(client: TestClient, door: Door) -> None:
    device = PasskeyDevice(ORIGIN)
    enter(client, door)
    options = client.post("/v1/passkeys/options", headers=own(client)).json()
    added = client.post("/v1/passkeys", json={"name": "phone", "answer": device.make(options)}, headers=own(client))
    assert added.status_code == 200, added.text
    asked = client.post("/v1/sign-in/passkey/options", headers=own(client)).json()
    answered = client.post("/v1/sign-in/passkey", json={"answer": device.answer(asked)}, headers=own(client))
    assert sorted(answered.json()["session"]["factors"]) == ["key", "passkey"]
    (listed,) = client.get("/v1/passkeys").json()
    assert listed["name"] == "phone" and listed["used_ms"]
    assert client.delete(f"/v1/passkeys/{listed['id']}", headers=own(client)).status_code == 200
    assert client.get("/v1/passkeys").json() == []


@pytest.mark.process
def test_the_organisations_own_sign_in_goes_there_and_comes_back(tmp_path: Path) -> None:
    with provided() as provider:
        (tmp_path / "node" / "keys").mkdir(parents=True)
        (tmp_path / "node" / "keys" / "oidc.secret").write_text(SECRET)
        settings = OidcSettings(issuer=provider.issuer, client_id="portal", secret_file="oidc.secret")
        with opened_door(tmp_path / "node", oidc=settings) as door, portal(door) as client:
            assert client.get("/v1/sign-in").json()["ways"] == ["key", "passkey", "oidc"]
            enter(client, door)
            gone = client.get("/v1/oidc/start", params={"next": "/requests"})
            assert gone.status_code == 303 and gone.headers["location"].startswith(f"{provider.issuer}/authorize?")
            assert f"{COOKIE}-oidc=" in gone.headers["set-cookie"] and "SameSite=Lax" in gone.headers["set-cookie"]
            back = get(gone.headers["location"], follow_redirects=False).headers["location"]
            client.cookies.delete(COOKIE)  # which a browser does not bring when another site sends it here
            came = client.get(back.removeprefix(ORIGIN))
            assert came.status_code == 200, came.text
            assert 'content="0;url=/requests"' in came.text
            assert client.get("/v1/session").json()["factors"] == ["key", "oidc"]
            assert code(client.get(back.removeprefix(ORIGIN))) == (400, "challenge")


def test_a_second_factor_is_asked_for_on_the_way_and_no_token_stands_in_for_it(tmp_path: Path) -> None:
    with opened_door(tmp_path / "node", second_factor=("view",)) as door, portal(door) as client:
        device, unreadable = PasskeyDevice(ORIGIN), {"message": "90"}

        def read(**headers: str) -> tuple[int, str]:
            return code(client.post("/v1/transactions/meaning", json=unreadable, headers=own(client, **headers)))

        enter(client, door)
        assert read() == (403, "second_factor")
        options = client.post("/v1/passkeys/options", headers=own(client)).json()
        client.post("/v1/passkeys", json={"name": "phone", "answer": device.make(options)}, headers=own(client))
        asked = client.post("/v1/sign-in/passkey/options", headers=own(client)).json()
        client.post("/v1/sign-in/passkey", json={"answer": device.answer(asked)}, headers=own(client))
        assert read() == (400, "unreadable_transaction")
        made = client.post("/v1/tokens", json={"name": "script", "scopes": ["view"]}, headers=own(client)).json()
        assert read(Authorization=f"Bearer {made['secret']}") == (403, "second_factor")
        enter(client, door, "x1")
        assert read() == (403, "second_factor"), "another person brings no factor of the one before"


def test_bodies_that_are_none_of_ours_are_told(client: TestClient) -> None:
    for path, body in (
        ("/v1/sign-in/challenge", {"organisation": "a"}),
        ("/v1/sign-in/challenge", {"organisation": "a" * 65, "person": "b"}),
        ("/v1/sign-in/key", {"organisation": "a", "person": "b", "challenge": "zz", "signature": "00"}),
        ("/v1/sign-in/passkey", {"answer": []}), ("/v1/sign-in/passkey", {}),
    ):  # fmt: skip
        assert code(client.post(path, json=body)) == (400, "bad_body")
    assert code(client.post("/v1/sign-in/passkey", json={"answer": {"id": 1}})) == (400, "challenge")
