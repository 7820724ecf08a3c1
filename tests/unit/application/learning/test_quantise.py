"""Quantising: unbiased, bounded, exact where it can be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.learning.masking import BLOCK_COORDINATES, MaskSeeds, mask_update
from hmchain.application.learning.quantise import (
    UpdateError,
    layer_steps,
    quantise,
    quantise_and_mask,
    ranges,
    to_fixed,
    to_weights,
)
from hmchain.ledger.arithmetic import ModelRule, SumOutOfRangeError, check_sum, step_model, steps, sum_limit, validate

SEED = bytes(32)


def rule_of(sizes: list[int], clip_norm: float = 1.0, bits: int = 20) -> ModelRule:
    rule = ModelRule(layer_steps(sizes, clip_norm, bits), 0, 65536, 10, 1000, bits)
    validate(rule)
    return rule


def update(size: int, norm: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(size, dtype=np.float32)
    return values * np.float32(norm / np.linalg.norm(values))


def dequantised(values: np.ndarray, rule: ModelRule) -> np.ndarray:
    return values * (steps(rule, 0, rule.size) / 2.0**48)


def test_ranges_and_steps() -> None:
    assert ranges([4, 64, 256, 1 << 20], 2.0) == [2.0, 2.0, 1.0, 2.0 * 8 / 1024]
    layer = layer_steps([256], 2.0, bits=20)[0]
    assert (layer.size, layer.step) == (256, round(2**48 / (2**19 - 1)))


@pytest.mark.parametrize("weight", [256, 100, 1])
def test_values_are_the_weighted_update_to_within_one_unit(weight: int) -> None:
    rule = rule_of([1000, 30, 5000])
    delta = update(rule.size, 0.9)
    kept = delta.copy()
    values, stats = quantise(delta, rule, 1.0, weight, SEED)
    units = delta.astype(np.float64) * weight / 256 / (steps(rule, 0, rule.size) / 2.0**48)
    assert np.abs(values - units).max() < 1.01
    assert stats.norm == pytest.approx(0.9, rel=1e-5)
    assert stats.clamped == 0
    assert np.array_equal(delta, kept)


def test_deterministic_rounding_at_b_16() -> None:
    """protocol-attacks, learning round: at 16 bits and 11.2 M coordinates a typical one is 0.2 units. Rounding to the
    nearest sends zeros; stochastic rounding keeps every coordinate's mean."""
    size, draws = 200, 4000
    rule = rule_of([size], bits=16)
    unit = rule.layers[0].step / 2.0**48
    delta = np.full(size, 0.2 * unit, np.float32)
    delta[::2] *= -1
    assert not np.rint(delta / unit).any()
    seeds = (number.to_bytes(32, "big") for number in range(draws))
    mean = sum(quantise(delta, rule, 1.0, 256, seed)[0].astype(np.int64) for seed in seeds) / draws
    deviation = math.sqrt(0.2 * 0.8 / draws)
    assert np.abs(mean - delta / unit).max() < 5 * deviation
    assert abs((mean - delta / unit).mean()) < 5 * deviation / math.sqrt(size)


@settings(max_examples=30)
@given(st.floats(-3000, 3000), st.integers(0, 1000))
def test_rounding_is_unbiased_everywhere(units: float, number: int) -> None:
    size = 1 << 14
    rule = rule_of([size], bits=16)
    delta = np.full(size, units * rule.layers[0].step / 2.0**48, np.float32)
    values = quantise(delta, rule, 1e9, 256, number.to_bytes(32, "big"))[0]
    exact = float(delta[0]) / (rule.layers[0].step / 2.0**48)
    assert np.abs(values - exact).max() < 1.001  # a coin at its very end may cross, once in 2^16
    assert abs(values.mean() - exact) < 6 * 0.5 / math.sqrt(size) + 1e-3


def test_the_update_is_clipped_to_its_norm() -> None:
    rule = rule_of([20000], clip_norm=0.5)
    delta = update(20000, 7.0)
    values, stats = quantise(delta, rule, 0.5, 256, SEED)
    assert stats.norm == pytest.approx(7.0, rel=1e-5)
    assert np.linalg.norm(dequantised(values, rule)) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("weight", [256, 255, 100, 1])
def test_coordinates_are_clamped_to_the_layers_range(weight: int) -> None:
    rule = rule_of([10000])
    delta = np.zeros(10000, np.float32)
    delta[:2] = 0.7, -0.7  # R = 0.08
    values, stats = quantise(delta, rule, 1.0, weight, SEED)
    limit = rule.quantum * weight // 256
    assert values[:2].tolist() == [limit, -limit]
    assert stats.clamped == pytest.approx(2e-4)


@pytest.mark.parametrize("bits", [2, 16, 20, 24])
def test_no_draw_leaves_the_range(bits: int) -> None:
    rule = rule_of([50000], bits=bits)
    delta = np.full(50000, 0.9999999 * 8 / math.sqrt(50000), np.float32)
    for weight in (256, 77):
        values = quantise(delta, rule, 1e9, weight, SEED)[0]
        assert np.abs(values).max() <= rule.quantum * weight // 256


def test_unbounded_norm_under_masks() -> None:
    """protocol-attacks, learning round: a clip that nobody sees is not kept. The sum's range bounds every mean by R."""
    rule = rule_of([10000])
    honest = [quantise(update(10000, 1.0, n), rule, 1.0, 256, SEED)[0] for n in range(3)]
    limit = sum_limit(rule, 4 * 256)
    with pytest.raises(SumOutOfRangeError):
        check_sum(sum(honest) + np.full(10000, 4 * rule.quantum, np.int32), limit)
    within = np.full(10000, limit, np.int32)  # the worst that passes
    check_sum(within, limit)
    zero = np.zeros(10000, np.int64)
    model, _ = step_model(zero, zero, within, 4 * 256, steps(rule, 0, 10000), rule)
    assert np.linalg.norm(model / 2.0**32) <= 8.001  # 8 C, not sqrt(d) C = 100


def test_one_weighted_mean_end_to_end() -> None:
    rule, weights = rule_of([500, 3000]), [256, 128, 13]
    deltas = [update(rule.size, 0.8, n) for n in range(3)]
    total = sum(quantise(d, rule, 1.0, w, bytes([w % 251] * 32))[0] for d, w in zip(deltas, weights, strict=True))
    zero = np.zeros(rule.size, np.int64)
    model, _ = step_model(zero, zero, total, sum(weights), steps(rule, 0, rule.size), rule)
    expected = np.average(deltas, axis=0, weights=weights)
    unit = max(layer.step for layer in rule.layers) / 2.0**48
    assert np.abs(to_weights(model) - expected).max() < 3 * unit * 256 / sum(weights)


def masks(order: int = 1) -> MaskSeeds:
    return MaskSeeds(order, b"s" * 32, {other: bytes([other]) * 32 for other in range(3) if other != order})


@pytest.mark.parametrize("last", [301, 51, 1])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_one_pass_and_place_change_nothing(threads: int, last: int) -> None:
    rule = rule_of([100, BLOCK_COORDINATES, 2 * BLOCK_COORDINATES - 101, last])
    delta = update(rule.size, 3.0)
    expected, stats = quantise(delta, rule, 1.0, 200, SEED)
    assert np.array_equal(quantise(delta, rule, 1.0, 200, SEED, threads=threads)[0], expected)
    masked, same = quantise_and_mask(delta, rule, 1.0, 200, SEED, masks(), threads=threads)
    assert same == stats
    assert np.array_equal(masked, mask_update(expected, masks()))
    out = np.zeros(rule.padded_size, np.uint32)
    over = out.view(np.float32)[: rule.size]
    over[:] = delta
    assert quantise_and_mask(over, rule, 1.0, 200, SEED, masks(), threads=threads, out=out)[0] is out
    assert np.array_equal(out, masked)


def test_coins_are_not_used_twice() -> None:
    """Blocks, and the runs of several threads, flip their own coins."""
    rule = rule_of([4 * BLOCK_COORDINATES])
    delta = np.full(rule.size, 0.5 * rule.layers[0].step / 2.0**48, np.float32)
    for threads in (1, 2, 4):
        values, _ = quantise(delta, rule, 1e9, 256, SEED, threads=threads)
        halves = values.reshape(-1, BLOCK_COORDINATES // 2)
        assert len({half.tobytes() for half in halves}) == 8


def test_bad_updates_are_refused() -> None:
    rule = rule_of([300])
    for value in (np.nan, np.inf):
        delta = update(300, 1.0)
        delta[7] = value
        with pytest.raises(UpdateError, match="not finite"):
            quantise(delta, rule, 1.0, 256, SEED)
    with pytest.raises(UpdateError, match="coordinates"):
        quantise(update(299, 1.0), rule, 1.0, 256, SEED)
    with pytest.raises(UpdateError, match="needs 512"):
        quantise_and_mask(update(300, 1.0), rule, 1.0, 256, SEED, masks(), out=np.zeros(300, np.uint32))
    for weight in (0, 257, 4708):
        with pytest.raises(UpdateError, match="weight"):
            quantise(update(300, 1.0), rule, 1.0, weight, SEED)


def test_an_update_of_zeros_stays_zero() -> None:
    assert not quantise(np.zeros(300, np.float32), rule_of([300]), 1.0, 256, SEED)[0].any()


def test_fixed_point_keeps_float32_weights() -> None:
    weights = update(5000, 30.0)
    assert np.abs(to_weights(to_fixed(weights)) - weights).max() <= 2.0**-33
    coarse = np.array([0.0, 1.0, -1.5, 2.0**-32, 1e6, -(2.0**-8) * 1.9999999], np.float32)
    assert np.array_equal(to_weights(to_fixed(coarse)), coarse)
