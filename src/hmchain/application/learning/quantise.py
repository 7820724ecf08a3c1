"""From a trained update to integers: clip, clamp, weight, round at random.

Stochastic rounding is unbiased (Alistarh et al., QSGD, NeurIPS 2017): at few bits a typical coordinate of an update is
a fraction of one unit, and rounding to the nearest would lose all of it. The clip to norm C cannot be checked under
masks; what can be is each coordinate's range, R = min(C, 8 C / sqrt(d)) for a layer of d coordinates, so that a liar
gains a bounded factor and not sqrt(d).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hmchain.application.learning.masking import BLOCK_COORDINATES, KeyStream, Masker, MaskSeeds, blocks, run_threads
from hmchain.errors import StudyError
from hmchain.ledger.arithmetic import (
    FRACTION_BITS,
    I32,
    I64,
    STEP_FRACTION_BITS,
    U32,
    WEIGHT_ONE,
    Layer,
    ModelRule,
    mask_cipher,
)
from hmchain.ledger.vectors import weight_bits

RANGE_FACTOR = 8
"""A clamp hits only coordinates 8 times the root mean square of an update of norm C: hardly any."""
_COINS_IN_WORD = 2
"""A word of key stream gives two coins of 16 bits. A run starts at an even chunk, so halving it is exact."""
_COIN = np.float32(2**-16)

F32 = npt.NDArray[np.float32]


class UpdateError(StudyError):
    """A trained update cannot be sent: wrong length or weight, or not finite."""

    code = "update"


@dataclass(frozen=True)
class UpdateStats:
    """What the hospital may know of its update, but never sends."""

    norm: float
    """L2 norm before clipping."""
    clamped: float
    """Fraction of coordinates that met their layer's range."""


def ranges(sizes: Sequence[int], clip_norm: float) -> list[float]:
    """R of each layer from its number of coordinates."""
    return [min(clip_norm, RANGE_FACTOR * clip_norm / math.sqrt(size)) for size in sizes]


def layer_steps(sizes: Sequence[int], clip_norm: float, bits: int = 20) -> tuple[Layer, ...]:
    """The layers of a `ModelRule`: each one's range over Q as an integer. Computed once, when the study opens."""
    quantum = (1 << (bits - 1)) - 1
    unit = (1 << STEP_FRACTION_BITS) / quantum
    return tuple(Layer(size, round(unit * bound)) for size, bound in zip(sizes, ranges(sizes, clip_norm), strict=True))


def quantise(
    delta: F32, rule: ModelRule, clip_norm: float, weight: int, seed: bytes, *, threads: int = 1
) -> tuple[I32, UpdateStats]:
    """Clip, clamp, weight and round an update: (d,) float32 in the layers' order -> (d,) int32.

    `weight` w is of 256, and the values lie within floor(Q w / 256). `seed`, 32 fresh random bytes kept secret, gives
    the coin flips (an AES-256-CTR stream: many times faster than numpy's generators, and nobody can guess it). The mean
    over seeds is the clamped update, to 2^-16 of a unit.

    Raises `UpdateError` if the length differs from the rule's, the weight is outside 1 to 256, or a coordinate is not
    finite.
    """
    plan = _plan(delta, rule, clip_norm, weight)
    values = np.empty(rule.size, np.int32)

    def work(first: int, last: int) -> int:
        rounder = _Rounder(plan, seed, first)
        return sum(rounder.round(block.start, values[block]) for block in blocks(first, last))

    clamped = sum(run_threads(rule.chunks, threads, work))
    return values, UpdateStats(plan.norm, clamped / rule.size)


def quantise_and_mask(
    delta: F32,
    rule: ModelRule,
    clip_norm: float,
    weight: int,
    seed: bytes,
    masks: MaskSeeds,
    *,
    threads: int = 1,
    out: U32 | None = None,
) -> tuple[U32, UpdateStats]:
    """`quantise`, then `mask_update`, a block at a time: the padded masked vector.

    `out` (padded, uint32) receives it. Laid over `delta` itself it leaves nothing unmasked in memory, and touches no
    fresh pages, which cost as much as the masks.
    """
    plan = _plan(delta, rule, clip_norm, weight)
    vector = np.empty(rule.padded_size, np.uint32) if out is None else out
    if vector.shape != (rule.padded_size,):
        raise UpdateError(f"the masked vector needs {rule.padded_size} coordinates, not {vector.size}")

    def work(first: int, last: int) -> int:
        rounder, masker = _Rounder(plan, seed, first), Masker(masks, first)
        clamped = 0
        for place in blocks(first, last):
            block = vector[place]
            update = block[: rule.size - place.start]
            clamped += rounder.round(place.start, update.view(np.int32))
            block[len(update) :] = 0
            masker.mask(block)
        return clamped

    clamped = sum(run_threads(rule.chunks, threads, work))
    return vector, UpdateStats(plan.norm, clamped / rule.size)


@dataclass(frozen=True)
class _Plan:
    """What quantising any part of an update needs."""

    delta: F32
    norm: float
    limit: int
    ends: list[int]
    """Where each layer ends."""
    units: list[np.float32]
    """Of each layer: what turns a coordinate into weighted quantisation units."""


def _plan(delta: F32, rule: ModelRule, clip_norm: float, weight: int) -> _Plan:
    if delta.shape != (rule.size,):
        raise UpdateError(f"the update has shape {delta.shape}, the study's model has {rule.size} coordinates")
    if not 1 <= weight <= WEIGHT_ONE:
        raise UpdateError(f"weight {weight} lies outside 1 to {WEIGHT_ONE}", "divide by the largest hospital's first")
    norm = math.sqrt(sum(float(np.dot(delta[block], delta[block])) for block in blocks(0, rule.chunks)))
    if not math.isfinite(norm):
        raise UpdateError("the update is not finite", "training diverged: lower the learning rate")
    factor = min(1.0, clip_norm / norm) if norm else 1.0
    factor *= weight / WEIGHT_ONE * (1 << STEP_FRACTION_BITS)
    ends = list(accumulate(layer.size for layer in rule.layers))
    units = [np.float32(factor / layer.step) for layer in rule.layers]
    return _Plan(delta, norm, rule.quantum * weight // WEIGHT_ONE, ends, units)


class _Rounder:
    """Quantises block after block, from a first (even) chunk on."""

    def __init__(self, plan: _Plan, seed: bytes, first: int) -> None:
        self._plan = plan
        self._cipher = mask_cipher(seed, first // _COINS_IN_WORD)
        self._coins = KeyStream()
        self._scaled = np.empty(BLOCK_COORDINATES, np.float32)
        self._noise = np.empty(BLOCK_COORDINATES, np.float32)

    def round(self, start: int, out: I32) -> int:
        """Write the coordinates from `start` on that fill `out`; how many of them were clamped."""
        size, limit = len(out), self._plan.limit
        y, u = self._scaled[:size], self._noise[:size]
        self._scale(start, y)
        # y + u with u uniform in [-1/2, 1/2), rounded to the nearest: up with the probability of y's fraction.
        np.copyto(u, self._coins.read(self._cipher, -(-size // _COINS_IN_WORD)).view(np.int16)[:size])
        u *= _COIN
        y += u
        np.rint(y, out=y)
        clamped = 0
        if size and (y.max() > limit or y.min() < -limit):
            clamped = int(np.count_nonzero(np.abs(y) > limit))
            np.clip(y, -limit, limit, out=y)
        np.copyto(out, y, casting="unsafe")
        return clamped

    def _scale(self, start: int, out: F32) -> None:
        """Fill `out` with coordinates in quantisation units."""
        plan, low, stop = self._plan, start, start + len(out)
        layer = bisect_right(plan.ends, start)
        while low < stop:
            high = min(plan.ends[layer], stop)
            np.multiply(plan.delta[low:high], plan.units[layer], out=out[low - start : high - start])
            low, layer = high, layer + 1


def to_fixed(weights: F32) -> I64:
    """Weights as the ledger's integers: (d,) float32 -> int64 with 32 fraction bits, the nearest."""
    return np.rint(weights.astype(np.float64) * (1 << FRACTION_BITS)).astype(np.int64)


def to_weights(model: I64) -> F32:
    """The ledger's integers as weights, the float32 nearest to each: what the root of the weights is made of."""
    return weight_bits(model).view(np.float32)
