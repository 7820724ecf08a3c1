"""What is owed after a yes: it has a date, outlives the permit, and ends with the hospital's word."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.canonical import Record
from hmchain.ledger.contracts.data.applicants import AddMember
from hmchain.ledger.contracts.data.applying import CloseRequest, CreateRequest, TakeBackRequest
from hmchain.ledger.contracts.data.attachments import RedactDocument
from hmchain.ledger.contracts.data.obligations import (
    EVIDENCE_MAX,
    ConfirmDuty,
    ContestDuty,
    Obligation,
    ShowDuty,
    Status,
    WaiveDuty,
    obligation,
    obligations,
    to_be_done,
)
from hmchain.ledger.contracts.data.policies import Duty
from hmchain.ledger.contracts.members import people
from support.policy_bed import ANYTHING, compiled
from support.request_bench import BRAIN, CODE, DAY_MS, REQUEST, RequestBench

APPLICANT = "a/scientist"
PAPER = bytes([9]) * 32
DUTIES = (Duty("delete", 100), Duty("moratorium", 30), Duty("publish", 60))


@pytest.fixture
def bench() -> RequestBench:
    """b has said yes, and is owed something for it."""
    bench = RequestBench()
    bench.policy("b", duties=DUTIES)
    bench.must(APPLICANT, CreateRequest(REQUEST), AddMember(REQUEST, "steward"))
    bench.submit("b", "c")
    bench.approve("b")
    return bench


def duty(bench: RequestBench, kind: str) -> Obligation:
    found = obligation(bench.state, "b", REQUEST, BRAIN, kind)
    assert found is not None
    return found


def kinds(bench: RequestBench) -> list[str]:
    return [each.kind for each in obligations(bench.state, "b") if each.is_owed(bench.ms)]


def test_a_yes_lets_its_policy_s_duties_begin(bench: RequestBench) -> None:
    assert kinds(bench) == ["delete", "moratorium", "publish"]
    assert duty(bench, "delete").due_ms == bench.ms + 100 * DAY_MS
    assert obligations(bench.state, "c") == []
    assert bench.kinds()[-3:] == ["duty.incurred"] * 3


def test_what_is_owed_is_put_off_by_no_later_yes(bench: RequestBench) -> None:
    """Else whoever is late submits the same again to a policy that decides by itself, and owes nothing for now."""
    bench.policy("d", cedar=compiled(anything=ANYTHING), automatic=True, duties=DUTIES)
    bench.submit("d", name="other")
    before = {each.kind: each for each in obligations(bench.state, "d")}
    bench.must(APPLICANT, ShowDuty("other", "d", BRAIN, "publish", PAPER))
    bench.ms += 61 * DAY_MS
    bench.must(APPLICANT, TakeBackRequest("other"))
    bench.submit("d", name="other")
    after = {each.kind: each for each in obligations(bench.state, "d")}
    assert after["publish"].is_overdue(bench.ms) and after["publish"].status is Status.SHOWN
    assert after["delete"].due_ms == before["delete"].due_ms
    assert after["moratorium"].due_ms > before["moratorium"].due_ms
    bench.must("d", ConfirmDuty("other", BRAIN, "publish", PAPER))
    bench.must(APPLICANT, TakeBackRequest("other"))
    bench.submit("d", name="other")
    assert obligation(bench.state, "d", "other", BRAIN, "publish").due_ms > bench.ms, "what was settled is owed anew"


def test_a_policy_that_decides_by_itself_asks_for_the_same(bench: RequestBench) -> None:
    bench.policy("d", cedar=compiled(anything=ANYTHING), automatic=True, duties=DUTIES[:1])
    bench.submit("d", name="other")
    assert [each.kind for each in to_be_done(bench.state, "d")] == ["delete"]


def test_it_is_shown_confirmed_and_over(bench: RequestBench) -> None:
    bench.must(APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", CODE))
    bench.must("b", ContestDuty(REQUEST, BRAIN, "publish", CODE))
    assert duty(bench, "publish").status is Status.OPEN
    bench.must("a", ShowDuty(REQUEST, "b", BRAIN, "publish", PAPER))
    assert duty(bench, "publish").is_owed(bench.ms), "until the hospital says so"
    assert bench.do("b", ConfirmDuty(REQUEST, BRAIN, "publish", CODE)) == "wrong_content"
    bench.must("b", ConfirmDuty(REQUEST, BRAIN, "publish", PAPER))
    assert duty(bench, "publish").status is Status.MET and kinds(bench) == ["delete", "moratorium"]
    bench.must("b", WaiveDuty(REQUEST, BRAIN, "delete"))
    assert kinds(bench) == ["moratorium"]
    bench.ms = duty(bench, "moratorium").due_ms
    assert kinds(bench) == []
    assert bench.do("b", WaiveDuty(REQUEST, BRAIN, "delete")) == "duty_settled"


def test_what_is_owed_outlives_the_request_and_becomes_overdue(bench: RequestBench) -> None:
    bench.must(APPLICANT, CloseRequest(REQUEST, "finished"))
    assert bench.allowed() == [] and kinds(bench) == ["delete", "moratorium", "publish"]
    bench.ms = duty(bench, "publish").due_ms
    assert not duty(bench, "publish").is_overdue(bench.ms) and duty(bench, "publish").is_overdue(bench.ms + 1)
    assert not duty(bench, "moratorium").is_overdue(bench.ms + 1), "it is over"
    bench.must(APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", PAPER))
    assert duty(bench, "publish").is_overdue(bench.ms), "shown is not confirmed"


def test_the_organisation_answers_for_an_applicant_who_is_gone(bench: RequestBench) -> None:
    people.set_office(bench.state, "a", "scientist", people.Status.REMOVED)
    bench.must("a", ShowDuty(REQUEST, "b", BRAIN, "delete", PAPER))


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("c", ShowDuty(REQUEST, "b", BRAIN, "publish", PAPER), "not_involved"),
        (APPLICANT, ShowDuty("other", "b", BRAIN, "publish", PAPER), "no_such_request"),
        (APPLICANT, ShowDuty(REQUEST, "c", BRAIN, "publish", PAPER), "no_such_duty"),
        (APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "report", PAPER), "no_such_duty"),
        (APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", b"a paper"), "bad_digest"),
        (APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "moratorium", PAPER), "not_to_be_shown"),
        ("b", ConfirmDuty(REQUEST, BRAIN, "publish", PAPER), "not_shown"),
        ("b", ContestDuty(REQUEST, BRAIN, "publish", PAPER), "not_shown"),
        ("b/scientist", WaiveDuty(REQUEST, BRAIN, "publish"), "wrong_role"),
        ("c", WaiveDuty(REQUEST, BRAIN, "publish"), "no_such_duty"),
    ],
)
def test_what_is_refused_of_a_duty(bench: RequestBench, who: str, body: Record, code: str) -> None:
    assert bench.do(who, body) == code


def test_nobody_lets_themselves_off(bench: RequestBench) -> None:
    bench.enrol("b/s1", "scientist", "steward")
    own: dict[str, Any] = {"name": "own", "by": "b/s1", "code": b""}
    bench.submit("b", **own)
    bench.approve("b", name="own")
    bench.must("b/s1", ShowDuty("own", "b", BRAIN, "publish", PAPER))
    assert bench.do("b/s1", ConfirmDuty("own", BRAIN, "publish", PAPER)) == "own_request"
    assert bench.do("b/s1", WaiveDuty("own", BRAIN, "publish")) == "own_request"
    bench.must("b", ConfirmDuty("own", BRAIN, "publish", PAPER))


def test_an_organisation_shows_so_many_documents_and_redacts_them(bench: RequestBench) -> None:
    papers = [number.to_bytes(32, "big") for number in range(1, EVIDENCE_MAX + 2)]
    codes = [bench.do(APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", paper)) for paper in papers]
    assert codes == ["ok"] * EVIDENCE_MAX + ["too_much_evidence"]
    bench.must(APPLICANT, RedactDocument(REQUEST, papers[0]))
    bench.must("b", ContestDuty(REQUEST, BRAIN, "publish", papers[EVIDENCE_MAX - 1]))
