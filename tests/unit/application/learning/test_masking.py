"""Masks against an obvious twin, and what they must hide."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.learning.masking import BLOCK_COORDINATES, MaskingError, MaskSeeds, mask_update
from hmchain.ledger.arithmetic import mask_stream


def seed(*name: object) -> bytes:
    return sha256(repr(name).encode()).digest()


def seeds_of(order: int, participants: int = 4) -> MaskSeeds:
    others = (other for other in range(participants) if other != order)
    return MaskSeeds(order, seed("self", order), {other: seed("pair", *sorted((order, other))) for other in others})


def update(size: int, number: int = 0) -> np.ndarray:
    return np.random.default_rng(number).integers(-(1 << 19), 1 << 19, size, dtype=np.int32)


def masked_twin(values: np.ndarray, seeds: MaskSeeds) -> list[int]:
    chunks = -(-len(values) // 256)
    words = [*map(int, values), *[0] * (256 * chunks - len(values))]
    streams = [(1, seeds.self_seed)] + [(1 if other > seeds.order else -1, raw) for other, raw in seeds.pairs.items()]
    for sign, raw in streams:
        words = [word + sign * int(key) for word, key in zip(words, mask_stream(raw, 0, chunks), strict=True)]
    return [word % (1 << 32) for word in words]


@settings(max_examples=25)
@given(size=st.integers(1, 1000), order=st.integers(0, 3))
def test_masking_equals_its_twin(size: int, order: int) -> None:
    values = update(size, order)
    kept = values.copy()
    assert mask_update(values, seeds_of(order)).tolist() == masked_twin(values, seeds_of(order))
    assert np.array_equal(values, kept)


@pytest.mark.parametrize("size", [256, BLOCK_COORDINATES, BLOCK_COORDINATES + 1, 3 * BLOCK_COORDINATES + 256])
def test_threads_change_nothing(size: int) -> None:
    values = update(size)
    expected = mask_update(values, seeds_of(2))
    for threads in (2, 3, 7):
        assert np.array_equal(mask_update(values, seeds_of(2), threads=threads), expected)


def test_all_pair_masks_cancel() -> None:
    updates = [update(700, order) for order in range(5)]
    total = np.zeros(768, np.uint32)
    for order, values in enumerate(updates):
        total += mask_update(values, seeds_of(order, 5))
        total -= mask_stream(seed("self", order), 0, 3)
    assert np.array_equal(total[:700].view(np.int32), sum(updates))
    assert not total[700:].any()


def test_padding_is_masked() -> None:
    assert mask_update(update(1), seeds_of(0))[1:].all()


def test_late_arrival() -> None:
    """protocol-attacks, learning round: a dropped hospital's pair seeds are public; its self mask alone hides it."""
    values, seeds = update(1 << 14), seeds_of(1)
    late = mask_update(values, seeds)
    for other, raw in seeds.pairs.items():
        mask = mask_stream(raw, 0, 64)
        late = late - mask if other > 1 else late + mask
    assert np.array_equal(late - mask_stream(seeds.self_seed, 0, 64), values.view(np.uint32))
    words = np.bincount(late >> 28, minlength=16)  # still uniform: the plain values fill 2 of these 16 bins
    assert words.min() > 800


def test_two_vectors_under_the_same_seeds_give_away_their_difference() -> None:
    """protocol-attacks, learning round: two-time pad after a crash. Why seeds are good for one vector only."""
    first, second = update(256, 1), update(256, 2)
    difference = mask_update(first, seeds_of(0)) - mask_update(second, seeds_of(0))
    assert np.array_equal(difference.view(np.int32), first - second)


def test_seeds_do_not_print() -> None:
    shown = repr(seeds_of(0))
    assert repr(seed("self", 0)) not in shown
    assert repr(seed("pair", 0, 1)) not in shown


def test_a_lonely_or_self_paired_hospital_is_refused() -> None:
    with pytest.raises(MaskingError):
        MaskSeeds(0, bytes(32), {})
    with pytest.raises(MaskingError):
        MaskSeeds(0, bytes(32), {0: bytes(32), 1: bytes(32)})
