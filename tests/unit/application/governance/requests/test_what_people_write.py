"""Nothing on the ledger links to a patient or holds what people wrote, from the first question to the last duty.

A whole life of requests is lived with a patient's name, number, mail address and sentences in every place where a
person can write; then every byte of blocks, states, receipts and events is searched for them and their common hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance.requests import applying, decisions
from hmchain.application.governance.requests.documents import file_document, readers_of, text_document
from hmchain.application.governance.requests.file import RequestFileError
from hmchain.application.governance.requests.form import FIELDS
from hmchain.ledger.contracts.data import policies
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft
from hmchain.ledger.contracts.data.obligations import ConfirmDuty, ShowDuty
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy
from hmchain.ledger.contracts.data.requests import DocumentKind
from hmchain.ledger.contracts.data.reviewing import Deed
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.engines.ledger import RefusedTransactionError
from support.ledger_bytes import pieces, told
from support.policy_bed import TERMS
from support.request_bed import RequestBed

NUMBER, NAME, MAIL = "MRN-4711-0815", "Archibald Quince", "archibald.quince@example.org"
SENTENCE = "The patient of bed seven was lost to follow-up in spring."
PLANTED = (NUMBER, NAME, MAIL, SENTENCE)
WRITTEN = f"{SENTENCE} {NAME}, {NUMBER}, {MAIL}"
REQUEST = "relapse"
FORM = "".join(f'{field.name} = "{WRITTEN}"\n' for field in FIELDS)
FILE = f"""
name = "{REQUEST}"
kind = "train"
diseases = ["MONDO:0005072"]
regions = ["DE"]
until = 2024-06-30
[datasets]
east = "brain"
north = "brain"
south = "brain"
[attachments]
ethics = "{NAME}.txt"
[study]
rounds = 1
[form]
{FORM}"""
COUNT = f"""
name = "cohort"
kind = "count"
until = 2024-06-30
[datasets]
east = "brain"
north = "brain"
south = "brain"
[query]
people = "female and age 50..79"
[form]
{FORM}"""


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[RequestBed]:
    bed = RequestBed.found(tmp_path)
    (tmp_path / f"{NAME}.txt").write_text(WRITTEN)
    yield bed
    bed.close()


def _say(bed: RequestBed, who: str, kind: str) -> None:
    """A person writes something beside the request, of every kind that there is."""
    user, papers, shown, text = bed.user(who), bed.papers(who), bed.seen(REQUEST), f"{kind}: {WRITTEN}"
    match kind:
        case "comment":
            for private in (True, False):
                decisions.comment(user, papers, REQUEST, text, private=private)
        case "return":
            decisions.return_(user, papers, shown, "incomplete", text)
        case "reject":
            decisions.reject(user, papers, shown, "ethics", text)
        case "revoke":
            decisions.revoke(user, papers, shown, "consent", text)
        case _:
            deed = Deed.REVIEW if kind == "review" else Deed.DECIDE
            said = "favourable" if kind == "review" else "approve"
            decisions.answer(user, papers, shown, said, deed, text)


def _live(bed: RequestBed, folder: Path) -> None:
    """People, a policy, a request with documents and comments, given back, reviewed, decided, ended; a duty met."""
    bed.enrol("east/eve", "steward")
    bed.enrol("east/rita", "ethics")
    owed = replace(TERMS, cedar=policies.DEFAULT, approvers=2, duties=(Duty("publish", 30),))
    bed.user("east/steward").send(SetPolicy("brain", owed))
    west, papers = bed.user("west/scientist"), bed.papers("west")
    bed.submit(FILE)
    _say(bed, "east/steward", "comment")
    _say(bed, "east/steward", "return")
    (folder / f"{NAME} 2.txt").write_text(f"letter: {WRITTEN}")
    applying.attach(west, papers, REQUEST, DocumentKind.LETTER, file_document(folder / f"{NAME} 2.txt"))
    applying.hand_in(west, REQUEST)
    for person, deed in (("rita", Deed.REVIEW), ("eve", Deed.DECIDE)):
        decisions.ask(bed.user("east/steward"), bed.seen(REQUEST), PersonRef("east", person), deed)
    _say(bed, "east/rita", "review")
    _say(bed, "east/eve", "advise")
    for steward in ("east/steward", "east/eve", "north/steward"):
        bed.approve(steward, REQUEST)
    _say(bed, "south/steward", "reject")
    _say(bed, "north/steward", "revoke")
    _settle_duty(bed)
    applying.renew(west, papers, REQUEST, "relapse-2", bed.seen(REQUEST).decisions[0].until_ms)
    letter = next(each for each in bed.seen(REQUEST).documents if each.kind == "letter")
    applying.redact(west, papers, REQUEST, letter.digest.hex())
    applying.close(west, REQUEST, "finished")


def _settle_duty(bed: RequestBed) -> None:
    west, east = bed.user("west/scientist"), bed.user("east/steward")
    readers = readers_of(bed.bed.state, {"east", "west"})
    shown = bed.papers("west").put(west.ledger.chain_id, REQUEST, text_document(WRITTEN), readers)
    west.send(ShowDuty(REQUEST, "east", "brain", "publish", shown))
    east.send(ConfirmDuty(REQUEST, "brain", "publish", shown))


def test_nothing_that_people_wrote_is_in_any_byte_of_the_ledger(bed: RequestBed, tmp_path: Path) -> None:
    _live(bed, tmp_path)
    bed.submit(COUNT)
    ledger = bed.bed.directory / "ledger"
    bed.bed.close()
    assert told(pieces(ledger), PLANTED) == []
    assert told(pieces(ledger), ["relapse"]), "what is searched is the ledger: the request's name is there"


def test_the_search_finds_a_text_that_came_onto_the_ledger(bed: RequestBed) -> None:
    """It must be able to fail: a transaction of somebody's own program that is refused stands in its block for good."""
    content = bed.submit(FILE).content
    assert content is not None
    south = bed.user("south/scientist")
    south.send(CreateRequest("leak"))
    with pytest.raises(RefusedTransactionError):
        south.send(SaveDraft("leak", replace(content, plan=WRITTEN.encode())))
    found = told(pieces(bed.bed.directory / "ledger"), PLANTED)
    assert {text for text, _ in found} == set(PLANTED)


def test_a_text_is_refused_wherever_a_name_or_a_code_belongs(bed: RequestBed) -> None:
    wrong = [FILE.replace('east = "brain"', f'east = "{NAME}"'), FILE.replace(f'"{REQUEST}"', f'"{NAME}"')]
    for key in ("diseases", "regions", "fields", "labels", "purposes"):
        lines = [line for line in FILE.splitlines() if not line.startswith(f"{key} =")]
        wrong.append("\n".join([*lines[:3], f'{key} = ["{NAME}"]', *lines[3:]]))
    for text in wrong:
        with pytest.raises(RequestFileError):
            bed.submit(text)
    assert told(pieces(bed.bed.directory / "ledger"), PLANTED) == []
