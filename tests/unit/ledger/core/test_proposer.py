"""The weighted round robin: CometBFT's own figures, an obvious twin, and the shares that power earns."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.proposer import (
    Validator,
    Validators,
    ValidatorSetError,
    advance,
    advance_blocks,
    proposer,
    proposers_of_rounds,
    update,
)
from support.paths import VECTORS

REPEATABLE = settings(derandomize=True, deadline=None)
CASES = VECTORS / "proposer_cometbft.json"


def priorities(validators: Validators) -> list[tuple[str, int]]:
    return [(validator.id, validator.priority) for validator in validators]


def test_stable_set_of_the_specification() -> None:
    """spec/consensus/proposer-selection.md, "Stable Set": powers 1 and 3."""
    validators = update((), [("p1", 1), ("p2", 3)])
    table = []
    for _ in range(4):
        validators = advance(validators)
        table.append([validator.priority for validator in validators])
    assert table == [[1, -1], [-2, 2], [-1, 1], [0, 0]]


def test_validator_removal_of_the_specification() -> None:
    """The same, "Validator Removal": p3 at -3, p1 at 1 and p2 at 2, which is removed."""
    validators = update((Validator("p1", 1, 1), Validator("p2", 2, 2), Validator("p3", 3, -3)), [("p2", 0)])
    assert priorities(validators) == [("p1", 2), ("p3", -2)]
    assert priorities(advance(validators)) == [("p1", -1), ("p3", 1)]


def test_new_validator_of_the_specification() -> None:
    """The same, "New Validator": p3 with power 8 starts at -1.125 * 12, about -13.

    The text then centres by -4, as if -13/3 were cut; CometBFT rounds it down to -5 (the vectors hold that too).
    """
    validators = update((Validator("p1", 1, 2), Validator("p2", 3, -2)), [("p3", 8)])
    assert priorities(validators) == [("p1", 7), ("p2", 3), ("p3", -8)]


def test_priority_range_of_the_specification() -> None:
    """The same, "Proposer Priority Range": after the great p1 left, p3 doesn't wait 4500 steps for its turn."""
    validators = advance(update((Validator("p1", 80_000),), [("p2", 10)]))
    validators = advance(update(validators, [("p3", 10)]))
    validators = update(validators, [("p1", 0)])
    spread = validators[0].priority - validators[1].priority
    assert 0 < spread <= 2 * 20
    assert "p3" in proposers_of_rounds(validators, 6)


def test_scaling_cuts_towards_zero_by_the_least_divisor_that_fits() -> None:
    validators = (Validator("a", 1, 9), Validator("b", 1, 5), Validator("c", 2, -7))
    assert priorities(update(validators, [("a", 1)])) == [("a", 3), ("b", 1), ("c", -4)]  # 16 into 8: halves, less 1
    validators = (Validator("a", 1, 10), Validator("b", 1, 5), Validator("c", 2, -7))
    assert priorities(update(validators, [("a", 1)])) == [("a", 3), ("b", 1), ("c", -2)]  # 17 into 8: thirds, less 0


def test_sequence_of_cometbft() -> None:
    """The sequence that CometBFT's TestProposerSelection1 expects of powers 1000, 300 and 330 (its beginning)."""
    validators = update((), [("foo", 1_000), ("bar", 300), ("baz", 330)])
    expected = "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar foo foo baz foo bar"
    assert proposers_of_rounds(validators, 24) == expected.split()


def cometbft_chains() -> list[Any]:
    return list(json.loads(CASES.read_text())["chains"])


@pytest.mark.parametrize("chain", cometbft_chains(), ids=lambda chain: f"{len(chain['genesis'])} founders")
def test_against_cometbft(chain: dict[str, Any]) -> None:
    """Random chains that CometBFT 0.38.25 ran: changes of power, joins, removals and failed rounds."""
    validators = update((), [(name, power) for name, power in chain["genesis"]])
    for proposers, changes in chain["heights"]:
        assert proposers_of_rounds(validators, len(proposers) - 1) == proposers
        validators = update(advance(validators), [(name, power) for name, power in changes])
    assert priorities(validators) == [(name, priority) for name, priority in chain["final_priorities"]]


def proposers_by_hand(powers: dict[str, int], steps: int) -> list[str]:
    """A slow twin for a set that doesn't change: who is furthest behind its due share, with fractions."""
    total = sum(powers.values())
    turns = dict.fromkeys(powers, 0)
    elected = []
    for step in range(1, steps + 1):
        due = {name: Fraction(step * power, total) - turns[name] for name, power in powers.items()}
        best = max(due.values())
        winner = min(name for name in powers if due[name] == best)
        turns[winner] += 1
        elected.append(winner)
    return elected


sets = st.dictionaries(
    st.sampled_from("abcdefghijkl"), st.one_of(st.just(1), st.integers(667, 1_000)), min_size=1, max_size=10
)


@REPEATABLE
@given(sets)
def test_against_the_twin(powers: dict[str, int]) -> None:
    validators = update((), sorted(powers.items()))
    assert proposers_of_rounds(validators, 59) == proposers_by_hand(powers, 60)
    assert validators[proposer(validators)].id == proposers_by_hand(powers, 1)[0]


@settings(REPEATABLE, max_examples=30)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1))
def test_turns_are_in_exact_proportion_to_power(powers: dict[str, int]) -> None:
    cycle = sum(powers.values()) // math.gcd(*powers.values())
    turns = Counter(proposers_of_rounds(update((), list(powers.items())), cycle - 1))
    assert turns == {name: power * cycle // sum(powers.values()) for name, power in powers.items()}


def test_a_jailed_validator_hardly_ever_proposes() -> None:
    validators = update((), [("a", 1_000), ("b", 1_000), ("c", 1_000), ("silent", 1)])
    assert Counter(proposers_of_rounds(validators, 3_000))["silent"] == 1


@REPEATABLE
@given(sets, st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from([0, 1, 700, 1_000])), max_size=30))
def test_priorities_stay_centred_and_near_over_changes(powers: dict[str, int], changes: list[tuple[str, int]]) -> None:
    validators = update((), list(powers.items()))
    for change in changes:
        try:
            validators = update(advance(validators), [change])
        except ValidatorSetError:
            continue
        values = [validator.priority for validator in validators]
        total = sum(validator.power for validator in validators)
        assert 0 <= sum(values) < len(values)
        assert max(values) - min(values) <= 2 * total
        assert [validator.id for validator in validators] == sorted(validator.id for validator in validators)


@settings(REPEATABLE, max_examples=60)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([0, 1, 7, 30])), max_size=6),
    st.integers(0, 700),
)
def test_l3_many_blocks_at_once_are_block_after_block(
    powers: dict[str, int], changes: list[tuple[str, int]], blocks: int
) -> None:
    """Whole turns of the wheel are skipped, from wherever changes have left the priorities."""
    validators = update((), list(powers.items()), {name: name.encode()[::-1] for name in powers})
    for change in changes:
        with suppress(ValidatorSetError):
            validators = update(advance(validators), [change])
    one_by_one = validators
    for _ in range(blocks):
        one_by_one = advance(one_by_one)
    assert advance_blocks(validators, blocks) == one_by_one


def test_leaving_and_joining_again_never_pays() -> None:
    validators = update((), [(name, 1_000) for name in "abcd"])
    for _ in range(12):
        elected = validators[proposer(validators)].id
        assert elected != "d"
        validators = update(advance(validators), [("d", 0)])
        validators = update(validators, [("d", 1_000)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("a", 900), ("a", 800)], "twice"),
        ([("x", 0)], "no validator"),
        ([("a", 0), ("b", 0)], "no validator would be left"),
        ([("a", -1)], "negative"),
    ],
)
def test_illegal_changes_are_refused(changes: list[tuple[str, int]], words: str) -> None:
    with pytest.raises(ValidatorSetError, match=words):
        update(update((), [("a", 1_000), ("b", 1_000)]), changes)


def test_the_last_can_be_replaced_in_one_change() -> None:
    assert [one.id for one in update(update((), [("a", 1_000)]), [("a", 0), ("b", 1_000)])] == ["b"]
