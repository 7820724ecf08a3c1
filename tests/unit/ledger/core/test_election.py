"""The election of a round's master (design, section 5): weights, cap, exclusion, and vectors that pin every draw."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.election import (
    Candidate,
    DuplicateCandidateError,
    capped,
    next_seed,
    opening_seed,
    rank,
    void_seed,
    weights,
)
from support.paths import VECTORS

REPEATABLE = settings(derandomize=True, deadline=None)
CASES = json.loads((VECTORS / "election.json").read_text())


def hospitals(*scores: int) -> list[Candidate]:
    return [Candidate(f"hospital-{number}", score, score) for number, score in enumerate(scores)]


def seed_of(number: int) -> bytes:
    return next_seed("study", number, [b"a" * 32])


def probability(ranking: Sequence[str], shares: dict[str, int]) -> float:
    """Chance of a ranking when each next place goes to one of the rest in proportion to its weight."""
    rest, chance = dict(shares), 1.0
    for name in ranking:
        chance *= rest[name] / sum(rest.values())
        del rest[name]
    return chance


# Weights


def test_the_weight_is_the_square_of_the_lesser_score_and_at_least_one() -> None:
    candidates = [Candidate("a", 9_000, 5_000), Candidate("b", 4_000, 10_000), Candidate("c", 0, 9_000)]
    assert weights([*candidates, *hospitals(5_000, 5_000, 5_000)]) == (
        25_000_000,
        16_000_000,
        1,
        25_000_000,
        25_000_000,
        25_000_000,
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], ()),
        ([7], (7,)),
        ([100, 1], (100, 1)),
        ([100, 1, 1], (4, 1, 1)),
        ([100, 1, 1, 1], (3, 1, 1, 1)),
        ([100, 90, 1, 1, 1], (6, 6, 1, 1, 1)),
        ([100, 90, 5, 5, 5, 5, 5, 5], (30, 30, 5, 5, 5, 5, 5, 5)),
        ([100, 10, 10, 10, 10, 10, 11], (30, 10, 10, 10, 10, 10, 11)),
    ],
)
def test_cap_by_hand(raw: list[int], expected: tuple[int, ...]) -> None:
    assert capped(raw) == expected


@REPEATABLE
@given(st.lists(st.one_of(st.integers(1, 10**8), st.sampled_from([1, 10**8])), min_size=1, max_size=20))
def test_no_share_exceeds_the_cap_and_no_weight_falls_for_nothing(raw: list[int]) -> None:
    cap = min(Fraction(1), max(Fraction(1, 3), Fraction(2, len(raw))))
    lowered = capped(raw)
    total = sum(lowered)
    assert all(1 <= low <= high for low, high in zip(lowered, raw, strict=True))
    assert all(Fraction(low, total) <= cap for low in lowered)
    cut = [low for low, high in zip(lowered, raw, strict=True) if low < high]
    assert all(low == max(lowered) for low in cut), "only the largest are lowered, to one level"
    assert all(Fraction(low + len(cut), total + len(cut)) >= cap for low in cut), (
        "not below the cap by more than rounding"
    )


# Ranking


def test_the_last_of_9000_9000_9000_1000_is_drawn_in_0_4_percent_of_rounds() -> None:
    candidates, rounds = hospitals(9_000, 9_000, 9_000, 1_000), 20_000
    firsts = Counter(rank(seed_of(number), candidates, (), 1)[0] for number in range(rounds))
    expected = rounds * 1 / 244  # 10^6 of 3 * 81 * 10^6 + 10^6
    assert abs(firsts["hospital-3"] - expected) < 4 * math.sqrt(expected)
    assert all(abs(firsts[f"hospital-{i}"] - rounds * 81 / 244) < 4 * math.sqrt(rounds / 3) for i in range(3))


def test_rankings_are_distributed_as_sequential_draws() -> None:
    candidates, rounds = hospitals(9_000, 7_000, 4_000, 8_000), 12_000
    shares = dict(zip((one.id for one in candidates), weights(candidates), strict=True))
    seen = Counter(rank(seed_of(number), candidates, (), 1) for number in range(rounds))
    chi_squared = sum(
        (seen[ranking] - rounds * chance) ** 2 / (rounds * chance)
        for ranking in permutations(shares)
        for chance in [probability(ranking, shares)]
    )
    assert chi_squared < 49.7  # 23 degrees of freedom, p = 0.001


def test_the_last_f_masters_are_ranked_behind_all_others() -> None:
    candidates = hospitals(*[9_000] * 7)
    last = ["hospital-6", "hospital-2", "hospital-5"]
    for number in range(50):
        ranking = rank(seed_of(number), candidates, last, 2)
        assert set(ranking[-2:]) == {"hospital-2", "hospital-5"}
        assert sorted(ranking) == sorted(one.id for one in candidates)


def test_nobody_is_excluded_where_fewer_than_four_would_remain() -> None:
    candidates = hospitals(*[9_000] * 4)
    firsts = {rank(seed_of(number), candidates, ["hospital-1"], 1)[0] for number in range(50)}
    assert "hospital-1" in firsts
    assert rank(seed_of(0), candidates, ["hospital-1"], 1) == rank(seed_of(0), candidates, (), 1)


def test_with_no_fault_tolerated_nobody_is_excluded() -> None:
    candidates = hospitals(*[9_000] * 6)
    assert rank(b"seed", candidates, ["hospital-0"], 0) == rank(b"seed", candidates, (), 0)


def test_a_former_master_that_left_excludes_nobody() -> None:
    candidates = hospitals(*[9_000] * 5)
    assert rank(b"seed", candidates, ["gone"], 1) == rank(b"seed", candidates, (), 1)


@REPEATABLE
@given(st.permutations(hospitals(9_000, 0, 3_000, 10_000, 5_000)), st.binary(max_size=40))
def test_the_order_of_candidates_does_not_matter(candidates: list[Candidate], seed: bytes) -> None:
    in_order = sorted(candidates, key=lambda one: one.id)
    assert rank(seed, candidates, ["hospital-3"], 1) == rank(seed, in_order, ["hospital-3"], 1)


def test_one_candidate_and_none() -> None:
    assert rank(b"seed", hospitals(0), ["hospital-0"], 1) == ("hospital-0",)
    assert rank(b"seed", [], ["hospital-0"], 1) == ()


def test_nobody_stands_twice() -> None:
    with pytest.raises(DuplicateCandidateError, match="hospital-0"):
        rank(b"seed", hospitals(1, 2) + hospitals(3), (), 1)


# Seeds


def test_block_hash_as_election_seed() -> None:
    """Only what is revealed, the study and the round enter a seed: each of them changes it, as does their order."""
    one, two = b"1" * 32, b"2" * 32
    seeds = {
        next_seed("s", 2, [one, two]),
        next_seed("s", 2, [two, one]),
        next_seed("s", 2, [one + two]),
        next_seed("s", 2, [one]),
        next_seed("s", 3, [one, two]),
        next_seed("t", 2, [one, two]),
        opening_seed("s", [one, two]),
        opening_seed("t", [one, two]),
        void_seed(one),
        void_seed(void_seed(one)),
    }
    assert len(seeds) == 10
    assert all(len(seed) == 32 for seed in seeds)


# Vectors, and a twin that shares no code with the module


def labelled(label: str, *parts: bytes) -> bytes:
    text = len(label).to_bytes(2, "big") + label.encode()
    return hashlib.sha256(text + b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def capped_by_fractions(raw: dict[str, int]) -> dict[str, int]:
    """Lower the largest one by one until no share exceeds the cap."""
    cap = max(Fraction(1, 3), Fraction(2, max(1, len(raw))))
    top: list[str] = []
    for name in sorted(raw, key=lambda name: -raw[name]):
        rest = sum(weight for other, weight in raw.items() if other not in top)
        level = int(cap * rest / (1 - len(top) * cap)) if len(top) * cap < 1 else 0
        if raw[name] <= level:
            return {other: level if other in top else weight for other, weight in raw.items()}
        top.append(name)
    return raw


def rank_by_hand(seed: bytes, scores: dict[str, tuple[int, int]], excluded: list[str]) -> list[str]:
    """Lay the weights side by side and look where each ticket falls."""
    ranking: list[str] = []
    counter = 0
    first = [name for name in sorted(scores) if name not in excluded]
    for group in (first, [name for name in sorted(scores) if name in excluded]):
        shares = capped_by_fractions({name: max(1, min(scores[name]) ** 2) for name in group})
        while shares:
            total = sum(shares.values())
            bits = 0
            while 2**bits < total:
                bits += 1
            ticket = total
            while ticket >= total:
                block = labelled("hmchain/election/draw", seed, counter.to_bytes(8, "big"))
                ticket = int("".join(f"{byte:08b}" for byte in block)[:bits] or "0", 2)
                counter += 1
            edge = 0
            for name in sorted(shares):
                edge += shares[name]
                if ticket < edge:
                    ranking.append(name)
                    del shares[name]
                    break
    return ranking


@REPEATABLE
@given(
    st.binary(max_size=32),
    st.dictionaries(st.sampled_from("abcdefghij"), st.tuples(st.integers(0, 10_000), st.integers(0, 10_000))),
    st.lists(st.sampled_from("abcdefghij"), max_size=4),
)
def test_rank_against_the_twin(seed: bytes, scores: dict[str, tuple[int, int]], last: list[str]) -> None:
    f = max(0, (len(scores) - 1) // 3)
    excluded = last[len(last) - min(f, len(last)) :]
    if len(set(scores) - set(excluded)) < 4:
        excluded = []
    candidates = [Candidate(name, *pair) for name, pair in scores.items()]
    assert list(rank(seed, candidates, last, f)) == rank_by_hand(seed, scores, excluded)


@pytest.mark.parametrize("vector", CASES["rankings"], ids=lambda vector: str(vector["name"]))
def test_ranking_vectors(vector: dict[str, Any]) -> None:
    candidates = [Candidate(name, consensus, learning) for name, consensus, learning in vector["candidates"]]
    assert list(weights(candidates)) == vector["weights"]
    seed = bytes.fromhex(vector["seed"])
    assert list(rank(seed, candidates, vector["last_masters"], vector["f"])) == vector["ranking"]


def test_seed_vectors() -> None:
    vector = CASES["seeds"]
    seeds = [bytes.fromhex(seed) for seed in vector["revealed"]]
    assert opening_seed(vector["study"], seeds).hex() == vector["opening"]
    assert next_seed(vector["study"], vector["round"], seeds).hex() == vector["next"]
    assert void_seed(bytes.fromhex(vector["next"])).hex() == vector["void"]
    assert labelled("hmchain/election/void", bytes.fromhex(vector["next"])).hex() == vector["void"]
