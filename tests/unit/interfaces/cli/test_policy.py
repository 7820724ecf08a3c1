"""`hmchain policy`: written, read in words and tried without a node; set, confirmed and compared at one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.application.site.node import exchanged_objects
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from hmchain.records.objects import address_of
from support.desk_at_node import DeskAtNode

REQUEST = """
name = "relapse"
kind = "count"
purposes = ["disease-research"]
diseases = ["MONDO:0018177"]
commercial = {commercial}
until = 2099-01-01
[datasets]
east = "brain"
[form]
title = "Relapse"
use = "Who relapses."
contact = "Dr West"
[query]
people = "female and age 50..79"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_policy_is_written_read_in_words_and_tried(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "new", "brain"]) == 0
    assert "hmchain policy test brain.toml" in capsys.readouterr().out
    assert main(["policy", "new", "brain"]) == 2, "nothing is overwritten"
    path = here / "brain.toml"
    path.write_text(path.read_text().replace("conditions = []", 'conditions = ["NCU", "IRB"]'))
    assert main(["policy", "show", "brain.toml"]) == 0
    said = capsys.readouterr().out
    assert "No commercial use." in said and "One person approves a request, and replaces this policy." in said
    assert main(["policy", "test", "brain.toml", "--json"]) == 0
    found = {each["asked"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["... for commercial use"]["because"] == ["commercial use is not permitted"]
    assert found["... without an ethics committee's letter"]["answer"] == "no"
    assert found["general research use"]["reasons"] == ["nothing_permits"]
    path.write_text(path.read_text().replace('"IRB"', '"ETHICS"'))
    assert main(["policy", "show", "brain.toml"]) == 2
    assert "is no condition of DUO" in capsys.readouterr().err


def test_requests_are_tried_against_a_policy(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "new", "brain"]) == 0
    path = here / "brain.toml"
    path.write_text(
        path.read_text().replace("conditions = []", 'conditions = ["NCU"]').replace("days = 365", "days = 0")
    )
    for name, commercial in (("one", "false"), ("two", "true")):
        (here / f"{name}.toml").write_text(REQUEST.format(commercial=commercial))
    capsys.readouterr()
    tried = ["policy", "test", "brain.toml", "--request", "one.toml", "--request", "two.toml", "--json"]
    assert main(tried) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [each["answer"] for each in answers] == ["look", "no"]
    assert main([*tried, "--applicant", "nobody"]) == 2


def test_questions_are_asked_one_at_a_time_and_again_where_the_answer_cannot_be(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["disease-research", "MONDO:9999999", "MONDO:0021042", "NCU", "", "", "", "many", "2"])
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    monkeypatch.setattr(asking, "read_line", lambda question: next(answers, ""))
    assert main(["policy", "new", "brain"]) == 0
    printed = capsys.readouterr()
    assert "is no disease of Mondo" in printed.err and "is no answer" in printed.err
    assert main(["policy", "show", "brain.toml"]) == 0
    said = capsys.readouterr().out
    assert "research on MONDO:0021042, glioma" in said and "2 persons approve" in said
    monkeypatch.setattr(asking, "read_line", lambda question: pytest.fail("asked for a file that cannot be written"))
    assert main(["policy", "new", "brain"]) == 2 and main(["policy", "new", "brain", "--output", "no/x.toml"]) == 2


def test_codes_are_found_by_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "codes", "glioma", "--json"]) == 0
    assert next(iter(json.loads(capsys.readouterr().out))) == "MONDO:0021042"
    assert main(["policy", "codes", "gliomaa"]) == 0
    assert "has 'gliomaa' in its name" in (told := capsys.readouterr().out) and "codes carcinoma" in told
    assert main(["policy", "codes", "npuncu"]) == 0
    assert "DUO:0000018" in capsys.readouterr().out


def test_two_stewards_replace_a_policy_and_anybody_reads_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = DeskAtNode.found(here, monkeypatch, capsys)
    desk.network.block(desk.network.send.dataset("a", "brain"))
    desk.gives("a", "people", "key", "s1")
    desk.gives("a", "people", "invite", "s1.json", "--role", "steward", "--yes")
    desk.gives("a", "people", "accept", "--as", "s1", "--yes")
    assert main(["policy", "new", "brain"]) == 0
    assert "nobody is there to answer" in desk.gives("a", "policy", "set", "brain.toml", status=2)
    assert "Version 1 of the policy of brain is in force" in desk.gives("a", "policy", "set", "brain.toml", "--yes")
    assert "Version 1" in desk.gives("a", "policy", "set", "brain.toml", "--yes"), "the very same is not sent again"
    path = here / "brain.toml"
    text = path.read_text().replace("conditions = []", 'conditions = ["NCU"]').replace("approvers = 1", "approvers = 2")
    (here / "terms.txt").write_text("Do not try to find anybody.")
    text = text.replace("licences = []", 'licences = ["terms.txt"]')
    path.write_text(text)
    assert desk.tells("a", "policy", "set", "brain.toml", "--yes")["set"]["version"] == 2
    digest = address_of(b"Do not try to find anybody.")
    assert exchanged_objects(desk.folder("a")).get(digest) == b"Do not try to find anybody.", "for members to read"
    assert f"accepts the terms {digest.hex()[:12]}" in desk.gives("b", "policy", "show", "brain", "--of", "a")
    assert "find anybody." in desk.gives("a", "policy", "terms", "brain", "--output", "out")
    assert (here / "out" / f"terms-{digest.hex()[:12]}.txt").read_text() == "Do not try to find anybody."
    assert "CANNOT BE READ" in desk.gives("b", "policy", "terms", "brain", "--of", "a"), "they share no store"
    path.write_text(text.replace("NCU", "NPUNCU"))
    waits = desk.gives("a", "policy", "set", "brain.toml", "--yes")
    assert "1 of 2 persons stand behind it; version 2 holds until then" in waits
    assert "same_person" in desk.gives("a", "policy", "confirm", "brain", "--yes", status=8)
    (told,) = desk.tells("a", "request", "inbox")
    assert told["todo"]["who"] == ["s1"] and "1 of 2 persons do" in told["todo"]["words"]
    assert "hmchain policy confirm brain --as s1" in desk.gives("a", "request", "inbox", "--wide")
    assert "Nothing waits for steward" in desk.gives("a", "request", "inbox", "--for", "steward")
    assert "version 3" not in (shown := desk.gives("a", "policy", "show", "brain")) and "Another policy waits" in shown
    assert "hmchain policy confirm brain --as NAME" in shown
    shown = desk.gives("b", "policy", "show", "brain", "--of", "a")
    assert "Another policy waits" in shown and "policy confirm" not in shown, "for a's people alone"
    assert "Version 3" in desk.gives("a", "policy", "confirm", "brain", "--as", "s1", "--yes")
    path.write_text(text)
    desk.gives("a", "policy", "set", "brain.toml", "--prepare", "later.json", "--yes")
    assert main(["sign", "show", "later.json"]) == 0
    assert "No commercial use." in capsys.readouterr().out, "who signs elsewhere reads what the policy says"
    desk.gives("a", "policy", "set", "brain.toml", "--yes")
    assert "Version 3" in desk.gives("a", "policy", "withdraw", "brain", "--as", "s1", "--yes")
    told = desk.gives("b", "policy", "show", "brain", "--of", "a")
    assert "a: brain, policy version 3, since block" in told and "a/s1, a/steward" in told
    assert [each["version"] for each in desk.tells("a", "policy", "history", "brain")] == [3, 2, 1, 0]
    assert "+ No commercial use." in desk.gives("a", "policy", "diff", "brain", "1", "2")
    desk.close()
    assert main(["policy", "show", "brain", "--dir", "run"]) == 2
    assert "say whose policy is meant" in capsys.readouterr().err
