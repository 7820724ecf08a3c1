"""What is due, overdue, met, and ends soon: told in time to the hospital and to those who asked."""

from __future__ import annotations

import pytest

from hmchain.ledger.contracts.data.applying import CloseRequest, TakeBackRequest
from hmchain.ledger.contracts.data.deciding import RejectRequest
from hmchain.ledger.contracts.data.obligations import ConfirmDuty, ShowDuty, WaiveDuty
from hmchain.ledger.contracts.data.policies import Duty
from hmchain.ledger.readers import notices, request_steps
from hmchain.ledger.readers.notices import DAY_MS, SOON_MS, Standing, Subject
from hmchain.ledger.readers.requests import requests_of
from hmchain.ledger.state import State
from support.request_bench import BRAIN, REQUEST, UNTIL_MS, RequestBench, ref


@pytest.fixture
def bench() -> RequestBench:
    """Hospital b said yes, and is owed a publication in 60 days and a deletion in 400; a moratorium holds for 90."""
    bench = RequestBench()
    bench.policy("b", duties=(Duty("delete", 400), Duty("moratorium", 90), Duty("publish", 60)))
    bench.submit("b")
    bench.approve("b")
    return bench


def _standings(bench: RequestBench, days: int) -> dict[str, Standing]:
    found = notices.duties(bench.state, bench.ms + days * DAY_MS, "b")
    return {duty.kind: duty.standing for duty in found}


def test_a_duty_is_due_then_overdue_until_the_hospital_says_that_it_was_met(bench: RequestBench) -> None:
    assert _standings(bench, 1) == {"delete": "due", "moratorium": "holds", "publish": "due"}
    late = notices.duties(bench.state, bench.ms + 61 * DAY_MS, "b")
    assert (late[0].kind, late[0].standing) == ("publish", Standing.OVERDUE), "what is overdue comes first"
    shown = ShowDuty(REQUEST, "b", BRAIN, "publish", bytes(32))
    bench.must("a/scientist", shown)
    assert _standings(bench, 61)["publish"] is Standing.SHOWN
    bench.must("b", ConfirmDuty(REQUEST, BRAIN, "publish", bytes(32)), WaiveDuty(REQUEST, BRAIN, "delete"))
    assert _standings(bench, 500) == {"delete": "waived", "moratorium": "over", "publish": "met"}
    (met,) = (duty for duty in notices.duties(bench.state, bench.ms, "b") if duty.kind == "publish")
    assert (met.shown_by, met.settled_by) == (("a/scientist",), ("b/steward",))


def test_both_sides_are_reminded_before_the_day_and_after_it(bench: RequestBench) -> None:
    def told(days: int) -> list[list[tuple[Subject, str]]]:
        at = bench.ms + days * DAY_MS
        both = notices.for_hospital(bench.state, at, "b"), notices.for_people(bench.state, at, "a")
        return [[(each.subject, each.duty) for each in side] for side in both]

    assert told(1) == [[], []]
    assert told(31) == [[(Subject.DUE, "publish")]] * 2
    assert told(61) == [[(Subject.OVERDUE, "publish")]] * 2
    assert notices.for_hospital(bench.state, bench.ms, "a") == []
    assert notices.for_people(bench.state, bench.ms + 61 * DAY_MS, "a", "steward") == []
    bench.must("a/scientist", ShowDuty(REQUEST, "b", BRAIN, "publish", bytes(32)))
    assert told(31)[0] == [(Subject.TO_CONFIRM, "publish")]


def test_no_list_of_what_waits_reads_what_is_over(bench: RequestBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a hospital's status and inbox would cost more with every request that there ever was."""

    def reads() -> int:
        read.clear()
        request_steps.inbox_of(bench.state, "b")
        request_steps.inbox_of(bench.state, "a")
        notices.for_organisation(bench.state, bench.ms, "a")
        requests_of(bench.state, "b", over=False)
        return len(read)

    read: list[bytes] = []
    real = State.decoded
    monkeypatch.setattr(State, "decoded", lambda self, key, *rest: read.append(key) or real(self, key, *rest))
    before = reads()
    for number in range(5):
        bench.submit("b", name=f"old-{number}")
        bench.approve("b", name=f"old-{number}")
        waived = [WaiveDuty(f"old-{number}", BRAIN, kind) for kind in ("delete", "publish")]
        bench.must("b", *waived)
        bench.must("a/scientist", CloseRequest(f"old-{number}", "finished"))
    assert reads() == before > 0


def test_what_is_owed_for_a_version_that_was_left_behind_is_told_to_who_owes_it(bench: RequestBench) -> None:
    """The applicant asks b for nothing any more, and owes it all the same."""
    bench.must("a/scientist", TakeBackRequest(REQUEST))
    bench.submit("c")
    found = notices.for_people(bench.state, bench.ms + 61 * DAY_MS, "a", "scientist")
    assert [(each.organisation, each.duty) for each in found] == [("b", "publish")]


def test_what_is_owed_outlives_the_request(bench: RequestBench) -> None:
    bench.must("a/scientist", CloseRequest(REQUEST, "finished"))
    found = notices.for_people(bench.state, bench.ms + 61 * DAY_MS, "a", "scientist")
    assert [str(each)[:13] for each in found] == ["OVERDUE since"]


def test_a_permit_that_ends_soon_is_told_before_it_does(bench: RequestBench) -> None:
    at = UNTIL_MS - SOON_MS
    assert Subject.PERMIT_ENDS not in [each.subject for each in notices.for_hospital(bench.state, at - 1, "b")]
    (ends,) = (each for each in notices.for_hospital(bench.state, at, "b") if each.subject is Subject.PERMIT_ENDS)
    assert ends.at_ms == UNTIL_MS and str(ends) == "the permit for b/brain under request lungs ends on 2024-09-09"
    after = notices.for_hospital(bench.state, UNTIL_MS + 1, "b")
    assert Subject.PERMIT_ENDS not in [each.subject for each in after]


def test_nobody_is_told_to_decide_on_their_own_request_or_code() -> None:
    bench = RequestBench()
    bench.enrol("b/s1", "scientist", "steward")
    for name, by in ((REQUEST, "b/s1"), ("other", "a/scientist")):
        bench.submit("b", name=name, by=by)
    asked = {who: [todo.request for todo in request_steps.inbox(bench.state, ref(who)) if todo.role == "steward"]
             for who in ("b", "b/s1")}  # fmt: skip
    assert asked == {"b": [REQUEST, "other"], "b/s1": []}


def test_who_asks_hears_between_a_no_and_the_last_word_who_has_answered_what() -> None:
    bench = RequestBench()
    bench.submit("b", "c", "d")
    bench.approve("b")
    assert request_steps.inbox(bench.state, ref("a/scientist")) == (), "nobody said no"
    bench.must("c", RejectRequest(**bench.about(), dataset=BRAIN, reason="ethics", document=b""))
    (told,) = request_steps.inbox(bench.state, ref("a/scientist"))
    assert told.words == "b/brain approved, c/brain rejected; not answered yet: d. Wait, or change it"
    bench.approve("d")
    assert "not answered" not in str(request_steps.inbox(bench.state, ref("a/scientist")))
