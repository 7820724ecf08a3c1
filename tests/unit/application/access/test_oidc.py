"""An organisation's own sign-in: whom it names comes in as the ledger has that person, and in no other way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hmchain.application.access.challenges import ChallengeError
from hmchain.application.access.oidc import OidcError, OidcUnreachableError, local
from hmchain.application.access.passkeys import PasskeyError
from hmchain.application.access.sessions import Opened, TokenError, Visitor
from hmchain.application.access.settings import OidcSettings
from hmchain.application.access.sign_in import SignInRefusedError
from hmchain.ledger.contracts.members.enrolment import SuspendPerson
from hmchain.tls import trusted_here
from support.door import ADDRESS, Door, opened_door
from support.oidc_provider import SECRET, Provider, provided

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provided() as found:
        yield found


@pytest.fixture
def provider(running: Provider) -> Provider:
    """The provider, honest again."""
    running.person, running.groups, running.algorithm, running.signs_with = "s1", (), "EdDSA", None
    for each in (running.lies, running.places, running.answers, running.asked):
        each.clear()
    return running


@pytest.fixture
def door(provider: Provider, tmp_path: Path) -> Iterator[Door]:
    with door_of(provider, tmp_path) as found:
        yield found


def door_of(provider: Provider, place: Path, **more: Any) -> Any:
    (place / "node" / "keys").mkdir(parents=True)
    (place / "node" / "keys" / "oidc.secret").write_text(f"{SECRET}\n")
    settings = OidcSettings(issuer=provider.issuer, client_id="portal", secret_file="oidc.secret", **more)
    return opened_door(place / "node", oidc=settings)


def came_back(address: str) -> dict[str, str]:
    """What the browser brings from the provider."""
    found = httpx.get(address, follow_redirects=False, verify=trusted_here())
    assert found.status_code == 302, found.text
    return {name: values[0] for name, values in parse_qs(urlsplit(found.headers["location"]).query).items()}


def enter(door: Door, before: Visitor | None = None, page: str = "/", **changed: str) -> tuple[Opened, str]:
    begun = door.access.begin_oidc(page, ADDRESS, before)
    return door.access.by_oidc(begun.sealed, came_back(begun.address) | changed, ADDRESS)


def test_somebody_of_the_organisation_comes_in_as_the_ledger_has_that_person(door: Door) -> None:
    opened, page = enter(door, page="/steward?x=1")
    found = door.visitor(opened)
    assert (found.principal.name, found.principal.roles, found.principal.factors) == ("a/s1", {"steward"}, {"oidc"})
    assert page == "/steward?x=1"
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    assert not door.is_in(opened)
    with pytest.raises(SignInRefusedError):
        enter(door)


def test_it_strengthens_a_session_of_the_same_person_alone(door: Door) -> None:
    own, other = door.visitor(door.enter("s1")), door.visitor(door.enter("x1"))
    assert door.visitor(enter(door, own)[0]).principal.factors == {"key", "oidc"}
    assert door.visitor(enter(door, other)[0]).principal.factors == {"oidc"}
    assert door.access.store.by_digest(own.credential.digest) is None


@pytest.mark.parametrize("person", ["steward", "scientist", "agent", "nobody", "", "p1", "../s1", "S1", "s1 ", None, 7])
def test_it_makes_nobody_an_office_or_a_stranger_a_person(door: Door, provider: Provider, person: Any) -> None:
    provider.lies["preferred_username"] = person
    with pytest.raises((SignInRefusedError, OidcError)):
        enter(door)


def test_groups_narrow_what_the_ledger_gives_and_never_add_to_it(provider: Provider, tmp_path: Path) -> None:
    roles = {"stewards": ("steward", "auditor"), "others": ("operator",)}
    with door_of(provider, tmp_path, roles=roles) as door:
        provider.groups = ("stewards", "unknown")
        narrowed = enter(door)[0]
        assert door.visitor(narrowed).principal.roles == {"steward"}
        token = door.access.make_token(door.visitor(narrowed), "script", ["view"], 1)
        assert token.credential.roles == {"steward", "auditor"} & {"steward"}
        provider.groups = ("others",)
        with pytest.raises(SignInRefusedError):
            enter(door)


def test_whom_the_ledger_does_not_know_may_look_and_nothing_else(provider: Provider, tmp_path: Path) -> None:
    with door_of(provider, tmp_path, views={"audit": ("auditor",)}) as door:
        provider.person, provider.groups = "erna", ("audit",)
        opened = enter(door)[0]
        found = door.visitor(opened)
        assert (found.principal.roles, found.principal.scopes, found.principal.public) == ({"auditor"}, {"view"}, b"")
        with pytest.raises(PasskeyError):
            door.access.passkey_registration(found)
        with pytest.raises(TokenError):
            door.access.make_token(found, "script", ["view"], 1)
        # Whoever becomes a person of the ledger's is that person, and no visitor any more.
        assert door.machine.office("a", door.machine.invitation("a", "erna", "scientist")) == "ok"
        assert not door.is_in(opened)
        with pytest.raises(SignInRefusedError):
            enter(door)


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"aud": ["another", "third"]},
        {"aud": ["portal", "another"]}, {"aud": ["portal", "another"], "azp": "another"}, {"nonce": "x"},
        {"nonce": None}, {"exp": 1}, {"exp": None}, {"sub": None}, {"azp": "another"}, {"iat": None}, {"nbf": 1 << 40},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in_lets_nobody_in(door: Door, provider: Provider, lies: Any) -> None:
    provider.lies |= lies
    with pytest.raises(OidcError):
        enter(door)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA"])
def test_a_token_that_the_issuer_did_not_sign_lets_nobody_in(door: Door, provider: Provider, algorithm: str) -> None:
    provider.algorithm, provider.signs_with = algorithm, Ed25519PrivateKey.generate()
    with pytest.raises(OidcError):
        enter(door)


def test_a_token_for_several_says_that_it_was_asked_for_by_us(door: Door, provider: Provider) -> None:
    provider.lies |= {"aud": ["portal", "another"], "azp": "portal"}
    assert door.is_in(enter(door)[0])


def test_an_answer_is_good_once_in_the_browser_that_asked(door: Door) -> None:
    mine, others = (door.access.begin_oidc("/", ADDRESS) for _ in range(2))
    answer = came_back(mine.address)
    for state in ("x", "é"):
        with pytest.raises(OidcError):
            door.access.by_oidc(mine.sealed, answer | {"state": state}, "203.0.113.5")
    with pytest.raises(OidcError):  # a sign-in of somebody else's, put into this browser
        door.access.by_oidc(others.sealed, answer, ADDRESS)
    for sealed in (
        "",
        "x",
        f"{mine.sealed[:-1]}0" if mine.sealed[-1] != "0" else f"{mine.sealed[:-1]}1",
        "00.00",
        "é.é",
    ):
        with pytest.raises(ChallengeError):
            door.access.by_oidc(sealed, answer, ADDRESS)
    door.access.by_oidc(mine.sealed, answer, ADDRESS)
    with pytest.raises(ChallengeError):
        door.access.by_oidc(mine.sealed, answer, ADDRESS)
    late = door.access.begin_oidc("/", ADDRESS)
    door.later(minutes=11)
    with pytest.raises(ChallengeError):
        door.access.by_oidc(late.sealed, came_back(late.address), "198.51.100.1")


@pytest.mark.parametrize("changed", [{"iss": "https://evil.example"}, {"error": "access_denied"}, {"code": "x"}])
def test_what_the_issuer_did_not_grant_lets_nobody_in(door: Door, changed: dict[str, str]) -> None:
    with pytest.raises(OidcError):
        enter(door, **changed)


@pytest.mark.parametrize("place", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("where", ["http://169.254.169.254/latest", "http://127.0.0.1:1/x", "file:///etc/passwd", ""])
def test_nothing_is_asked_of_another_host(door: Door, provider: Provider, place: str, where: str) -> None:
    """Server-side request forgery: whoever answers for the issuer does not send the portal anywhere."""
    provider.places[place] = where
    with pytest.raises(OidcError, match="another host"):
        enter(door)


def test_no_redirect_is_followed_and_no_answer_without_end_or_sense_is_read(door: Door, provider: Provider) -> None:
    path = "/.well-known/openid-configuration"
    for answer in (
        (302, {"Location": "http://169.254.169.254/"}, b""), (200, {}, b"x" * (2 << 20)), (200, {}, b"[]"),
        (200, {}, b"\xff"), (200, {}, b'{"issuer": "https://evil.example"}'), (500, {}, b""),
    ):  # fmt: skip
        provider.answers[path] = answer
        with pytest.raises(OidcError):
            door.access.begin_oidc("/", ADDRESS)
    assert set(provider.asked) == {path}
    provider.answers.clear()
    for path, answer in (
        ("/token", b"{}"),
        ("/keys", b"{}"),
        ("/keys", b'{"keys": [7]}'),
        ("/token", b'{"id_token": 7}'),
    ):
        provider.answers = {path: (200, {}, answer)}
        with pytest.raises(OidcError):
            enter(door)


def test_an_issuer_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    settings = OidcSettings(issuer="http://127.0.0.1:9", client_id="portal")
    with opened_door(tmp_path / "node", oidc=settings) as door, pytest.raises(OidcUnreachableError):
        door.access.begin_oidc("/", ADDRESS)


def test_a_portal_without_one_says_so(tmp_path: Path) -> None:
    with opened_door(tmp_path / "node") as door, pytest.raises(OidcError, match="knows no sign-in"):
        door.access.begin_oidc("/", ADDRESS)


@pytest.mark.parametrize(
    ("page", "goes_to"),
    [
        ("/", "/"), ("/requests/r1?tab=2", "/requests/r1?tab=2"), ("", "/"), ("//evil.example", "/"), ("/\\evil", "/"),
        ("https://evil.example", "/"), ("javascript:alert(1)", "/"), ("/\t/evil.example", "/"),
        ("/x\r\nSet-Cookie: a", "/"),
        ("/x#\"><script>", "/"), ("/" + "a" * 600, "/"), ("evil.example", "/"), ("/%2F/evil", "/%2F/evil"),
    ],
)  # fmt: skip
def test_a_sign_in_ends_at_a_page_of_this_portal(page: str, goes_to: str) -> None:
    """Open redirects."""
    assert local(page) == goes_to
