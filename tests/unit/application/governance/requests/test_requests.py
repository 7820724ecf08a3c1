"""Requests at people's own node: asked, changed, said more about, redacted, renewed, ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance.requests import acceptance, applying, decisions, documents, reading
from hmchain.application.governance.requests.applying import NoSuchDocumentError, RequestTakenError
from hmchain.application.governance.requests.checking import answers_to
from hmchain.application.governance.requests.content import content_of
from hmchain.application.governance.requests.documents import (
    TEXT_CHARACTERS_MAX,
    Document,
    Media,
    NoReaderError,
    file_document,
)
from hmchain.application.governance.requests.file import RequestFileError
from hmchain.application.governance.requests.form import from_document
from hmchain.canonical import encode
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts.data.policies import DEFAULT, PERSON_LOOKS, TOO_LONG, SetPolicy, Terms
from hmchain.ledger.contracts.data.requests import DocumentKind
from hmchain.ledger.contracts.data.reviewing import RemarkRequest
from hmchain.ledger.contracts.members.enrolment import RemovePerson
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.requests import UnknownRequestError, requests_of
from hmchain.records.objects import MissingObjectError
from support.request_bed import FILE, NAME, RequestBed
from support.study_bed import START_MS, YEAR_MS, make_spec

SECRET = "Do early changes in MRI tell who will relapse?"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[RequestBed]:
    bed = RequestBed.found(tmp_path)
    yield bed
    bed.close()


def form_at(bed: RequestBed, hospital: str) -> str:
    """What a hospital reads of the form."""
    papers = bed.papers(hospital)
    digest = bed.seen().documents[0].digest
    return from_document(papers.read(bed.bed.consortium.ledger.chain_id, NAME, digest)).use


def test_policies_say_beforehand_what_they_say_to_the_request(bed: RequestBed) -> None:
    short = Terms(DEFAULT, 1, False, 0, 0, 1, 0, (), ())
    bed.user("north/steward").send(SetPolicy("brain", short))
    state, now_ms = bed.bed.state, bed.bed.now_ms
    content = content_of(state, bed.file(), now_ms)
    beforehand = answers_to(state, content, PersonRef("west", "scientist"), now_ms)
    assert [(each.organisation, each.answer, each.reasons) for each in beforehand] == [
        ("east", "look", (PERSON_LOOKS,)), ("north", "no", (TOO_LONG,))
    ]  # fmt: skip
    words = bed.submit().decisions
    assert [(each.answer, each.reasons, each.policy) for each in words] == [
        (each.answer, each.reasons, each.policy) for each in beforehand
    ]


def test_what_is_asked_is_before_each_hospital_and_read_by_those_asked(bed: RequestBed) -> None:
    shown = bed.submit()
    assert (shown.status, shown.version, shown.applicant) == ("submitted", 1, "west/scientist")
    assert [(word.organisation, word.status, word.answer) for word in shown.decisions] == [
        ("east", "waiting", "look"), ("north", "waiting", "look"),
    ]  # fmt: skip
    for hospital in ("east", "north", "west"):
        assert form_at(bed, hospital) == SECRET
    with pytest.raises(NoReaderError):
        form_at(bed, "south")
    blocks = (bed.bed.directory / "ledger").rglob("*")
    assert not any(SECRET.encode() in path.read_bytes() for path in blocks if path.is_file()), "digests and codes only"


def test_the_same_file_again_sends_nothing_and_another_is_a_new_version(bed: RequestBed) -> None:
    first = bed.submit()
    height = bed.bed.state.height
    assert bed.submit() == first and bed.bed.state.height == height
    bed.approve("east/steward")
    changed = bed.submit(FILE.replace('"DE"', '"AT", "DE"'))
    assert (changed.version, changed.status) == (2, "submitted") and changed.digest != first.digest
    assert [word.status for word in changed.decisions] == ["waiting", "waiting"], "a yes to the older one is void"


def test_a_draft_is_nobody_elses_business_until_it_is_handed_in(bed: RequestBed) -> None:
    west = bed.user("west/scientist")
    drafted = applying.draft(west, bed.file(), bed.papers("west"))
    assert (drafted.status, drafted.version, len(drafted.documents)) == ("draft", 0, 1)
    assert [each.request for each in requests_of(bed.bed.state, "west")] == [NAME]
    assert not requests_of(bed.bed.state, "east")
    assert applying.hand_in(west, NAME).status == "submitted"
    assert [each.request for each in requests_of(bed.bed.state, "east")] == [NAME]


def test_no_request_takes_the_name_of_a_study_that_it_did_not_ask_for(bed: RequestBed) -> None:
    """All hospitals would allow it, and then its own study could not be proposed."""
    assert bed.bed.propose(make_spec(bed.bed.names, name=NAME)) == "ok"
    with pytest.raises(RequestTakenError, match="there is a study relapse already"):
        bed.submit()
    west = bed.user("west/scientist")
    bed.submit(FILE.replace(NAME, "other"))
    with pytest.raises(RequestTakenError, match="there is a study relapse already"):
        applying.renew(west, bed.papers("west"), "other", NAME, START_MS + YEAR_MS)


def test_a_name_is_somebodys_for_ever(bed: RequestBed) -> None:
    bed.submit()
    with pytest.raises(RequestTakenError, match="is west/scientist's"):
        bed.submit(who="south/scientist")
    applying.close(bed.user("west/scientist"), NAME, "withdrawn")
    with pytest.raises(RequestTakenError, match="hmchain request renew relapse NEW"):
        bed.submit()
    with pytest.raises(UnknownRequestError, match=r"there is no request relaps .did you mean relapse"):
        applying.close(bed.user("west/scientist"), "relaps", "withdrawn")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('east = "brain"', 'eats = "brain"', "there is no member 'eats' .did you mean 'east'"),
        ('east = "brain"', 'east = "brian"', "east has published no such dataset .did you mean 'brain'"),
        ('east = "brain"', 'east = "brain@2"', "brain has no version 2 .its newest is 1"),
        ("2024-06-30", "2020-06-30", "until = 2020-06-30 is over"),
    ],
)
def test_a_file_that_names_what_nobody_has_is_refused_before_anything_is_sealed(
    bed: RequestBed, before: str, after: str, says: str
) -> None:
    with pytest.raises(RequestFileError, match=says):
        bed.submit(FILE.replace(before, after))
    assert not any(path.is_file() for path in (bed.bed.directory / "objects").rglob("*"))
    assert requests_of(bed.bed.state, "") == []


def test_a_redacted_attachment_opens_for_nobody_and_its_digest_stays(bed: RequestBed, tmp_path: Path) -> None:
    bed.submit()
    west, papers, chain = bed.user("west/scientist"), bed.papers("west"), bed.bed.consortium.ledger.chain_id
    letter = tmp_path / "letter.txt"
    letter.write_text("We name a patient by mistake.")
    changed = applying.attach(west, papers, NAME, DocumentKind.LETTER, file_document(letter))
    assert changed.status == "returned", "hospitals decide on what is submitted anew"
    applying.hand_in(west, NAME)
    digest = next(each.digest for each in bed.seen().documents if each.kind == "letter")
    assert bed.papers("east").read(chain, NAME, digest).text == "We name a patient by mistake."
    with pytest.raises(NoSuchDocumentError, match="hmchain request show relapse"):
        applying.redact(west, papers, NAME, "zz")
    shown = applying.redact(west, papers, NAME, digest.hex()[:8])
    assert [each.redacted for each in shown.documents] == [False, True]
    for hospital in ("east", "north", "west"):
        with pytest.raises(MissingObjectError):
            bed.papers(hospital).read(chain, NAME, digest)
    applying.redact(west, papers, NAME, digest.hex())  # what was cut short is done; nothing is refused
    with pytest.raises(RefusedTransactionError, match="not_its_author"):
        applying.redact(bed.user("east/steward"), bed.papers("east"), NAME, shown.documents[0].digest.hex())
    assert form_at(bed, "east") == SECRET, "what was refused destroyed nothing"


def test_a_renewed_request_is_a_copy_whose_documents_are_its_own(bed: RequestBed) -> None:
    before = bed.submit()
    west, chain = bed.user("west/scientist"), bed.bed.consortium.ledger.chain_id
    assert before.content is not None
    until_ms = before.content.until_ms + 86_400_000
    with pytest.raises(RequestFileError, match="last day of the copy is over"):
        applying.renew(west, bed.papers("west"), NAME, "relapse-2", west.ledger.now_ms())
    done = applying.renew(west, bed.papers("west"), NAME, "relapse-2", until_ms)
    copy = done.view
    assert (copy.status, copy.copied_from) == ("draft", NAME) and copy.content is not None
    assert copy.content.until_ms == until_ms and copy.content.datasets == before.content.datasets
    assert copy.documents[0].digest != before.documents[0].digest
    found = bed.papers("east").read(chain, "relapse-2", copy.documents[0].digest)
    assert from_document(found).use == SECRET
    again = applying.renew(west, bed.papers("west"), NAME, "relapse-2", until_ms)
    assert encode(again.view.content) == encode(copy.content) and not done.left_out
    applying.redact(west, bed.papers("west"), NAME, before.documents[0].digest.hex())
    assert applying.renew(west, bed.papers("west"), NAME, "relapse-3", until_ms).left_out == ("form",)
    no_key = dataclasses.replace(bed.papers("west"), key=WrappingKey.generate())
    assert applying.renew(west, no_key, "relapse-2", "relapse-4", until_ms).left_out == ("form",)


def test_people_are_invited_join_answer_for_it_and_leave(bed: RequestBed) -> None:
    bed.submit()
    west, south = bed.user("west/scientist"), bed.user("south/scientist")
    bed.enrol("west/wanda", "scientist")
    assert applying.invite(west, NAME, PersonRef("west", "wanda")).members == ("west/wanda",)
    assert applying.invite(west, NAME, PersonRef("south", "scientist")).invited == ("south/scientist",)
    assert applying.join(south, NAME).members == ("south/scientist", "west/wanda")
    applying.take_back(west, NAME)
    handed = applying.change_applicant(west, NAME, PersonRef("south", "scientist"))
    assert (handed.applicant, handed.members) == ("south/scientist", ("west/scientist", "west/wanda"))
    assert applying.uninvite(south, NAME, PersonRef("west", "wanda")).members == ("west/scientist",)
    applying.invite(south, NAME, PersonRef("north", "scientist"))
    assert applying.uninvite(south, NAME, PersonRef("north", "scientist")).invited == ()


def test_whoever_is_invited_or_was_removed_gets_no_key_of_what_is_written(bed: RequestBed) -> None:
    """An invitation is not yet a part; and a hospital whose person was removed learns nothing new by that person."""
    bed.submit()
    west, papers, chain = bed.user("west/scientist"), bed.papers("west"), bed.bed.consortium.ledger.chain_id
    bed.enrol("south/sam", "scientist")

    def read_by_south(text: str) -> bool:
        known = {word.document for word in bed.seen().words}
        shown = decisions.comment(west, papers, NAME, text)
        (new,) = {word.document for word in shown.words} - known
        try:
            return bed.papers("south").read(chain, NAME, new).text == text
        except NoReaderError:
            return False

    applying.invite(west, NAME, PersonRef("south", "sam"))
    assert not read_by_south("before the invitation is accepted")
    applying.join(bed.user("south/sam"), NAME)
    assert read_by_south("of one who takes part")
    bed.user("south/steward").send(RemovePerson("sam"))
    assert not read_by_south("after the person was removed")


def test_a_comment_of_another_program_fills_nobody_s_terminal(bed: RequestBed) -> None:
    bed.submit()
    west, chain = bed.user("west/scientist"), bed.bed.consortium.ledger.chain_id
    flood = Document(Media.TEXT, "", b"x" * (TEXT_CHARACTERS_MAX + 1))
    digest = bed.papers("west").put(chain, NAME, flood, documents.readers_of(west.state, ["east", "west"]))
    west.send(RemarkRequest(NAME, True, digest))
    shown = reading.in_words(bed.papers("east"), chain, bed.bed.state, bed.seen())
    assert [each.text for each in shown.said] == [f"({TEXT_CHARACTERS_MAX + 1} characters, too many to show)"]


def test_terms_are_accepted_by_each_before_anything_is_allowed(bed: RequestBed) -> None:
    east, west = bed.user("east/steward"), bed.user("west/scientist")
    decisions.add_licences(east, bed.submit(), [bytes([7]) * 32])
    shown = bed.approve("east/steward")
    assert shown.unaccepted == (("west/scientist", (bytes([7]) * 32,)),) and not shown.allows
    objects = bed.bed.consortium.objects
    accepted = acceptance.accept(west, NAME, acceptance.left(west, objects, NAME))
    assert not accepted.unaccepted and [word.organisation for word in accepted.allows] == ["east"]
    height = bed.bed.state.height
    assert acceptance.accept(west, NAME, acceptance.left(west, objects, NAME)) == accepted
    assert bed.bed.state.height == height
