"""Pages in their frame: rules, language and theme, what went wrong, forms of others, and no markup in any name."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import htpy as h
import pytest
from starlette.testclient import TestClient

from hmchain.application.access.permissions import Operation, Rule, Scope, SecondFactorError
from hmchain.application.access.principal import Principal
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal import app, components, pages
from hmchain.interfaces.portal.layout import render
from hmchain.interfaces.portal.page import AsOf, Entry, Frame, Look, Page, local
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import later

__all__ = ["run_directory"]
from support.api_client import site_of
from support.finished_run import run_directory

LOOK = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
room = Pages("steward")
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onfocus=alert(1) autofocus='", "{{7*7}}",
    "javascript:alert(1)", "</title><svg onload=alert(1)>", "\x1b[31m\x00", "\u202eevil\u2066", "<!--", "]]>",
    "&lt;b&gt;",
)  # fmt: skip


@room.show("/steward", LOOK, later("Steward"), count=lambda call: 3)
def inbox(call: Call) -> Page:
    return Page("Inbox", h.p[call.organisation])


@room.show("/steward/broken", LOOK)
def broken(call: Call) -> Page:
    raise RuntimeError("Mr Smith, born 1950")


@room.do("/steward/decide", DECIDE)
def decide(call: Call, fields: Fields) -> Next:
    return Next("/steward", f"{call.person.name} said {fields.text('word')}")


@room.show("/steward/sure", LOOK)
def sure(call: Call) -> Page:
    raise SecondFactorError("this takes a second factor", "confirm with your passkey, or with your key")


@room.do("/steward/sure", LOOK)
def be_sure(call: Call, fields: Fields) -> Next:
    raise SecondFactorError("this takes a second factor", "confirm with your passkey, or with your key")


@room.do("/steward/say", Rule(Operation.VIEW, Scope.PUBLIC))
def speak(call: Call, fields: Fields) -> Next:
    return Next("/steward", f"{call.person.name} said {fields.text('word')}")


class Marks(HTMLParser):
    """The tags of a page, and attributes that run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.runs: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.runs += [f"{tag} {name}" for name, value in attrs if name.startswith("on") or name == "style"]
        self.runs += [
            f"{tag} {value}"
            for name, value in attrs
            if name in ("href", "src", "action") and (value or "").startswith("javascript:")
        ]


class Door:
    """Lets in whoever stands before it."""

    who: Principal | None = None

    def __call__(self, request: object) -> Principal | None:
        return self.who


STEWARD = Principal("east", "anna", frozenset({"steward"}), bytes(32), frozenset(Operation), frozenset({"key"}))


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.fixture(scope="module")
def client(run_directory: Path, door: Door) -> Iterator[TestClient]:
    with site_of(run_directory, door) as site:
        made = app.create(site, (room, *pages.ALL))
        with TestClient(made, "http://localhost", raise_server_exceptions=False, follow_redirects=False) as found:
            yield found


@pytest.fixture(autouse=True)
def enter(door: Door, client: TestClient) -> None:
    door.who = STEWARD
    client.cookies.clear()


def test_the_first_page_is_that_of_the_role(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/steward"
    found = client.get("/steward")
    assert found.status_code == 200 and "<h1>Inbox</h1>" in found.text
    assert 'href="/steward" aria-current="page"' in found.text and "As of <a" in found.text
    assert "script-src 'self';" in found.headers["content-security-policy"]
    assert found.headers["cache-control"] == "no-store"


def test_what_was_done_is_said_once(client: TestClient) -> None:
    found = client.post("/steward/say", data={"word": "<yes>"}, follow_redirects=True)
    assert "<p>east/anna said &lt;yes&gt;</p>" in found.text
    assert "said &lt;yes&gt;" not in client.get("/steward").text


def test_who_leaves_a_role_s_pages_stays_in_that_role(client: TestClient) -> None:
    assert 'aria-current="true">Auditor' in client.get("/auditor/blocks").text
    assert 'aria-current="true">Auditor' in client.get("/keys").text
    assert 'aria-current="true">Steward' in client.get("/steward").text


def test_nobody_is_led_to_the_door(client: TestClient, door: Door) -> None:
    door.who = None
    assert client.get("/steward").headers["location"] == "/sign-in?next=/steward"
    part = client.get("/steward", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in?next=/steward")
    assert client.post("/steward/decide").status_code == 401
    assert client.get("/v1/blocks").json()["code"] == "not_signed_in"


def test_whoever_lacks_a_second_factor_is_led_to_it_and_back(client: TestClient) -> None:
    for method, path, sent in (
        ("GET", "/steward/sure?x=1", {}),
        ("POST", "/steward/sure", {"Referer": "http://localhost/steward/sure?x=1"}),
    ):
        found = client.request(method, path, headers=sent)
        assert found.status_code == 403
        assert 'href="/sign-in?next=/steward/sure%3Fx%3D1"' in found.text
    sent = {"Referer": "http://localhost//evil.example"}
    assert 'href="/sign-in?next=/"' in client.post("/steward/sure", headers=sent).text


def test_what_went_wrong_is_a_page_without_its_words(client: TestClient) -> None:
    for path, status, code in (("/nothing", 404, "no_route"), ("/steward/broken", 500, "unexpected")):
        found = client.get(path)
        assert (found.status_code, code in found.text) == (status, True)
        assert "Smith" not in found.text and "content-security-policy" in found.headers
        assert found.headers["content-type"].startswith("text/html")
    assert client.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_a_form_of_another_page_does_nothing(client: TestClient) -> None:
    for headers in (
        {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
        {"Origin": "http://localhost:81"}, {"Origin": "https://localhost"},
    ):  # fmt: skip
        found = client.post("/display", data={"theme": "dark"}, headers=headers)
        assert (found.status_code, "foreign_form" in found.text) == (400, True), headers
    assert client.post("/display", data={"theme": "dark"}, headers={"Origin": "http://localhost"}).status_code == 303


def test_language_theme_and_hospital_are_remembered(client: TestClient) -> None:
    chosen = {"language": "de", "theme": "dark", "hospital": "west", "next": "/steward?x=1"}
    found = client.post("/display", data=chosen)
    assert found.headers["location"] == "/steward?x=1"
    page = client.get("/steward").text
    assert '<html lang="de" data-theme="dark">' in page and "Zum Inhalt" in page and "<p>west</p>" in page
    client.post("/display", data={"language": "xx", "theme": "<b>", "hospital": "evil"})
    assert client.get("/steward").text == page
    client.cookies.clear()
    assert '<html lang="de">' in client.get("/steward", headers={"Accept-Language": "de-CH"}).text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil", "\\evil", "", "/a b", "/\t/e"])
def test_a_way_on_leads_nowhere_else(client: TestClient, path: str) -> None:
    assert local(path) == "/"
    assert client.post("/display", data={"next": path}).headers["location"] == "/"


def test_own_files_are_kept_for_good(client: TestClient) -> None:
    page = client.get("/steward").text
    style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    found = client.get(style, headers={"Accept-Encoding": "gzip"})
    assert found.headers["content-encoding"] == "gzip" and "immutable" in found.headers["cache-control"]
    assert "content-encoding" not in client.get(style, headers={"Accept-Encoding": "identity"}).headers
    for path in ("/static/portal.css", "/static/../page.py", "/static/%2e%2e%2fpage.py", "/static/"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_becomes_markup(text: str) -> None:
    content = [
        components.badge(text), components.problem(text, text, text), components.empty(text),
        components.section(text, text), components.text_field("name", text, text, help=text, error=text),
        components.choice_field("choice", text, {text: text}, text),
        components.confirmed(text, text, "/x", text, text),
        components.tabs(text, [(text, "/x")], "/x"),
        components.pages("/x", {"q": text}, 20, 20, 80), components.check_field("check", text, value=text, help=text),
        components.progress(text, 1, 2), components.form("/x", text, label=text, sends=text),
    ]  # fmt: skip
    plain, hostile = (
        Marks(render(
            Page(words, content, lead=words, crumbs=((words, "/x"),)),
            Frame(f"/x?q={words}", words, words, "steward", ("steward",), (words, "b"), (Entry(later(words), "/x"),),
                  as_of=AsOf(1, words), look=Look(), csrf=words, said=(words,)),
        ))
        for words in ("plain", text)
    )  # fmt: skip
    assert hostile.tags == plain.tags and not hostile.runs


def test_a_page_says_that_nothing_new_comes() -> None:
    told = render(Page("Inbox", None), Frame("/", trouble="the node is down"))
    assert "Nothing new comes here:" in told and "the node is down" in told
    assert "Nothing new comes here:" not in render(Page("Inbox", None), Frame("/"))
