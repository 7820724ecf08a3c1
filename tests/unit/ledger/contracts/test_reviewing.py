"""Reviews, advice, remarks and notices beside a request."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.ledger.contracts.data import reviewing
from hmchain.ledger.contracts.data.applicants import InviteMember, JoinRequest
from hmchain.ledger.contracts.data.applying import TakeBackRequest
from hmchain.ledger.contracts.data.attachments import attachments
from hmchain.ledger.contracts.data.reviewing import (
    AcceptCall,
    AssignExternal,
    CallStatus,
    DecideRequest,
    Deed,
    InviteDecider,
    InviteReviewer,
    NoteExpiry,
    RemarkRequest,
    RequestDecision,
    RequestReview,
    ReviewRequest,
)
from support.request_bench import CODE, DAY_MS, REQUEST, UNTIL_MS, RequestBench, ref

APPLICANT = "a/scientist"
LETTER = bytes([7]) * 32


@pytest.fixture
def bench() -> RequestBench:
    """A request to b, which has an ethics reviewer; c has a reviewer of code and d nobody but its offices."""
    bench = RequestBench()
    bench.enrol("b/e1", "ethics")
    bench.enrol("c/k1", "code")
    bench.enrol("b/s1", "scientist")
    bench.submit("b")
    return bench


def review(bench: RequestBench, answer: str = "favourable", **changes: Any) -> ReviewRequest:
    return ReviewRequest(**{**bench.about(), "hospital": "b", "answer": answer, "document": LETTER, **changes})


def advice(bench: RequestBench, answer: str = "approve") -> DecideRequest:
    return DecideRequest(**bench.about(), hospital="b", answer=answer, document=b"")


def test_a_hospital_asks_its_own_people_and_invites_others(bench: RequestBench) -> None:
    bench.must("b", RequestReview(REQUEST, 1, "e1"), InviteReviewer(REQUEST, 1, ref("c/k1")))
    bench.must("b/e1", review(bench))
    assert bench.do("b/e1", review(bench, "unfavourable")) == "already_answered"
    assert bench.do("c/k1", review(bench)) == "not_called", "not yet"
    bench.must("c/k1", AcceptCall(REQUEST, 1, "b", Deed.REVIEW), review(bench, "unfavourable"))
    asked = reviewing.calls(bench.state, REQUEST, 1, "b")
    assert [(str(call.person), call.answer, call.status) for call in asked] == [
        ("b/e1", "favourable", CallStatus.ANSWERED), ("c/k1", "unfavourable", CallStatus.ANSWERED),
    ]  # fmt: skip
    assert all(call.content == bench.request().content and call.document == LETTER for call in asked)
    bench.must("b", RequestDecision(REQUEST, 1, "steward"), InviteDecider(REQUEST, 1, ref("d")), advice(bench))
    bench.must("d", AcceptCall(REQUEST, 1, "b", Deed.DECIDE), advice(bench, "reject"))
    assert bench.allowed() == [], "advice decides nothing"
    bench.approve("b")


@pytest.mark.parametrize(
    ("who", "make", "code"),
    [
        ("b/scientist", lambda bench: RequestReview(REQUEST, 1, "e1"), "wrong_role"),
        ("c", lambda bench: RequestReview(REQUEST, 1, "k1"), "not_asked"),
        ("b", lambda bench: RequestReview(REQUEST, 2, "e1"), "wrong_content"),
        ("b", lambda bench: RequestReview(REQUEST, 1, "s1"), "wrong_role_of_person"),
        ("b", lambda bench: RequestReview(REQUEST, 1, "nobody"), "wrong_role_of_person"),
        ("b", lambda bench: RequestDecision(REQUEST, 1, "e1"), "wrong_role_of_person"),
        ("b", lambda bench: RequestReview(REQUEST, 1, "steward"), "already_called"),
        ("c/k1", lambda bench: AcceptCall(REQUEST, 1, "b", Deed.REVIEW), "not_called"),
        ("b", lambda bench: AcceptCall(REQUEST, 1, "b", Deed.REVIEW), "not_invited"),
        ("b/e1", review, "not_called"),
        ("b/s1", review, "wrong_role"),
        ("b", lambda bench: review(bench, "splendid"), "bad_answer"),
        ("b", lambda bench: review(bench, version=2), "wrong_content"),
        ("b", lambda bench: review(bench, content=CODE), "wrong_content"),
        ("b", lambda bench: review(bench, document=b"a sentence"), "bad_digest"),
        ("b", advice, "not_called"),
        ("d", lambda bench: RemarkRequest(REQUEST, True, LETTER), "not_involved"),
        ("b/s1", lambda bench: RemarkRequest(REQUEST, True, LETTER), "not_involved"),
        ("b", lambda bench: RemarkRequest(REQUEST, True, b""), "bad_digest"),
        ("b", lambda bench: AssignExternal(REQUEST, "Findata no. 7"), "bad_name"),
        ("d", lambda bench: AssignExternal(REQUEST, "findata-7"), "not_asked"),
        (APPLICANT, lambda bench: AssignExternal(REQUEST, "findata-7"), "wrong_role"),
        ("b", lambda bench: NoteExpiry(REQUEST), "not_near_its_end"),
        ("d", lambda bench: NoteExpiry(REQUEST), "not_asked"),
        ("a/agent", lambda bench: NoteExpiry(REQUEST), "not_its_applicant"),
    ],
)
def test_what_is_refused_beside_a_request(bench: RequestBench, who: str, make: Any, code: str) -> None:
    bench.must("b", RequestReview(REQUEST, 1, "steward"))
    assert bench.do(who, make(bench)) == code


def test_no_reviewer_reviews_their_own_code_or_their_own_request(bench: RequestBench) -> None:
    bench.enrol("c/k2", "code", "scientist")
    bench.submit("d", name="first", by="c/k2", code=LETTER)
    bench.must(APPLICANT, InviteMember(REQUEST, ref("c/k1")))
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", code=LETTER)
    bench.must("b", InviteReviewer(REQUEST, 2, ref("c/k1")), InviteReviewer(REQUEST, 2, ref("c/k2")))
    for who in ("c/k1", "c/k2"):
        bench.must(who, AcceptCall(REQUEST, 2, "b", Deed.REVIEW))
    assert bench.do("c/k2", review(bench)) == "own_code"
    bench.must("c/k1", JoinRequest(REQUEST))
    assert bench.do("c/k1", review(bench)) == "own_request"
    bench.enrol("c/k3", "code")
    bench.must(APPLICANT, InviteMember(REQUEST, ref("c/k3")))
    bench.must("b", InviteReviewer(REQUEST, 2, ref("c/k3")))
    bench.must("c/k3", AcceptCall(REQUEST, 2, "b", Deed.REVIEW), review(bench))
    assert bench.do("c/k3", JoinRequest(REQUEST)) == "has_decided"
    assert bench.do("b", InviteReviewer(REQUEST, 2, ref("c/k1"))) == "own_request"


def test_who_was_asked_about_one_version_is_not_asked_about_the_next(bench: RequestBench) -> None:
    bench.must("b", RequestReview(REQUEST, 1, "e1"))
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b")
    assert bench.do("b/e1", review(bench)) == "not_called"


def test_a_flood_of_questions_and_remarks_ends(bench: RequestBench) -> None:
    for number in range(reviewing.CALLS_MAX):
        bench.enrol(f"b/r{number}", "ethics")
        bench.must("b", RequestReview(REQUEST, 1, f"r{number}"))
    assert bench.do("b", RequestReview(REQUEST, 1, "e1")) == "too_many_calls"
    for number in range(reviewing.REMARKS_MAX):
        bench.must(APPLICANT, RemarkRequest(REQUEST, True, bytes([number]) * 32))
    assert bench.do(APPLICANT, RemarkRequest(REQUEST, True, LETTER)) == "too_many_remarks"
    bench.must("b", RemarkRequest(REQUEST, False, LETTER))  # another organisation has its own share


def test_remarks_are_digests_in_order_for_all_or_for_the_hospitals(bench: RequestBench) -> None:
    bench.must(APPLICANT, RemarkRequest(REQUEST, True, CODE))
    bench.must("b/e1", RemarkRequest(REQUEST, False, LETTER))
    said = reviewing.remarks(bench.state, REQUEST)
    assert [(str(each.person), each.public, each.document) for each in said] == [
        (APPLICANT, True, CODE), ("b/e1", False, LETTER),
    ]  # fmt: skip
    assert {each.kind for each in attachments(bench.state, REQUEST)} == {"form", "remark"}
    assert bench.kinds()[-2:] == ["request.remarked"] * 2


def test_an_office_outside_keeps_it_under_a_name_of_its_own(bench: RequestBench) -> None:
    bench.must("b", AssignExternal(REQUEST, "findata-7"))
    assert bench.request().external == "findata-7"
    bench.must("b", AssignExternal(REQUEST, ""))
    assert bench.request().external == ""


def test_notice_of_the_end_is_given_once_and_in_time(bench: RequestBench) -> None:
    bench.approve("b")
    assert bench.do(APPLICANT, NoteExpiry(REQUEST)) == "not_near_its_end"
    bench.ms = UNTIL_MS - 29 * DAY_MS
    bench.must("b", NoteExpiry(REQUEST))
    assert bench.do(APPLICANT, NoteExpiry(REQUEST)) == "already_noted"
    assert bench.allowed() == ["b"]
