"""Who may ask the portal: one browser, once, under the portal's own name, and no page of anybody else's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hmchain.interfaces.portal.review.exchange import Request
from hmchain.interfaces.portal.review.gate import Gate

HERE = "127.0.0.1:4711"


@pytest.fixture
def gate() -> Gate:
    return Gate(HERE)


def token(gate: Gate) -> str:
    return gate.address.rpartition("/")[2]


def enter(gate: Gate, given: str, **headers: str) -> str | None:
    """The cookie that a token is exchanged for."""
    answer = gate.enter(Request("GET", f"/enter/{given}", {"host": HERE, **headers}))
    if answer is None:
        return None
    assert answer.status == 303 and answer.headers["Location"] == gate.root
    kept = answer.headers["Set-Cookie"]
    assert f"Path={gate.root}" in kept and "HttpOnly" in kept and "SameSite=Strict" in kept
    return kept.partition(";")[0]


def ask(gate: Gate, cookie: str, method: str = "GET", path: str = "item/3", **headers: str) -> str | None:
    known: Mapping[str, str] = {"host": HERE, "cookie": cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return gate.path(Request(method, gate.root + path, known))


def test_the_token_opens_once_and_the_cookie_is_what_counts_then(gate: Gate) -> None:
    cookie = enter(gate, token(gate))
    assert cookie and ask(gate, cookie) == "item/3"
    assert enter(gate, token(gate)) is None, "replayed"
    assert ask(gate, cookie) == "item/3", "who is in stays in"


def test_a_guess_opens_nothing_and_many_guesses_close_the_gate(gate: Gate) -> None:
    assert all(enter(gate, guess) is None for guess in ("", "x", token(gate)[:-1], token(gate) + "A", "é"))
    for number in range(20):
        assert enter(gate, str(number)) is None
    assert enter(gate, token(gate)) is None


@pytest.mark.parametrize("host", ["", "evil.example", "localhost:4711", "127.0.0.1", "127.0.0.1:80", f"{HERE}.evil"])
def test_another_name_for_this_machine_is_another_site(gate: Gate, host: str) -> None:
    assert enter(gate, token(gate), host=host) is None
    cookie = enter(gate, token(gate))
    assert cookie and ask(gate, cookie, host=host) is None


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1:80", f"https://{HERE}"])
def test_what_changes_something_comes_from_the_portals_own_page(gate: Gate, origin: str) -> None:
    cookie = enter(gate, token(gate))
    assert cookie and ask(gate, cookie, "POST", "apply", origin=origin) is None
    assert ask(gate, cookie, "POST", "apply", origin=f"http://{HERE}") == "apply"


def test_no_other_site_can_even_load_a_picture(gate: Gate) -> None:
    cookie = enter(gate, token(gate))
    assert cookie
    for site in ("cross-site", "same-site"):
        assert ask(gate, cookie, sec_fetch_site=site) is None
    assert ask(gate, cookie, sec_fetch_site="same-origin") and ask(gate, cookie, sec_fetch_site="none")


def test_a_wrong_cookie_or_another_path_is_nobodys(gate: Gate) -> None:
    cookie = enter(gate, token(gate))
    assert cookie
    for wrong in ("", "hmchain_portal=", cookie[:-1], cookie.upper(), "hmchain_portal=\x00", "=;=;"):
        assert ask(gate, wrong) is None
    assert gate.path(Request("GET", "/item/3", {"host": HERE, "cookie": cookie})) is None


def test_it_prints_nothing_of_what_it_keeps(gate: Gate) -> None:
    assert token(gate) not in repr(gate) and repr(gate) == "Gate(<redacted>)"
