"""`hmchain incident`, as people of several hospitals give it: what each is shown, and what is refused and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance.incidents import KINDS, MEASURES, SEVERITIES
from hmchain.ledger.reputation import DAY_MS
from support.desk_at_node import DeskAtNode
from support.paths import REPOSITORY

NAME = "lost-laptop"
LETTER = "It lay on the back seat, and was not sealed."
OPEN = ("incident", "open", NAME, "key", "--severity", "high", "--letter", "letter.txt", "--yes")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[DeskAtNode]:
    """Organisation a has a steward beside its office, and all share one store."""
    found = DeskAtNode.found(tmp_path, monkeypatch, capsys)
    for name in "abcd":
        toml = found.folder(name).toml
        toml.write_text(toml.read_text().replace('objects = ""', f'objects = "{tmp_path / "objects"}"'))
    found.gives("a", "people", "key", "s1")
    found.gives("a", "people", "invite", "s1.json", "--role", "steward", "--yes")
    found.gives("a", "people", "accept", "--as", "s1", "--yes")
    Path("letter.txt").write_text(LETTER)
    yield found
    found.close()


def test_each_hospital_is_shown_what_it_has_to_do_until_it_is_over(desk: DeskAtNode) -> None:
    assert "Nothing waits" in desk.gives("b", "request", "inbox")
    told = desk.gives("a", *OPEN, "--stolen", "a/s1")
    assert "lost-laptop is open. b, c, d say by" in told and "a contain it" in told
    assert "STILL SIGNS" in desk.gives("b", "incident", "show", NAME)
    assert "first cut a/s1 off" in desk.gives("a", "incident", "show", NAME)
    assert "key_still_signs" in desk.gives("a", "incident", "contain", NAME, "--measure", "other", "--yes", status=8)
    assert "give --measure" in desk.gives("a", "incident", "contain", NAME, "--yes", status=2)
    assert "give --measure" in desk.gives("a", "incident", "note", NAME, "--yes", status=2)
    desk.gives("a", "people", "suspend", "s1")
    waiting = desk.gives("b", "request", "inbox")
    assert "say that this hospital knows of it" in waiting and f"hmchain incident acknowledge {NAME}" in waiting
    for name in "bcd":
        assert "a contain it" in desk.gives(name, "incident", "acknowledge", NAME, "--yes")
    assert "Nothing waits" in desk.gives("b", "request", "inbox")
    assert "contain it here" in desk.gives("a", "request", "inbox")
    desk.gives("a", "incident", "contain", NAME, "--measure", "key-cut-off", "--yes")
    assert f"hmchain incident close {NAME}" in desk.gives("a", "request", "inbox")
    assert "closed." in desk.gives("a", "incident", "close", NAME, "--yes")
    shown = desk.tells("c", "incident", "show", NAME, "--signed")
    assert [each["deed"] for each in shown["view"]["said"]] == [
        "open", "acknowledge", "acknowledge", "acknowledge", "contain", "close",
    ]  # fmt: skip
    assert [each["kind"] for each in shown["signed"]] == ["accept_invitation"]
    assert shown["papers"][0]["text"] == LETTER and shown["steps"] == []
    assert desk.tells("d", "incident", "list", "--living") == []


def test_what_is_overdue_comes_first_and_says_so(desk: DeskAtNode) -> None:
    desk.gives("a", *OPEN)
    desk.network.send.clock.ms += DAY_MS
    desk.gives("a", "incident", "note", NAME, "--measure", "persons-told", "--yes")
    waiting = desk.tells("b", "request", "inbox")
    assert waiting[0]["todo"]["overdue"] and "OVERDUE" in desk.gives("b", "incident", "show", NAME)
    assert not [each for each in desk.tells("a", "request", "inbox") if each["todo"]["overdue"]]


def test_a_letter_is_for_the_members_alone(desk: DeskAtNode) -> None:
    Path("scan.png").write_bytes(b"\x89PNG\r\n\x1a\n picture")
    desk.gives("a", *OPEN)
    desk.gives("a", "incident", "note", NAME, "--paper", "scan.png", "--yes")
    shown = desk.gives("b", "incident", "show", NAME)
    assert LETTER in " ".join(shown.split()) and "scan.png" in shown
    digest = desk.tells("b", "incident", "show", NAME)["papers"][1]["digest"]
    desk.gives("b", "incident", "document", NAME, digest[:8], "--output", "out.png")
    assert Path("out.png").read_bytes() == Path("scan.png").read_bytes()
    assert "no_incident_document" in desk.gives(
        "b", "incident", "document", NAME, "ffff", "--output", "no.png", status=2
    )
    kept = [path.read_bytes() for path in Path("objects").rglob("*") if path.is_file()]
    blocks = [block.block_bytes for block in desk.network.ledger.store.blocks()]
    assert kept and LETTER.encode() not in b"".join((*kept, *blocks))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("incident", "open", NAME, "theft"), "incident_code"),
        (("incident", "open", NAME, "key", "--severity", "awful"), "incident_code"),
        (("incident", "open", NAME, "key", "--stolen", "a/nobody"), "stolen_key"),
        (("incident", "open", NAME, "key", "--letter", "letter.txt", "--paper", "letter.txt"), "document"),
        (("incident", "open", NAME, "key", "--letter", "none.txt"), "document"),
        (("incident", "show", "nothing"), "unknown_incident"),
        (("incident", "acknowledge", "nothing"), "unknown_incident"),
    ],
)
def test_what_cannot_be_is_explained_and_changes_nothing(desk: DeskAtNode, words: tuple[str, ...], code: str) -> None:
    yes = () if "show" in words else ("--yes",)
    assert f"[{code}]" in desk.gives("a", *words, *yes, status=2)
    assert desk.tells("a", "incident", "list") == []


def test_of_several_keys_one_is_named(desk: DeskAtNode) -> None:
    Path("s1.json").unlink()
    desk.gives("a", "people", "key", "s1", "--key", "new.key")
    desk.gives("a", "people", "replace-key", "s1.json", "--yes")
    told = desk.gives("a", *OPEN, "--stolen", "a/s1", status=2)
    assert "names 2 keys" in told
    one = told.split("name one of ")[1].split(",")[0]
    desk.gives("a", *OPEN, "--stolen", one)


def test_a_network_of_earlier_rules_is_told_to_vote_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = DeskAtNode.found(tmp_path, monkeypatch, capsys, protocol=3)
    try:
        told = desk.gives("a", "incident", "open", NAME, "outage", "--yes", status=6)
        assert "incidents need protocol 4" in told and "hmchain network upgrade propose 4" in told
        assert "No member has opened an incident" in desk.gives("a", "incident", "list")
    finally:
        desk.close()


def test_the_guide_has_every_code() -> None:
    guide = (REPOSITORY / "docs" / "how-to" / "incidents.md").read_text()
    assert not [
        code for code in (*KINDS, *SEVERITIES, *MEASURES) if f"`{code}`" not in guide and f" {code}`" not in guide
    ]
