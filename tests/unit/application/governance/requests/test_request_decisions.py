"""What a hospital's people do with a request: each for itself, on what was shown and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance import studies
from hmchain.application.governance.requests import decisions, duties
from hmchain.application.governance.requests.applying import RequestReasonError, redact
from hmchain.application.governance.requests.decisions import NotAskedOfError, NotCalledError
from hmchain.application.governance.requests.documents import NoReaderError, text_document
from hmchain.application.governance.requests.duties import NoSuchDutyError
from hmchain.application.governance.requests.reading import in_words
from hmchain.application.governance.requests.words import asked_terms, at_worst, plan_terms
from hmchain.canonical import decode, encode
from hmchain.ledger.contracts.data import policies
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.data.policies import ConfirmPolicy, Duty, SetPolicy, Terms
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.data.reviewing import Deed
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.request_steps import inbox, next_words, steps
from support.policy_bed import TERMS
from support.request_bed import FILE, NAME, RequestBed
from support.study_bed import SCHEMA, START_MS

DAY_MS = 86_400_000
TRAIN = FILE.replace('"transfer"', '"train"').replace("[transfer]\ndays = 90", "[study]\nrounds = 2").replace(
    'north = "brain"', 'north = "brain"\nsouth = "brain"')  # fmt: skip


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[RequestBed]:
    bed = RequestBed.found(tmp_path)
    yield bed
    bed.close()


def set_terms(bed: RequestBed, hospital: str, terms: Terms) -> None:
    bed.user(f"{hospital}/steward").send(SetPolicy("brain", terms))


def todo(bed: RequestBed, who: str) -> list[tuple[str, str]]:
    """What a person's list says is to be done, and how."""
    organisation, person = who.split("/")
    return [(each.role, each.command) for each in inbox(bed.bed.state, PersonRef(organisation, person))]


def test_each_hospital_decides_for_itself_and_only_its_own_data_may_be_used(bed: RequestBed) -> None:
    bed.submit()
    assert todo(bed, "east/steward") == [("steward", "request show relapse")] and todo(bed, "south/steward") == []
    assert next_words(bed.bed.state, NAME) == "the stewards of east, north decide"
    assert todo(bed, "west/scientist") == []
    yes = bed.approve("east/steward")
    assert todo(bed, "west/scientist") == [], "nobody said no"
    assert [(word.organisation, word.status, word.holds) for word in yes.decisions] == [
        ("east", "approved", True), ("north", "waiting", False),
    ]  # fmt: skip
    north = bed.user("north/steward")
    no = decisions.reject(north, bed.papers("north"), yes, "ethics", "The letter is of another study.")
    assert no.of("north")[0].reason == "ethics" and todo(bed, "north/steward") == []
    letter = bed.papers("west").read(bed.bed.consortium.ledger.chain_id, NAME, no.of("north")[0].document)
    assert letter.text == "The letter is of another study."
    assert next_words(bed.bed.state, NAME) == "west/scientist may use east/brain"
    gone = decisions.revoke(bed.user("east/steward"), bed.papers("east"), no, "consent")
    assert gone.of("east")[0].status == "revoked" and not gone.allows
    with pytest.raises(NotAskedOfError, match=r"nothing of relapse is approved here .brain is revoked"):
        decisions.revoke(bed.user("east/steward"), bed.papers("east"), gone, "consent")


def test_a_decision_binds_what_was_shown_and_nothing_else(bed: RequestBed) -> None:
    shown = bed.submit()
    bed.submit(FILE.replace("regions", "commercial = true\nregions"))
    with pytest.raises(RefusedTransactionError, match="wrong_content"):
        decisions.approve(bed.user("east/steward"), shown)


def test_what_is_given_back_says_why_and_comes_again(bed: RequestBed) -> None:
    east, shown = bed.user("east/steward"), bed.submit()
    back = decisions.return_(east, bed.papers("east"), shown, "incomplete", "Until when exactly?")
    assert back.status == "returned" and todo(bed, "west/scientist") == [("applicant", "request show relapse")]
    said = next(each for each in back.documents if each.kind == "decision")
    found = bed.papers("west").read(bed.bed.consortium.ledger.chain_id, NAME, said.digest)
    assert found.text == "Until when exactly?"
    assert bed.submit(FILE.replace("06-30", "05-31")).version == 2


def test_an_end_no_later_than_asked_and_than_the_policy_lets(bed: RequestBed) -> None:
    set_terms(bed, "north", replace(TERMS, days_max=400, cedar=policies.DEFAULT))
    shown = bed.submit()
    assert shown.content is not None
    for hospital, least in (("east", shown.content.until_ms), ("north", shown.content.until_ms)):
        until = bed.approve(f"{hospital}/steward").of(hospital)[0].until_ms
        assert START_MS < until <= least
    with pytest.raises(RefusedTransactionError, match="until_too_late"):
        bed.submit(FILE.replace('name = "relapse"', 'name = "second"'))
        decisions.approve(bed.user("east/steward"), bed.seen("second"), shown.content.until_ms + DAY_MS)


def test_two_persons_where_the_policy_asks_for_two_and_nobody_twice(bed: RequestBed) -> None:
    bed.enrol("east/eve", "steward")
    set_terms(bed, "east", replace(TERMS, approvers=2))
    bed.submit()
    one = bed.approve("east/steward").of("east")[0]
    assert (one.status, one.approvals, one.needed) == ("waiting", ("east/steward",), 2)
    height = bed.bed.state.height
    bed.approve("east/steward")
    assert bed.bed.state.height == height, "who said yes already is not asked to say it twice"
    assert todo(bed, "east/eve") == [("steward", "request show relapse")] and todo(bed, "east/steward") == []
    two = bed.approve("east/eve").of("east")[0]
    assert (two.status, two.approvals) == ("approved", ("east/steward", "east/eve"))


def test_who_said_yes_first_completes_it_once_the_policy_asks_for_one(bed: RequestBed) -> None:
    bed.enrol("east/eve", "steward")
    set_terms(bed, "east", replace(TERMS, approvers=2))
    bed.submit()
    bed.approve("east/steward")
    bed.user("east/eve").send(SetPolicy("brain", TERMS))
    bed.user("east/steward").send(ConfirmPolicy("brain", TERMS.digest))
    assert bed.approve("east/steward").of("east")[0].status == "approved", "nobody else may be there to say it"


def test_reviewers_are_asked_answer_and_advise(bed: RequestBed) -> None:
    bed.enrol("east/rita", "ethics")
    bed.enrol("south/paul", "protection")
    east, shown = bed.user("east/steward"), bed.submit()
    rita, paul = bed.user("east/rita"), bed.user("south/paul")
    with pytest.raises(NotCalledError, match="hmchain request ask NAME PERSON"):
        decisions.answer(rita, bed.papers("east"), shown, "favourable", Deed.REVIEW)
    decisions.ask(east, shown, PersonRef("east", "rita"), Deed.REVIEW)
    decisions.ask(east, shown, PersonRef("south", "paul"), Deed.REVIEW)
    assert todo(bed, "east/rita") == [("reviewer", "request review relapse ANSWER")]
    decisions.answer(rita, bed.papers("east"), shown, "favourable", Deed.REVIEW, "Fine with the letter.")
    done = decisions.answer(paul, bed.papers("south"), shown, "no-view", Deed.REVIEW)
    assert todo(bed, "east/rita") == todo(bed, "south/paul") == []
    text = next(each for each in done.documents if each.kind == "review")
    assert text.by == "east/rita"
    found = bed.papers("south").read(bed.bed.consortium.ledger.chain_id, NAME, text.digest)
    assert found.text == "Fine with the letter.", "whoever was asked for a word reads the others'"
    with pytest.raises(RequestReasonError, match="give one of favourable"):
        decisions.answer(rita, bed.papers("east"), shown, "maybe", Deed.REVIEW)


def test_a_private_comment_is_read_by_ones_own_organisation_alone(bed: RequestBed) -> None:
    bed.submit()
    east, chain = bed.user("east/steward"), bed.bed.consortium.ledger.chain_id
    decisions.comment(east, bed.papers("east"), NAME, "I do not trust this.", private=True)
    shown = decisions.comment(east, bed.papers("east"), NAME, "Which scanner?")
    remarks = [each.digest for each in shown.documents if each.kind == "remark"]
    read = {bed.papers("east").read(chain, NAME, digest).text: digest for digest in remarks}
    assert set(read) == {"I do not trust this.", "Which scanner?"}
    assert bed.papers("west").read(chain, NAME, read["Which scanner?"]).text == "Which scanner?"
    for other in ("west", "north"):
        with pytest.raises(NoReaderError):
            bed.papers(other).read(chain, NAME, read["I do not trust this."])


def test_votes_states_and_outside_numbers_decide_nothing(bed: RequestBed) -> None:
    east, shown = bed.user("east/steward"), bed.submit()
    decisions.vote(east, shown, "reject")
    decisions.set_processing(east, shown, "in-ethics")
    done = decisions.assign_external(east, NAME, "ek-2024-17")
    assert (done.external, done.of("east")[0].processing, done.of("east")[0].status) == (
        "ek-2024-17", "in-ethics", "waiting",
    )  # fmt: skip
    with pytest.raises(RequestReasonError, match="is no vote"):
        decisions.vote(east, shown, "perhaps")
    with pytest.raises(NotAskedOfError, match="asks nothing of south"):
        decisions.vote(bed.user("south/steward"), shown, "accept")


def test_near_its_end_both_sides_hear_of_it(bed: RequestBed) -> None:
    bed.submit(FILE.replace("2024-06-30", "2023-12-01"))
    bed.approve("east/steward")
    assert todo(bed, "west/scientist") == [("applicant", "request renew relapse NEW --until DAY")]
    decisions.note_expiry(bed.user("east/steward"), NAME)
    with pytest.raises(RefusedTransactionError, match="already_noted"):
        decisions.note_expiry(bed.user("east/steward"), NAME)


def test_what_is_owed_is_shown_contested_and_confirmed(bed: RequestBed) -> None:
    """Deadlines come from the policy of the yes; whoever owes shows it, and the hospital has the last word."""
    set_terms(bed, "east", replace(TERMS, duties=(Duty("publish", 10),)))
    bed.submit(FILE.replace("2024-06-30", "2023-11-20"))
    bed.approve("east/steward")
    west, east, papers = bed.user("west/scientist"), bed.user("east/steward"), bed.papers("west")
    with pytest.raises(NoSuchDutyError, match="no delete of relapse is open"):
        duties.fulfil(west, papers, NAME, "delete", text_document("done"))
    bed.bed.now_ms += 11 * DAY_MS
    bed.bed.require("south", "steward", RegisterDataset("later", SCHEMA))
    late = inbox(bed.bed.state, PersonRef("west", "scientist"))[0]
    assert late.overdue and late.command == "request fulfil relapse publish FILE"
    duties.fulfil(west, papers, NAME, "publish", text_document("doi.org/10.1"))
    assert todo(bed, "east/steward") == [("steward", "request confirm relapse publish")]
    duties.contest(east, bed.papers("east"), NAME, "publish", "That paper is of another study.")
    assert [each.command for each in inbox(bed.bed.state, PersonRef("west", "scientist"))] == [late.command]
    bed.submit(FILE.replace('east = "brain"\n', ""))  # east is asked no more, and owed it all the same
    shown = duties.fulfil(west, papers, NAME, "publish", text_document("doi.org/10.2"))
    read = in_words(bed.papers("east"), bed.bed.consortium.ledger.chain_id, bed.bed.state, shown)
    assert [(each.kind, each.standing) for each in read.duties] == [("publish", "shown")]
    assert [paper.text for paper in read.papers if paper.kind == "evidence"] == ["doi.org/10.1", "doi.org/10.2"]
    redacted = redact(west, papers, NAME, read.duties[0].evidence.hex())
    assert [each.redacted for each in redacted.documents if each.digest == read.duties[0].evidence] == [True]
    duties.confirm(east, NAME, "publish")
    assert todo(bed, "east/steward") == todo(bed, "west/scientist") == []
    with pytest.raises(NoSuchDutyError, match="no publish of relapse is owed here"):
        duties.waive(east, NAME, "publish")


def test_an_applicant_whom_too_few_allow_is_led_to_why(bed: RequestBed) -> None:
    bed.submit(TRAIN)
    bed.approve("east/steward")
    bed.approve("north/steward")
    south = bed.user("south/steward")
    decisions.reject(south, bed.papers("south"), bed.seen(), "ethics")
    assert todo(bed, "west/scientist") == [("applicant", "request show relapse")]
    with pytest.raises(NotAskedOfError, match="show relapse` says why"):
        decisions.reject(south, bed.papers("south"), bed.seen(), "ethics")


def test_a_request_to_train_says_in_words_what_it_pins_and_could_reveal(bed: RequestBed) -> None:
    content = bed.submit(TRAIN).content
    assert content is not None and content.kind is Kind.TRAIN and content.resources.rounds == 2
    terms = dict(asked_terms(content))
    assert terms["data"] == "east: brain version 1, north: brain version 1, south: brain version 1"
    assert "MONDO:0005072, neuroblastoma" in terms["about"] and terms["money"] == "nobody is to earn with it"
    assert "1 that pool all they know see what two others or more sent" in at_worst(content)
    plan = dict(plan_terms(content))
    assert content.digest.hex() in plan["request"] and content.code.hex() in plan["training code"]
    assert plan["rounds"].startswith("2,") and "first model" not in plan
    assert "do not approve it" in at_worst(replace(content, plan=b"noise")).lower()
    assert plan_terms(replace(content, kind=Kind.TRANSFER)) == ()
    for hospital in ("east", "north", "south"):
        assert todo(bed, "west/scientist") == []
        bed.approve(f"{hospital}/steward")
    begin = ("begin the study", "study propose relapse")
    assert todo(bed, "west/scientist") == [("applicant", "study propose relapse")]
    assert begin in steps(bed.bed.state, NAME, "west")
    begun = studies.propose_allowed(bed.user("west/scientist"), NAME)
    assert begun.participants == ("east", "north", "south") and todo(bed, "west/scientist") == []
    assert begin not in steps(bed.bed.state, NAME, "west"), "it was begun"
    spec = decode(content.plan, StudySpec)
    changes = ({"training": b"noise"}, {"colluders": -5}, {"colluders": 1 << 60}, {"clip_norm_millionths": -1},
               {"schema": replace(spec.schema, classes=())}, {"rounds": -1})  # fmt: skip
    for each in changes:
        evil = replace(spec, **each)
        asked = replace(content, plan=encode(evil))
        assert plan_terms(asked) and dict(asked_terms(asked))["at worst"], "a strange plan keeps nobody from saying no"


def test_a_transfer_says_in_words_what_leaves_the_hospital_and_for_how_long(bed: RequestBed) -> None:
    content = bed.submit(FILE.replace("days = 90", 'days = 90\nkinds = ["fhir", "dicom"]')).content
    assert content is not None
    terms = dict(asked_terms(content))
    assert terms["sends"].startswith("the records of kind dicom, fhir of each version")
    assert terms["kept"].startswith("at most 90 days; then the applicant's organisation erases them")
    assert "a signature that they were erased is a promise" in terms["at worst"]
    assert "Do not approve it" in dict(asked_terms(replace(content, plan=b"")))["sends"]
