"""The noise of a statement: its distribution, and that the same statement always has the same."""

from __future__ import annotations

import math
from collections import Counter

from hmchain.application.agent.answers import class_statement
from hmchain.application.cohort.noise import margin_95, noise
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data.queries import CountPlan, Sex, SexIs, statement

SECRET = SecretKey(bytes(32))
ROOT = bytes(32)


def drawn(epsilon_millionths: int, count: int) -> list[int]:
    return [noise(SECRET, number.to_bytes(8, "big"), b"", epsilon_millionths) for number in range(count)]


def test_it_is_distributed_as_a_discrete_laplace_variable() -> None:
    """Chi squared over 21 values and both tails: 22 degrees of freedom, of which 60 is beyond 99.998 %."""
    count, q = 20_000, math.exp(-0.5)
    found = Counter(max(-11, min(11, each)) for each in drawn(500_000, count))
    wanted = {x: (1 - q) / (1 + q) * q ** abs(x) for x in range(-10, 11)}
    wanted |= dict.fromkeys((-11, 11), q**11 / (1 + q))
    assert math.isclose(sum(wanted.values()), 1)
    assert sum((found[x] - count * p) ** 2 / (count * p) for x, p in wanted.items()) < 60


def test_asking_ten_times_does_not_average_the_noise_away() -> None:
    """The same statement has one noise, and another hospital, question, version or epsilon has another."""
    plan = CountPlan(SexIs(Sex.FEMALE), 100_000)
    said = [statement(plan, "north", ROOT) for _ in range(10)]
    assert len({noise(SECRET, each, b"all", 100_000) for each in said}) == 1
    others = {
        statement(plan, "south", ROOT),
        statement(plan, "north", bytes(31) + b"\1"),
        statement(CountPlan(SexIs(Sex.MALE), 100_000), "north", ROOT),
        statement(CountPlan(SexIs(Sex.FEMALE), 100_001), "north", ROOT),
    }
    assert len(others | {said[0]}) == 5
    assert len({noise(SECRET, each, b"all", 10_000) for each in others | {said[0]}}) > 2
    assert len({noise(SecretKey(bytes([number] * 32)), said[0], b"all", 10_000) for number in range(8)}) > 2


def test_fewer_records_under_a_statement_have_another_noise() -> None:
    """Under the same noise two answers of a file that was put back between them would differ by who was erased."""
    said = class_statement("north", 0)
    assert len({noise(SECRET, said, bytes([left]), 10_000) for left in range(8)}) > 2
    assert len({said, class_statement("north", 1), class_statement("south", 0)}) == 3


def test_a_sum_is_off_by_more_than_its_margin_one_time_in_twenty() -> None:
    margin, values = margin_95(500_000, 4), drawn(500_000, 16_000)
    sums = [sum(values[at : at + 4]) for at in range(0, len(values), 4)]
    beyond = sum(abs(each) > margin for each in sums) / len(sums)
    assert 0.03 < beyond < 0.05 + 0.01
