"""Break-glass: for clinicians whom a policy's own rule lets, counted, judged afterwards, and for treatment alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.break_glass import AnswerGlass, LiftBar, ReviewGlass, Status
from hmchain.ledger.contracts.data.datasets import WithdrawVersion
from hmchain.ledger.contracts.data.transfers import ConfirmErasure, ReceiveRecords, RevokeGrant
from hmchain.ledger.contracts.members import people
from hmchain.ledger.reputation import DAY_MS
from support.policy_bed import ANYTHING, compiled
from support.request_bench import BRAIN, ref
from support.transfer_bench import CLINICIAN, ENVELOPE, GLASS, MANIFEST, OPENS, TransferBench


@pytest.fixture
def bench() -> TransferBench:
    bench = TransferBench()
    bench.enrol(CLINICIAN, "clinician")
    bench.policy("b", cedar=compiled(anything=ANYTHING, break_glass=OPENS))
    return bench


def answered(bench: TransferBench, name: str = "night") -> None:
    bench.must(CLINICIAN, replace(GLASS, name=name))
    bench.must("b/agent", AnswerGlass(name, MANIFEST, ENVELOPE))


def test_it_is_answered_by_an_agent_and_judged_by_a_steward(bench: TransferBench) -> None:
    answered(bench)
    given = bench.found("night")
    assert given.is_emergency and given.purpose == "DUO:0000043" and given.granted_by == ref("b/agent")
    assert given.content == break_glass.require_emergency(bench.state, "night").digest
    assert bench.do("a/scientist", ReceiveRecords("night", MANIFEST)) == "wrong_role"
    bench.must(CLINICIAN, ReceiveRecords("night", MANIFEST))
    assert transfers.is_usable(bench.state, bench.found("night"), bench.ms)
    bench.must("b", ReviewGlass("night", "justified"))
    found = break_glass.require_emergency(bench.state, "night")
    assert (found.status, found.reviewed_by) == (Status.JUSTIFIED, (ref("b"),))
    assert break_glass.emergencies(bench.state, "a") == break_glass.emergencies(bench.state, "b") == [found]
    bench.ms += break_glass.KEEP_DAYS * DAY_MS
    assert transfers.is_over(bench.state, bench.found("night"), bench.ms)
    told = [kind for kind in bench.kinds() if kind.startswith(("emergency", "transfer"))]
    assert told == [
        "emergency.asked", "transfer.granted", "emergency.answered", "transfer.received", "emergency.reviewed",
    ]  # fmt: skip


def test_what_was_taken_back_before_it_was_judged_is_not_taken_back_again(bench: TransferBench) -> None:
    answered(bench)
    bench.must("b", RevokeGrant("night", "error"))
    revoked = bench.found("night")
    bench.must("b", ReviewGlass("night", "unjustified"))
    assert bench.found("night") == revoked and list(bench.kinds()).count("transfer.revoked") == 1


def test_the_bounds_are_those_that_members_were_told(bench: TransferBench) -> None:
    days = (break_glass.KEEP_DAYS, break_glass.REVIEW_DAYS, break_glass.MEMORY_DAYS)
    assert (*days, break_glass.ANSWER_MS) == (30, 7, 365, DAY_MS)
    assert (break_glass.OPEN_OF_PERSON_MAX, break_glass.OPEN_OF_ORGANISATION_MAX) == (4, 32)
    assert (break_glass.UNJUSTIFIED_MAX, break_glass.UNJUSTIFIED_OF_ORGANISATION_MAX) == (2, 4)
    answered(bench)
    found = break_glass.require_emergency(bench.state, "night")
    assert (found.until_ms, found.review_due_ms) == (found.asked_ms + 30 * DAY_MS, found.asked_ms + 7 * DAY_MS)


@pytest.mark.parametrize(
    ("by", "changes", "code"),
    [
        ("a", {}, "wrong_role"),
        ("a/scientist", {}, "wrong_role"),
        ("a/agent", {}, "wrong_role"),
        (CLINICIAN, {"giver": "c"}, "no_break_glass"),  # it set no policy
        (CLINICIAN, {"giver": "a"}, "not_a_member"),
        (CLINICIAN, {"giver": "z"}, "not_a_member"),
        (CLINICIAN, {"dataset": "lung"}, "no_such_version"),
        (CLINICIAN, {"version": 2}, "no_such_version"),
        (CLINICIAN, {"reason": "Jane Roe has a stroke"}, "bad_reason"),
        (CLINICIAN, {"sealed": b"Jane Roe"}, "bad_digest"),
        (CLINICIAN, {"name": "Jane Roe"}, "bad_name"),
        ("d/doc", {}, "no_break_glass"),  # the rule is for a's people
    ],
)
def test_nobody_else_and_nothing_else(bench: TransferBench, by: str, changes: dict[str, object], code: str) -> None:
    bench.enrol("d/doc", "clinician")
    assert bench.do(by, replace(GLASS, **changes)) == code
    assert break_glass.emergencies(bench.state) == []


CARE = 'permit(principal, action, resource) when { context.purpose == Purpose::"DUO:0000043" };'
NOT_A = 'forbid(principal in Organisation::"a", action == Action::"breakglass", resource);'


@pytest.mark.parametrize("rules", [{"anything": ANYTHING, "care": CARE}, {"break_glass": OPENS, "not_a": NOT_A}])
def test_only_a_rule_that_names_it_allows_it(bench: TransferBench, rules: dict[str, str]) -> None:
    bench.policy("b", cedar=compiled(**rules))
    assert bench.do(CLINICIAN, GLASS) == "no_break_glass"


def test_a_rule_about_requests_does_not_stand_in_its_way(bench: TransferBench) -> None:
    kinds = 'forbid(principal, action, resource) unless { action == Action::"count" };'
    bench.policy("b", cedar=compiled(kinds=kinds, break_glass=OPENS), days_max=1, minimum_cohort=1 << 30)
    bench.must(CLINICIAN, GLASS)


def test_what_a_policy_allows_no_more_is_not_answered(bench: TransferBench) -> None:
    bench.must(CLINICIAN, GLASS, replace(GLASS, name="second"))
    bench.policy("b")
    assert bench.do("b/agent", AnswerGlass("night", MANIFEST, ENVELOPE)) == "no_break_glass"
    bench.policy("b", cedar=compiled(break_glass=OPENS))
    bench.enrol(CLINICIAN, "scientist")
    assert bench.do("b/agent", AnswerGlass("night", MANIFEST, ENVELOPE)) == "no_break_glass"
    bench.enrol(CLINICIAN, "clinician", status=people.Status.SUSPENDED)
    assert bench.do("b/agent", AnswerGlass("second", MANIFEST, ENVELOPE)) == "no_break_glass"


def test_the_giver_s_agent_alone_answers_once_and_in_time(bench: TransferBench) -> None:
    bench.must(CLINICIAN, GLASS)
    answer = AnswerGlass("night", MANIFEST, ENVELOPE)
    assert bench.do("c/agent", answer) == "not_the_giver"
    assert bench.do("b", answer) == "wrong_role"
    assert bench.do("b/agent", replace(answer, name="other")) == "no_such_emergency"
    assert bench.do("b/agent", replace(answer, envelope=b"")) == "bad_digest"
    assert [each.name for each in break_glass.to_answer(bench.state, "b", bench.ms)] == ["night"]
    bench.must("b/agent", answer)
    assert bench.do("b/agent", answer) == "not_waiting"
    bench.must(CLINICIAN, replace(GLASS, name="late"))
    bench.ms += break_glass.ANSWER_MS
    assert bench.do("b/agent", replace(answer, name="late")) == "not_waiting"
    assert break_glass.to_answer(bench.state, "b", bench.ms) == []


def test_nobody_takes_its_name_for_a_grant_or_a_grant_s_name_for_it(bench: TransferBench) -> None:
    bench.ask("b")
    bench.approve("b")
    bench.must(CLINICIAN, GLASS)
    assert bench.do("b", bench.grant(name="night")) == "transfer_exists"
    bench.must("b", bench.grant())
    assert bench.do(CLINICIAN, replace(GLASS, name="given")) == "transfer_exists"
    assert bench.do(CLINICIAN, GLASS) == "transfer_exists"
    bench.must("b/agent", AnswerGlass("night", MANIFEST, ENVELOPE))


def test_what_was_not_justified_is_to_be_erased_at_once(bench: TransferBench) -> None:
    answered(bench)
    for who, verdict, code in (
        ("a", "justified", "not_the_giver"),
        ("b/agent", "justified", "wrong_role"),
        ("b", "She looked up her neighbour.", "bad_verdict"),
    ):
        assert bench.do(who, ReviewGlass("night", verdict)) == code
    bench.must("b", ReviewGlass("night", "unjustified"))
    assert bench.do("b", ReviewGlass("night", "justified")) == "already_reviewed"
    given = bench.found("night")
    assert given.status is transfers.Status.REVOKED and given.reason == "misuse"
    assert not transfers.is_usable(bench.state, given, bench.ms)
    bench.must("a", ConfirmErasure("night", MANIFEST, "never-opened", b""))


def test_who_misuses_it_twice_in_a_year_gets_nothing(bench: TransferBench) -> None:
    for number in range(break_glass.UNJUSTIFIED_MAX):
        bench.must(CLINICIAN, replace(GLASS, name=f"night-{number}"))
        bench.must("b", ReviewGlass(f"night-{number}", "unjustified"))
    assert bench.do(CLINICIAN, replace(GLASS, name="more")) == "emergencies_misused"
    bench.ms += break_glass.MEMORY_DAYS * DAY_MS + 1000
    bench.must(CLINICIAN, replace(GLASS, name="more"))


def test_there_is_an_end_to_what_nobody_has_judged(bench: TransferBench) -> None:
    for number in range(break_glass.OPEN_OF_PERSON_MAX):
        bench.must(CLINICIAN, replace(GLASS, name=f"night-{number}"))
    assert bench.do(CLINICIAN, replace(GLASS, name="more")) == "emergencies_not_reviewed"
    bench.enrol("a/d1", "clinician")
    bench.must("a/d1", replace(GLASS, name="another-s"))
    bench.must("b", ReviewGlass("night-0", "justified"))
    bench.must(CLINICIAN, replace(GLASS, name="more"))
    for number in range(break_glass.OPEN_OF_ORGANISATION_MAX - 5):
        who = f"a/e{number // break_glass.OPEN_OF_PERSON_MAX}"
        bench.enrol(who, "clinician")
        bench.must(who, replace(GLASS, name=f"day-{number}"))
    bench.enrol("a/last", "clinician")
    assert bench.do("a/last", replace(GLASS, name="last")) == "emergencies_not_reviewed"


def misuse(bench: TransferBench, *clinicians: str) -> None:
    """Each asks once, and not with good cause."""
    for number, who in enumerate(clinicians):
        bench.enrol(who, "clinician")
        name = f"{who[2:]}-{number}"
        bench.must(who, replace(GLASS, name=name))
        bench.must("b", ReviewGlass(name, "unjustified"))


def test_no_organisation_sends_one_clinician_after_the_other(bench: TransferBench) -> None:
    """Four cases are four, whoever asked: more than one person may misuse it."""
    bench.must(CLINICIAN, replace(GLASS, name="waits"))
    misuse(bench, "a/d1", "a/d1", "a/d2", "a/d3")
    assert break_glass.is_barred(bench.state, "b", "a") and "emergency.barred" in bench.kinds()
    assert break_glass.to_answer(bench.state, "b", bench.ms) == []
    assert bench.do("b/agent", AnswerGlass("waits", MANIFEST, ENVELOPE)) == "emergencies_barred"
    bench.enrol("a/new", "clinician")
    assert bench.do("a/new", replace(GLASS, name="more")) == "emergencies_barred"
    bench.ms += break_glass.MEMORY_DAYS * DAY_MS + 1000
    assert bench.do("a/new", replace(GLASS, name="more")) == "emergencies_barred", "it does not end by itself"


def test_a_bar_is_gone_once_both_have_looked_into_it(bench: TransferBench) -> None:
    bar = LiftBar("b", "a")
    assert bench.do("b", bar) == "not_barred"
    bench.must(CLINICIAN, replace(GLASS, name="waits"))
    misuse(bench, "a/d0")
    assert bench.do("b", bar) == "not_barred", "once is not too often"
    misuse(bench, "a/d1", "a/d2", "a/d3")
    assert bench.do("c", bar) == "not_giver_or_grantee"
    assert bench.do("a/d2", bar) == "wrong_role"
    bench.must("a", bar)
    assert bench.do("a", bar) == "already_lifted"
    bench.must("b", ReviewGlass("waits", "unjustified"))
    bench.must("b", bar)
    assert break_glass.is_barred(bench.state, "b", "a"), "what a said was said before that"
    assert [each.lifted_by for each in break_glass.bars(bench.state, "a")] == [("b",)]
    bench.must("a", bar)
    assert break_glass.bars(bench.state) == []
    misuse(bench, "a/d4", "a/d5", "a/d6")
    bench.enrol("a/d7", "clinician")
    bench.must("a/d7", replace(GLASS, name="again"))


def test_other_hospitals_and_other_organisations_are_not_barred_with_it(bench: TransferBench) -> None:
    misuse(bench, "a/d1", "a/d1", "a/d2", "a/d3")
    bench.policy("c", cedar=compiled(break_glass=OPENS))
    bench.must("a/d3", replace(GLASS, name="at-c", giver="c"))
    bench.enrol("d/doc", "clinician")
    bench.policy("b", cedar=compiled(break_glass=OPENS.replace('"a"', '"d"')))
    bench.must("d/doc", replace(GLASS, name="by-d"))


def test_no_office_key_is_a_clinician_s() -> None:
    assert "clinician" not in people.OFFICES


def test_of_a_version_whose_records_were_erased_nothing_is_given(bench: TransferBench) -> None:
    bench.must("b", WithdrawVersion(BRAIN, 1))
    assert bench.do(CLINICIAN, GLASS) == "version_withdrawn"
