"""`hmchain request ...`: each command does one thing, says what became of it, and asks before what stays done."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.governance.requests import applying, licences
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, DocumentError
from hmchain.application.governance.requests.listing import Waiting
from hmchain.application.governance.requests.reading import Reading, in_words, save
from hmchain.files import NoRegularFileError
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.cli.request import acting
from hmchain.interfaces.cli.request.acting import Speaker
from hmchain.interfaces.cli.request.show import show_inbox, show_request
from hmchain.interfaces.cli.request.terms_view import show_wordings
from hmchain.interfaces.cli.staff.view import show_powers
from hmchain.ledger.readers.powers import all_powers
from hmchain.ledger.readers.request_steps import Todo, inbox_of, steps
from hmchain.ledger.readers.requests import requests_of
from hmchain.records.objects import address_of
from support.printed_commands import fault
from support.request_bed import FILE, NAME, RequestBed

EVIL = "approved by all\x1b[2J\x1b]0;x\x07\r\nspecification deadbeef\u202e"
Run = Callable[..., Any]


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[RequestBed]:
    bed = RequestBed.found(tmp_path)
    yield bed
    bed.close()


@pytest.fixture
def run(bed: RequestBed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as a person; what it prints, or its JSON."""
    who = [""]

    @contextmanager
    def speaker(node: Path, *, yes: bool = False) -> Iterator[Speaker]:
        yield Speaker(bed.user(who[0]), bed.papers(who[0]))

    monkeypatch.setattr(acting, "scientist", speaker)
    monkeypatch.setattr(acting, "steward", speaker)
    monkeypatch.setattr(acting, "of_request", lambda node, name, *, yes=False: speaker(node, yes=yes))

    def run(person: str, *arguments: str, status: int = 0, yes: bool = True) -> Any:
        who[0] = person
        said_to_do(bed)
        more = ["--yes"] if yes else []
        assert main(["request", *arguments, *more]) == status, capsys.readouterr()
        printed = capsys.readouterr()
        return json.loads(printed.out) if "--json" in arguments else printed.out + printed.err

    return run


def said_to_do(bed: RequestBed) -> None:
    """Whatever anybody is told to do is a command that there is, whole."""
    state = bed.bed.state
    told = [each.command for hospital in bed.bed.names for each in inbox_of(state, hospital)]
    found = (steps(state, each.request, hospital) for each in requests_of(state, "") for hospital in bed.bed.names)
    told += [command for each in found for _, command in each]
    wrong = {command: why for command in told if (why := fault(command))}
    assert not wrong


def write(bed: RequestBed, text: str = FILE) -> str:
    path = bed.place / "relapse.toml"
    path.write_text(text)
    return str(path)


def test_a_request_from_file_to_its_end(bed: RequestBed, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("west/scientist", "submit", write(bed))
    assert "relapse, version 1, is before east, north" in said and "hmchain request show relapse" in said
    assert "what do you mean" not in said
    letter = bed.place / "why.txt"
    letter.write_text("The end is missing.")
    assert "is with west/scientist again" in run(
        "east/steward", "return", NAME, "--reason", "incomplete", "--letter", str(letter)
    )
    for unchanged in (write(bed), NAME):
        told = run("west/scientist", "submit", unchanged, status=2, yes=False)
        assert "Nothing of relapse was changed since version 1" in told and "not_confirmed" in told
    assert bed.seen().version == 1
    assert "version 2" in run("west/scientist", "submit", write(bed, FILE.replace("06-30", "05-31")))
    assert "was changed" not in run("west/scientist", "submit", write(bed, FILE.replace("06-30", "05-31")), yes=False)
    show_request(in_words(bed.papers("west"), bed.bed.consortium.ledger.chain_id, bed.bed.state, bed.seen()))
    shown = capsys.readouterr().out
    assert "letter on version 1: The end is missing." in shown and "ask a person" in shown
    assert "not_confirmed" in str(run("east/steward", "approve", NAME, "--json", status=2, yes=False))
    assert "brain may be used for relapse until" in run("east/steward", "approve", NAME, "--days", "30")
    show_powers(all_powers(bed.bed.state, bed.bed.clock(), "west"))
    shown = " ".join(capsys.readouterr().out.split())
    assert "transfer relapse east/brain version 1" in shown
    assert "go on as applicant: submitted, waits for north relapse" in shown
    assert "is rejected here (ethics)" in run("north/steward", "reject", NAME, "--reason", "ethics")
    found = run("west/scientist", "list", "--json", "--dir", str(bed.bed.directory), yes=False)
    assert [(each["view"]["request"], each["title"]) for each in found] == [(NAME, "with the members")]
    assert "may use nothing more of this hospital" in run("east/steward", "revoke", NAME, "--reason", "consent")
    assert "nothing is allowed by it" in run("west/scientist", "close", NAME, "--reason", "withdrawn")
    assert applying.view(bed.user("west/scientist"), NAME).is_over


def test_what_people_say_beside_it(bed: RequestBed, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.enrol("east/rita", "ethics")
    run("west/scientist", "submit", write(bed))
    assert "east/rita is asked" in run("east/steward", "ask", NAME, "rita")
    monkeypatch.setattr("sys.stdin", io.StringIO("Fine with me."))
    assert "You said of relapse: favourable" in run("east/rita", "review", NAME, "favourable", "--letter", "-")
    monkeypatch.setattr("sys.stdin", io.StringIO(EVIL))
    run("north/steward", "comment", NAME)
    assert "is empty" in run("north/steward", "comment", NAME, status=2), "nothing more was typed"
    run("north/steward", "vote", NAME, "reject")
    run("north/steward", "state", NAME, "in-ethics")
    run("north/steward", "outside", NAME, "ek-17")
    assert "is no vote on a ledger" in run("north/steward", "vote", NAME, "maybe", status=2)
    assert "names no person" in run("east/steward", "ask", NAME, "Rita!", status=2)
    terms = bed.place / "terms.txt"
    terms.write_text("Do not try to find anybody.")
    run("east/steward", "licences", NAME, str(terms))
    assert "cannot be read" in run("east/steward", "licences", NAME, "terms", status=2)
    run("east/steward", "approve", NAME)
    other = bed.place / "other.txt"
    other.write_text("Do what you like.")
    assert "is none of the terms" in run("west/scientist", "accept", NAME, str(other), status=2)
    assert "1 terms of relapse are accepted" in run("west/scientist", "accept", NAME, str(terms))


def test_terms_are_read_before_they_are_accepted(bed: RequestBed, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the members' store, whoever put them there; what is not there, or is another text, is named."""
    run("west/scientist", "submit", write(bed))
    terms, at = bed.place / "terms.txt", ("--dir", str(bed.bed.directory))
    terms.write_text("Do not try to find anybody.\naccepted by everybody\u202e")
    assert "has no file of the terms 0707" in run("north/steward", "licences", NAME, "07" * 32)
    assert "has no file" not in run("east/steward", "licences", NAME, str(terms))
    said = run("west/scientist", "terms", NAME, "--output", str(bed.place / "out"), *at, yes=False)
    assert "east/brain" in said and "Do not try to find anybody." in said and "\u202e" not in said
    assert "\naccepted by everybody" not in said, "no line of theirs passes for ours"
    assert "CANNOT BE READ: the members' store does not have their file" in said
    (saved,) = (bed.place / "out").iterdir()
    assert saved.suffix == ".txt" and saved.read_bytes() == terms.read_bytes()
    refused = run("west/scientist", "accept", NAME, status=2)
    assert "the terms 070707070707 of north/brain cannot be read" in refused and "--unread" in refused
    digest = address_of(terms.read_bytes())
    bed.bed.consortium.directory.joinpath("objects", digest.hex()[:2], digest.hex()).write_text("Do what you like.")
    told = run("west/scientist", "terms", NAME, "--json", *at, yes=False)
    assert {each["wording"]["found"] for each in told} == {"missing", "changed"}
    assert "is not what the ledger names" in run("west/scientist", "terms", NAME, *at, yes=False)
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\ny\n"))
    seen = run("west/scientist", "accept", NAME, str(terms), status=2, yes=False)
    assert "Do not try to find anybody." in seen, "of one's own file"
    run("east/steward", "licences", NAME, str(terms))
    assert "Do not try to find anybody." in run("west/scientist", "terms", NAME, *at, yes=False), "mended"
    assert "2 terms of relapse are accepted" in run("west/scientist", "accept", NAME, yes=False)
    told = run("west/scientist", "terms", NAME, "--json", *at, yes=False)
    assert [(each["asked"]["accepted"], each["asked"]["open_to"]) for each in told] == [(["west/scientist"], [])] * 2


def test_its_people_and_documents(bed: RequestBed, run: Run) -> None:
    run("west/scientist", "submit", write(bed), "--draft")
    assert "no file relapse to keep" in run("west/scientist", "submit", NAME, "--draft", status=2)
    assert "relapse, version 1" in run("west/scientist", "submit", NAME)
    assert "is invited" in run("west/scientist", "invite", NAME, "south/scientist")
    assert "You take part" in run("south/scientist", "join", NAME)
    assert "is yours to change" in run("west/scientist", "takeback", NAME)
    assert "south/scientist answers for relapse" in run("west/scientist", "handover", NAME, "south/scientist")
    assert "takes no part" in run("south/scientist", "uninvite", NAME, "west/scientist")
    letter = bed.place / "letter.txt"
    letter.write_text("We name a patient.")
    assert "letter.txt is attached" in run("south/scientist", "attach", NAME, "letter", str(letter))
    assert "was changed" not in run("south/scientist", "submit", NAME), "a letter was attached"
    digest = next(each.digest.hex() for each in bed.seen().documents if each.kind == "letter")
    assert "opens for nobody" in run("south/scientist", "redact", NAME, digest[:8])
    until = ["--until", "2025-01-31"]
    said = run("south/scientist", "renew", NAME, "relapse-2", *until)
    assert "relapse-2 is a draft like relapse. Attach anew what could not be copied: form, letter" in said
    assert "The draft relapse-2 is forgotten" in run("south/scientist", "close", "relapse-2")


def test_a_steward_reads_what_is_asked_and_no_line_of_it_passes_for_ours(
    bed: RequestBed, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = bed.place / "protocol.txt"
    letter.write_text("Protocol of the study.")
    evil = FILE.replace("Do early changes", "Do early changes\\u001b[2J").replace(
        "[form]", '[attachments]\nprotocol = "protocol.txt"\n[form]'
    )
    run("west/scientist", "submit", write(bed, evil))
    monkeypatch.setattr("sys.stdin", io.StringIO(EVIL))
    run("north/steward", "comment", NAME)
    state, chain = bed.bed.state, bed.bed.consortium.ledger.chain_id
    shown = in_words(bed.papers("east"), chain, state, bed.seen())
    show_request(shown)
    out = capsys.readouterr().out
    steps = "the stewards of east, north decide"
    worst = "everything that stands in the records"
    for text in ("Relapse after surgery", "east: brain version 1", "a person must look", worst, steps, "protocol.txt"):
        assert text in out
    assert "deadbeef" in out and not {"\r", "\x1b", "\x07", "\u202e"} & set(out)
    assert not [line for line in out.splitlines() if line.startswith("specification")]
    paper = save(bed.papers("east"), chain, bed.seen(), shown.papers[0].digest.hex()[:10], bed.place / "out.txt")
    assert (bed.place / "out.txt").read_text() == "Protocol of the study." and paper.title == "protocol.txt"
    alone = in_words(None, chain, state, bed.seen())
    assert alone.title == "with the members" and {each.reading for each in alone.papers} == {Reading.MEMBERS}
    south = in_words(bed.papers("south"), chain, state, bed.seen())
    assert south.title == "not for this hospital" and south.is_lost
    show_request(south)
    assert "CANNOT BE SHOWN" in capsys.readouterr().out
    show_inbox([], "rita")
    show_inbox([Waiting(Todo(NAME, "reviewer", "asks", f"request review {NAME} ANSWER", who=("rita",)), "x")], "rita")
    show_wordings([licences.Wording(bytes(32), licences.Found.READ, "application/pdf", 9)], "brain", "east")
    out = capsys.readouterr().out
    assert "`hmchain policy terms brain --of east --output terms`" in out
    assert "Nothing waits for rita." in out and f"`hmchain request review {NAME} ANSWER --as rita`" in out


def test_a_letter_without_end_and_terms_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_bytes(b"x" * (1 << 20))
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(NoRegularFileError):
            acting.written(path)
    for path in (str(tmp_path / "long.txt"), str(tmp_path), "x" * 5000, "a\0b"):
        with pytest.raises(DocumentError):
            acting.written(path)
    with (tmp_path / "huge.pdf").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    for terms in (str(tmp_path / "huge.pdf"), str(tmp_path), "x" * 5000, "a\0b", "no digest", "ab"):
        with pytest.raises(DocumentError):
            licences.named(terms)
