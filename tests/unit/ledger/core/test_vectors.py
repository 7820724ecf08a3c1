"""The layout and roots of a round's vectors, and a model's weights as float32 by integers alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain import blake3_tree
from hmchain.application.learning.quantise import to_fixed, to_weights
from hmchain.ledger import vectors
from hmchain.ledger.vectors import MASKED_SUM, MODEL, SUM, UPDATE, WEIGHTS, weight_bits

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
OF_ANY_SIZE = st.builds(lambda value, shift: value >> shift, INT64, st.integers(0, 63))
"""All magnitudes alike, not only the largest."""


@st.composite
def near_ties(draw: st.DrawFn) -> int:
    """25 leading bits and zeros, give or take one: half way between two float32, or nearly."""
    shift = draw(st.integers(0, 38))
    value = (draw(st.integers(1 << 24, (1 << 25) - 1)) << shift) + draw(st.integers(-1, 1))
    return draw(st.sampled_from([value, -value]))


def by_numpy(model: np.ndarray) -> np.ndarray:
    """The processor's own conversion, which rounds once; the scaling is exact."""
    return np.ldexp(model.astype(np.float32), -32)


@given(st.lists(OF_ANY_SIZE | near_ties(), min_size=1, max_size=50))
def test_weights_are_the_processors_bit_for_bit(values: list[int]) -> None:
    model = np.array(values, np.int64)
    assert np.array_equal(weight_bits(model), by_numpy(model).view(np.uint32))
    assert np.array_equal(to_weights(model), by_numpy(model))


EDGES = [
    0, 1, -1, 1 << 32, -(1 << 32), (1 << 63) - 1, -(1 << 63), (1 << 24) + 1, (1 << 24) + 3, -(1 << 24) - 1,
    (1 << 25) - 1, (1 << 53) + 1, ((1 << 24) + 1 << 29) + 1, ((1 << 24) + 1 << 29) - 1,
]  # fmt: skip
"""Zero, ends, ties to even from both sides, a carry into the exponent, and what rounding twice gets wrong."""


@pytest.mark.parametrize("value", EDGES)
def test_weights_at_the_edges(value: int) -> None:
    model = np.array([value], np.int64)
    assert weight_bits(model).tolist() == by_numpy(model).view(np.uint32).tolist()


def test_a_long_model_is_converted_without_a_seam() -> None:
    model = np.random.default_rng(5).integers(-(1 << 62), 1 << 62, 3 * (1 << 14) + 7) >> 20
    assert np.array_equal(weight_bits(model), by_numpy(model).view(np.uint32))
    assert weight_bits(model[:0]).size == 0


def test_float32_weights_come_through_the_ledger_unchanged_but_for_the_smallest() -> None:
    weights = np.random.default_rng(6).normal(0, 0.1, 5000).astype(np.float32)
    back = to_weights(to_fixed(weights))
    large = np.abs(weights) >= 2**-8
    assert np.array_equal(back[large], weights[large]) and np.abs(back - weights).max() <= 2**-33


def test_no_root_stands_for_another() -> None:
    domains = (UPDATE, MASKED_SUM, SUM, MODEL, WEIGHTS)
    roots = {blake3_tree.root(bytes(4096), domain) for domain in domains}
    assert len(roots) == len({domain.context for domain in domains}) == 5


def test_a_model_lies_beside_its_momentum_chunk_by_chunk() -> None:
    model, momentum = np.arange(512), -np.arange(512)
    words = np.frombuffer(vectors.model_bytes(model, momentum), "<i8")
    assert np.array_equal(words, np.concatenate([model[:256], momentum[:256], model[256:], momentum[256:]]))


def test_a_long_model_is_hashed_without_a_seam() -> None:
    model = np.random.default_rng(7).integers(-(1 << 40), 1 << 40, (1 << 16) + 512)
    whole = vectors.model_bytes(model, model[::-1])
    assert vectors.model_root(model, model[::-1]) == blake3_tree.root(whole, MODEL)
