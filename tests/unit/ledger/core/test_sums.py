"""Sums compose (docs/sums.md): the one rule, against an oracle that solves what a coalition sees."""

from __future__ import annotations

import itertools
import random

import pytest
from msgspec.structs import replace

from hmchain.ledger import sums
from hmchain.ledger.sums import Summand, SummedSet
from support.sum_oracle import exposed

NAMES = "abcdefghij"


def summed(names: str, weights: dict[str, int] | None = None, version: int = 1) -> SummedSet:
    return tuple(Summand(name, "brain", version, (weights or {}).get(name, 1)) for name in sorted(names))


def exposes(history: list[SummedSet], coalition: set[str]) -> set[str]:
    """Whom the sums give away, be one hospital's vectors of two datasets the same or not."""
    owner = {(name, version): name for name in NAMES for version in (1, 2)}
    found: set[str] = set()
    for is_same in (True, False):
        equations = [
            {(each.organisation, 1 if is_same else each.version): each.weight for each in summed_set}
            for summed_set in history
        ]
        known = [{name: value for name, value in row.items() if name[0] not in coalition} for row in equations]
        found |= exposed(known, set(), owner)
    return found


# The oracle itself


def test_the_oracle_finds_what_masks_hide_and_what_they_do_not() -> None:
    owner = {"x": "a", "y": "b"}
    sums_of_two = [{"x": 1, "y": 1}, {"x": 1, "y": 2}]
    assert exposed(sums_of_two, set(), owner) == {"a", "b"}
    masked = [{"x": 1, "m": 1}, {"y": 1, "m": -1}]
    assert exposed(masked, {"m"}, owner) == set(), "only x + y is known"
    assert exposed([*masked, {"x": 1, "y": -1, "n": 1}], {"m", "n"}, owner) == set()
    assert exposed([*masked, {"m": 5}], {"m"}, owner) == {"a", "b"}


@pytest.mark.parametrize(
    ("history", "coalition"),
    [
        (["abcd", "abc"], "a"),  # S1, S4: the same model, one hospital less
        (["bcdefg", "bcdef", "abcdef"], ""),  # two that differ by one
        (["abcdef", "cdefg"], "ab"),  # S2: colluders pad the difference
        (["adefg", "abcfg", "abcdef", "cdefg"], "a"),  # S3: three different sets, each pair three or more apart
        (["abcdef", "abcg", "defg"], ""),  # three of which any two share an honest hospital, all three none
    ],
)
def test_known_attacks_on_sums_are_exact_and_refused(history: list[str], coalition: str) -> None:
    found = [summed(names) for names in history]
    assert exposes(found, set(coalition))
    colluders = max(1, len(coalition))
    assert not all(sums.admits(found[:place], each, colluders) for place, each in enumerate(found))


# The rule


def test_equal_sets_repeat_and_at_most_two_differ() -> None:
    first, second = summed("abcd"), summed("defg")
    assert sums.admits([], first, 2) and sums.admits([first, first], first, 2)
    assert sums.admits([first], second, 2) and sums.admits([first, second], first, 2)
    assert not sums.admits([first], summed("abce"), 2), "two apart"
    assert not sums.admits([first, second], summed("abcdefghij"), 2), "a third"
    assert not sums.admits([], summed("abc"), 2), "too few beside two colluders"
    assert not sums.admits([first], second, 5)


def test_equal_sets_with_unequal_weights_are_different_sets() -> None:
    first = summed("abcd")
    assert sums.admits([first], summed("abcd", dict.fromkeys("abcd", 3)), 1), "a multiple tells nothing"
    assert not sums.admits([first], summed("abcd", {"d": 2}), 1)
    assert exposes([first, summed("abcd", {"d": 2})], set()) == {"d"}
    assert not sums.admits([first], summed("abcd", version=2), 1), "data that may be the same, but for one hospital's"


@pytest.mark.parametrize("seed", range(400))
def test_whatever_the_rule_admits_exposes_nobody(seed: int) -> None:
    """Random weights, data, sets and coalitions: no combination touches fewer than two honest hospitals."""
    draw = random.Random(seed)
    names = NAMES[: draw.randint(3, 9)]
    colluders = draw.randint(0, (len(names) - 1) // 3 + 1)
    history: list[SummedSet] = []
    for _ in range(8):
        weights = {name: draw.choice((1, 1, 2, 3, 256)) for name in names}
        size = draw.randint(1, len(names))
        candidate = summed("".join(draw.sample(names, size)), draw.choice((weights, None)), draw.choice((1, 1, 2)))
        if draw.random() < 0.3 and history:
            candidate = draw.choice(history)
        if sums.admits(history, candidate, colluders):
            history.append(candidate)
    for coalition in itertools.combinations(names, colluders):
        assert not exposes(history, set(coalition))


@pytest.mark.parametrize("seed", range(100))
def test_what_is_called_reachable_is_what_a_search_finds(seed: int) -> None:
    draw = random.Random(seed)
    names = NAMES[: draw.randint(3, 8)]
    size_min, colluders = draw.randint(2, len(names)), draw.randint(0, 2)
    weights = {name: draw.randint(1, 3) for name in names}
    subsets = [
        summed("".join(some), weights) for k in range(1, len(names) + 1) for some in itertools.combinations(names, k)
    ]
    history: list[SummedSet] = []
    for candidate in draw.sample(subsets, min(len(subsets), 6)):
        if sums.admits(history, candidate, colluders):
            history.append(candidate)
    present = draw.choice(subsets)
    within = [each for each in subsets if set(each) <= set(present) and len(each) >= size_min]
    found = any(sums.admits(history, each, colluders) for each in within)
    assert sums.reachable(history, present, size_min, colluders) == found


def test_a_fingerprint_knows_a_set_again_and_nothing_else() -> None:
    first = summed("abcd")
    assert sums.fingerprint(first, 1) == sums.fingerprint(summed("abcd", dict.fromkeys("abcd", 7)), 1)
    others = [summed("abc"), summed("abcd", {"a": 2}), tuple(replace(each, dataset="lung") for each in first)]
    prints = {sums.fingerprint(first, 1), sums.fingerprint(first, 2), *(sums.fingerprint(o, 1) for o in others)}
    assert len(prints) == 5


def test_keys_name_what_vectors_depend_on() -> None:
    root = bytes(32)
    keys = {sums.training_key(root), sums.counts_key("a", root), sums.counts_key("b", root)}
    assert len(keys) == 3
