"""Budgets of counts: nobody spends more than a policy allows, whatever is asked in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import budgets
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.transactions import Refusal
from support.ledger_network import CHAIN
from support.request_bench import BRAIN, RequestBench, ref

TOTAL = 2_000_000


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(10_000, 1_000_000)), max_size=24))
def test_a_statement_is_paid_for_once_and_no_budget_is_exceeded(asked: list[tuple[int, int]]) -> None:
    """What a statement costs stands in its digest, so one number stands for one cost."""
    bench = RequestBench("a")
    bench.policy("a", epsilon_max_millionths=TOTAL)
    costs = dict(reversed(asked))
    paid: dict[int, int] = {}
    for height, (number, _) in enumerate(asked):
        context = Context(bench.state, CHAIN, height, bench.ms, bench.sender(ref("a/scientist")))
        try:
            budgets.charge(context, "a", BRAIN, bytes([number] * 32), f"request-{height}", costs[number])
        except Refusal as refusal:
            assert refusal.code == "budget_spent"
            assert number not in paid
            assert sum(paid.values()) + costs[number] > TOTAL
        else:
            paid.setdefault(number, costs[number])
        assert budgets.spent(bench.state, "a", BRAIN) == sum(paid.values()) <= TOTAL
    assert {each.statement[0] for each in budgets.charges(bench.state, "a", BRAIN)} == set(paid)
    assert budgets.spent(bench.state, "a", "other") == 0


def test_a_hospital_says_how_many_of_as_many_people_as_its_policy_asks_for_and_never_of_fewer_than_ten() -> None:
    bench = RequestBench("a")
    assert counting.people_min(bench.state, "a", BRAIN) == counting.PEOPLE_MIN == 10
    for minimum in (50, 3):
        bench.policy("a", minimum_cohort=minimum)
        assert counting.people_min(bench.state, "a", BRAIN) == max(10, minimum)


def test_without_a_policy_that_sets_a_budget_nothing_is_paid() -> None:
    bench = RequestBench("a")
    context = Context(bench.state, CHAIN, 1, bench.ms, bench.sender(ref("a/scientist")))
    try:
        budgets.charge(context, "a", BRAIN, bytes(32), "request", 10_000)
    except Refusal as refusal:
        assert refusal.code == "budget_spent"
    assert budgets.charges(bench.state, "a", BRAIN) == []
