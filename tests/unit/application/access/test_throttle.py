"""Buckets of tokens against an obvious twin, and what they forget."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.access.throttle import (
    QUESTIONS,
    READS,
    TRIES_OF_ADDRESS,
    TRIES_OF_PERSON,
    WRITES,
    Rate,
    Throttle,
    TooManyError,
    of_address,
)
from support.paths import REPOSITORY


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5), st.sampled_from([30.0, 60.0, 120.0]),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), max_size=40),
)  # fmt: skip
def test_a_bucket_is_what_it_says(burst: int, per_minute: float, asked: list[tuple[int, str]]) -> None:
    now = 0.0
    throttle, rate = Throttle(lambda: now), Rate(burst, per_minute)
    twin = {"a": (float(burst), 0.0), "b": (float(burst), 0.0)}
    for seconds, name in asked:
        now += seconds / 2
        left, since = twin[name]
        left = min(burst, left + (now - since) * per_minute / 60)
        if left >= 1:
            throttle.require(rate, name)
            throttle.take(rate, name)
            left -= 1
        else:
            with pytest.raises(TooManyError) as caught:
                throttle.take(rate, name)
            assert left + caught.value.retry_after * per_minute / 60 >= 1
        twin[name] = (left, now)


def test_a_flood_of_names_fills_no_memory_and_an_old_one_is_full_again() -> None:
    throttle, rate = Throttle(lambda: 0.0), Rate(1, 1)
    throttle.take(rate, "first")
    for number in range(20_000):
        throttle.drain(rate, str(number))
    throttle.take(rate, "first")
    with pytest.raises(TooManyError):
        throttle.require(rate, "19999")


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("", "unknown"), ("testclient", "unknown"), ("fe80::1%eth0", "fe80::/64"),
    ],
)  # fmt: skip
def test_one_machine_is_one_address(address: str, whose: str) -> None:
    assert of_address(address) == whose


def test_the_reference_says_how_often() -> None:
    page = (REPOSITORY / "docs/reference/portal.md").read_text().split("### How often")[1].split("## portal.toml")[0]
    told = [tuple(map(int, found)) for found in re.findall(r"\| (\d+) \| (\d+) \|", page)]
    rates = (READS, WRITES, TRIES_OF_ADDRESS, TRIES_OF_PERSON, QUESTIONS)
    assert told == [(each.burst, each.per_minute) for each in rates]
