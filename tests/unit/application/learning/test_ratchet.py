"""Chains of keys: no seed twice, no way back, and both hospitals meet."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.application.learning.ratchet import RatchetError, SeedChain, pair_chain, pair_secret, self_chain, study_key

SECRET = bytes(range(32))
STUDY = b"study".ljust(32, b"\0")
ROOT = b"root".ljust(32, b"\0")


def chain(orders: tuple[int, int] = (1, 2), chain_id: str = "net", study: bytes = STUDY) -> SeedChain:
    return pair_chain(SECRET, chain_id, study, orders)


def test_both_hospitals_derive_the_same_seed() -> None:
    assert chain((1, 2)).seed(ROOT) == chain((2, 1)).seed(ROOT)
    assert pair_secret({1: b"a" * 32, 2: b"b" * 32}) == pair_secret({2: b"b" * 32, 1: b"a" * 32})


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=8))
def test_hospitals_that_skipped_attempts_meet_the_others(stops: list[tuple[int, int]]) -> None:
    stopping = chain()
    for stop in sorted(stops):
        stopping = stopping.advance(*stop)
    assert stopping.advance(12, 5) == chain().advance(12, 5)


def test_every_round_attempt_pair_study_chain_and_model_has_its_own_seed() -> None:
    """protocol-attacks, learning round: a two-time pad after a crash needs one seed for two vectors."""
    seeds = [chain().advance(round, attempt).seed(ROOT) for round in range(4) for attempt in range(4)]
    seeds += [chain(orders).seed(ROOT) for orders in ((0, 1), (0, 2), (1, 3))]
    seeds += [chain(chain_id="other").seed(ROOT), chain(study=b"x" * 32).seed(ROOT), chain().seed(b"x" * 32)]
    seeds += [self_chain(SECRET, "net", STUDY, order).seed(ROOT) for order in (1, 2)]
    assert len(set(seeds)) == len(seeds)


def test_seeds_are_siblings_of_the_keys_that_follow() -> None:
    """protocol-attacks, learning round: long-term key stolen later. Neither a revealed seed nor a later state holds an
    earlier key."""
    states = [chain().advance(round, attempt) for round in range(3) for attempt in range(3)]
    keys = {key for state in states for key in (state.attempt_key, state.rounds_key)}
    assert len(keys) == 9 + 3  # nine attempt keys; the rounds key changes with the round
    assert SECRET not in keys
    assert not keys & {state.seed(ROOT) for state in states}


@pytest.mark.parametrize("place", [(1, 9), (2, 0), (0, 0), (3, -1)])
def test_the_past_is_erased(place: tuple[int, int]) -> None:
    with pytest.raises(RatchetError):
        chain().advance(2, 1).advance(*place)


def test_staying_is_no_step() -> None:
    assert chain().advance(2, 1).advance(2, 1) == chain().advance(2, 1)


def test_secrets_do_not_print() -> None:
    shown = repr(chain())
    state = dataclasses.asdict(chain())
    assert "redacted" in shown
    assert not any(repr(state[name]) in shown for name in ("attempt_key", "rounds_key", "context"))


def test_study_key_depends_on_every_contribution_and_its_owner() -> None:
    parts = {order: bytes([order]) * 32 for order in range(4)}
    keys = {study_key(parts | {order: b"x" * 32}) for order in range(4)}
    keys |= {study_key(parts), study_key({0: parts[0]}), study_key(parts | {0: parts[1], 1: parts[0]})}
    assert len(keys) == 7
    assert study_key(dict(reversed(parts.items()))) == study_key(parts)


def test_bad_contributions_are_refused() -> None:
    for parts in ({}, {0: b"short"}):
        with pytest.raises(ValueError):
            study_key(parts)
    with pytest.raises(ValueError):
        pair_secret({0: SECRET})
    with pytest.raises(ValueError):
        self_chain(b"short", "net", STUDY, 0)
