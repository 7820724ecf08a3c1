"""Requests over the API, on an embedded network: asked, sealed, reviewed, decided, each signed by the person's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hmchain.application.node.reading import open_ledger
from hmchain.application.node.search import search
from support.api_bed import ApiBed
from support.request_bed import RequestBed

ASKED = {
    "name": "relapse", "kind": "transfer", "diseases": ["MONDO:0005072"], "regions": ["DE"], "until": "2024-06-30",
    "datasets": {"east": "brain", "north": "brain"}, "transfer": {"days": 90},
    "form": {
        "title": "Relapse after surgery", "use": "Do early changes in MRI tell who will relapse?", "contact": "Dr West"
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("api")
    bed = ApiBed(RequestBed.found(place), place / "nodes")
    yield bed
    bed.close()


def test_a_request_is_asked_for_and_decided_by_people_at_their_own_portals(api: ApiBed) -> None:
    checked = api.ask("POST", "west/scientist", "/requests/check", json=ASKED).json()
    assert [(each["organisation"], each["answer"]) for each in checked["answers"]] == [
        ("east", "look"), ("north", "look"),
    ]  # fmt: skip
    said = api.do("west/scientist", "/requests", ASKED)
    assert len(said) == 3, said  # created, saved, submitted: signed at once, and sent in order
    waits = api.get("east/steward", "/inbox", params={"for": "steward"})["items"]
    assert [(each["todo"]["request"], each["title"]) for each in waits] == [("relapse", "Relapse after surgery")]
    shown = api.get("east/steward", "/requests/relapse")
    assert (shown["title"], shown["view"]["status"], shown["view"]["version"]) == (
        "Relapse after surgery", "submitted", 1,
    )  # fmt: skip
    assert "everything that stands in the records" in dict(shown["asked"])["at worst"]

    api.do("east/steward", "/requests/relapse/comments", {"text": "Which scanners?"})
    api.do("north/steward", "/requests/relapse/return", {"version": 1, "reason": "incomplete", "letter": "The date?"})
    told = api.get("west/scientist", "/requests/relapse")
    assert {each["text"] for each in told["said"]} == {"Which scanners?", "The date?"}
    letter = b"%PDF-1.7 the committee"
    api.do("west/scientist", "/requests/relapse/documents/ethics", content=letter, params={"file": "ethics.pdf"})
    assert len(api.do("west/scientist", "/requests/relapse/submission", {})) == 1
    paper = next(each for each in api.get("north/steward", "/requests/relapse")["papers"] if each["kind"] == "ethics")
    file = api.ask("GET", "north/steward", f"/requests/relapse/documents/{paper['digest'][:8]}")
    assert (file.content, paper["title"]) == (letter, "ethics.pdf")
    assert file.headers["content-disposition"].startswith("attachment")

    said = api.do("east/steward", "/requests/relapse/approval", {"version": 2, "days": 90})
    assert len(said) == 1
    assert "approve" in said[0], said
    api.do("north/steward", "/requests/relapse/rejection", {"version": 2, "reason": "ethics"})
    word = {
        each["organisation"]: each["status"]
        for each in api.get("west/scientist", "/requests/relapse")["view"]["decisions"]
    }
    assert word == {"east": "approved", "north": "rejected"}
    api.do("east/steward", "/requests/relapse/revocation", {"reason": "consent"})
    api.do("west/scientist", "/requests/relapse/end", {"reason": "finished"})
    assert api.get("west/scientist", "/requests", params={"living": True})["items"] == []


@pytest.mark.parametrize(
    ("who", "path", "body", "status", "code"),
    [
        ("west/scientist", "/requests", ASKED | {"attachments": {"ethics": "/etc/passwd"}}, 400, "request_file"),
        ("west/scientist", "/requests", ASKED | {"folder": "/etc"}, 400, "request_file"),
        ("west/scientist", "/requests", ASKED | {"name": "Not a name"}, 400, "request_file"),
        ("west/scientist", "/requests", ASKED | {"more": 1}, 400, "bad_body"),
        ("west/steward", "/requests", ASKED, 403, "not_allowed"),
        ("east/scientist", "/requests/closed/approval", {}, 403, "not_allowed"),
        ("east/steward", "/requests/nothing/approval", {}, 404, "unknown_request"),
        ("east/steward", "/requests/x/rejection", {"reason": "I say so"}, 400, "bad_body"),
        ("east/steward", "/requests/%2e%2e/approval", {}, 400, "bad_parameter"),
        ("east/steward", "/requests/UPPER/approval", {}, 400, "bad_parameter"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(
    api: ApiBed, who: str, path: str, body: object, status: int, code: str
) -> None:
    assert api.ask("POST", who, path, status=status, json=body).json()["code"] == code


def test_a_decision_binds_what_was_read(api: ApiBed) -> None:
    api.do("west/scientist", "/requests", ASKED | {"name": "seen"})
    found = api.ask("POST", "east/steward", "/requests/seen/approval", status=409, json={"version": 2})
    assert found.json()["code"] == "request_changed"


def test_sealed_words_are_for_the_hospital_s_own_people(api: ApiBed) -> None:
    api.do("west/scientist", "/requests", ASKED | {"name": "sealed"})
    own = api.ask("GET", "east/steward", "/requests/sealed").json()
    other = api.ask("GET", "south/steward", "/requests/sealed", at="east").json()
    assert (own["title"], other["title"], other["form"]) == ("Relapse after surgery", "with the members", None)
    for path in ("/inbox", "/requests/sealed/documents/0000"):
        assert api.ask("GET", "south/steward", path, at="east", status=403).json()["code"] == "not_allowed"
    api.ask("POST", "south/steward", "/requests/sealed/comments", at="east", status=403, json={"text": "x"})


def test_a_signature_is_taken_from_whoever_is_signed_in_alone(api: ApiBed) -> None:
    asked = api.ask("POST", "west/scientist", "/requests", status=202, json=ASKED | {"name": "mine"}).json()
    message = asked["message"]
    signature = api.key("west/scientist").sign(bytes.fromhex(message)).hex()
    other = api.key("west/steward").sign(bytes.fromhex(message)).hex()
    for who, given, status in (("west/steward", signature, 403), ("west/scientist", other, 400)):
        api.ask("POST", who, "/transactions", status=status, json={"message": message, "signature": given})
    assert api.ask("GET", "west/scientist", "/requests/mine", status=404)


def test_a_file_has_a_limit_and_a_plain_name(api: ApiBed) -> None:
    api.do("west/scientist", "/requests", ASKED | {"name": "papers"}, params={"draft": True})
    place = "/requests/papers/documents/ethics"
    for content, name, status, code in (
        (b"", "a.pdf", 400, "bad_body"),
        (b"%PDF-" + bytes(9 << 20), "a.pdf", 413, "too_large"),
        (b"\x7fELF\x00", "a.pdf", 400, "document"),
        (b"%PDF-1", "../a.pdf", 400, "bad_parameter"),
        (b"%PDF-1", "..", 400, "bad_parameter"),
        (b"%PDF-1", "a\n.pdf", 400, "bad_parameter"),
    ):
        found = api.ask("POST", "west/scientist", place, status=status, content=content, params={"file": name})
        assert found.json()["code"] == code, name


def test_no_search_shows_a_draft_to_others(api: ApiBed) -> None:
    api.do("west/scientist", "/requests", ASKED | {"name": "unsaid"}, params={"draft": True})
    with open_ledger(api.bed.bed.directory / "ledger") as ledger:
        for organisation, is_seen in (("west", True), ("east", False)):
            found = [each.name for each in search(ledger, organisation, "unsaid")]
            assert found == ["unsaid"] * is_seen
