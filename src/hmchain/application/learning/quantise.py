"""From a trained update to integers: clip, clamp, weight, round at random.

Stochastic rounding is unbiased (Alistarh et al., QSGD, NeurIPS 2017): at few bits a typical coordinate of an update is
a fraction of one unit, and rounding to the nearest would lose all of it. The clip to norm C cannot be checked under
masks; what can be is each coordinate's range, R = min(C, 8 C / sqrt(d)) for a layer of d coordinates, so that a liar
gains a bounded factor and not sqrt(d).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hmchain.application.learning.masking import BLOCK_COORDINATES, KeyStream, run_threads
from hmchain.errors import StudyError
from hmchain.ledger.arithmetic import (
    CHUNK_COORDINATES,
    FRACTION_BITS,
    I32,
    I64,
    STEP_FRACTION_BITS,
    WEIGHT_ONE,
    Layer,
    ModelRule,
    mask_cipher,
)

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
class Quantised:
    """A quantised update, and what the hospital may know of it but never sends."""

    values: I32
    """(d,) within [-floor(Q w / 256), floor(Q w / 256)]."""
    norm: float
    """L2 norm of the update before clipping."""
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
    delta: F32, rule: ModelRule, clip_norm: float, weight: int, seed: bytes, *, threads: int = 1, in_place: bool = False
) -> Quantised:
    """Clip, clamp, weight and round an update: (d,) float32 in the layers' order -> (d,) int32.

    `weight` is of 256. `seed`, 32 fresh random bytes kept secret, gives the coin flips (an AES-256-CTR stream: many
    times faster than numpy's generators, and nobody can guess it). The mean over seeds is the clamped update, to 2^-16
    of a unit. `in_place` overwrites `delta`, so that nothing plain is left in memory and no new pages are touched.

    Raises `UpdateError` if the length differs from the rule's, the weight is outside 1 to 256, or a coordinate is not
    finite.
    """
    if delta.shape != (rule.size,):
        raise UpdateError(f"the update has shape {delta.shape}, the study's model has {rule.size} coordinates")
    if not 1 <= weight <= WEIGHT_ONE:
        raise UpdateError(f"weight {weight} lies outside 1 to {WEIGHT_ONE}", "divide by the largest hospital's first")
    norm = math.sqrt(sum(float(np.dot(block, block)) for block in _blocks(delta)))
    if not math.isfinite(norm):
        raise UpdateError("the update is not finite", "training diverged: lower the learning rate")
    shrink = min(1.0, clip_norm / norm) if norm else 1.0
    values = delta.view(np.int32) if in_place else np.empty(rule.size, np.int32)
    work = partial(_quantise_run, delta, values, rule, shrink, weight, seed)
    clamped = sum(run_threads(rule.chunks, threads, work))
    return Quantised(values, norm, clamped / rule.size)


def _blocks(values: F32) -> Iterator[F32]:
    return (values[start : start + BLOCK_COORDINATES] for start in range(0, len(values), BLOCK_COORDINATES))


def _quantise_run(
    delta: F32, values: I32, rule: ModelRule, shrink: float, weight: int, seed: bytes, first: int, last: int
) -> int:
    """Quantise chunks `first` to `last` (exclusive); how many coordinates were clamped."""
    limit = rule.quantum * weight // WEIGHT_ONE
    stop = min(last * CHUNK_COORDINATES, rule.size)
    ends = list(accumulate(layer.size for layer in rule.layers))
    coins, cipher = KeyStream(), mask_cipher(seed, first // _COINS_IN_WORD)
    scaled = np.empty(BLOCK_COORDINATES, np.float32)
    noise = np.empty(BLOCK_COORDINATES, np.float32)
    clamped = 0
    for start in range(first * CHUNK_COORDINATES, stop, BLOCK_COORDINATES):
        end = min(start + BLOCK_COORDINATES, stop)
        y, u = scaled[: end - start], noise[: end - start]
        _scale(delta, rule, ends, shrink * weight / WEIGHT_ONE, start, end, y)
        # y + u with u uniform in [-1/2, 1/2), rounded to the nearest: up with the probability of y's fraction.
        np.copyto(u, coins.read(cipher, -(-len(u) // _COINS_IN_WORD)).view(np.int16)[: len(u)])
        u *= _COIN
        y += u
        np.rint(y, out=y)
        if y.max() > limit or y.min() < -limit:
            clamped += int(np.count_nonzero(np.abs(y) > limit))
            np.clip(y, -limit, limit, out=y)
        values[start:end] = y
    return clamped


def _scale(delta: F32, rule: ModelRule, ends: Sequence[int], factor: float, start: int, stop: int, out: F32) -> None:
    """Coordinates `start` to `stop` in quantisation units, times `factor`; `ends` are the layers' ends."""
    low = start
    for layer in range(bisect_right(ends, start), len(ends)):
        high = min(ends[layer], stop)
        units = np.float32(factor * (1 << STEP_FRACTION_BITS) / rule.layers[layer].step)
        np.multiply(delta[low:high], units, out=out[low - start : high - start])
        low = high
        if low == stop:
            break


def to_fixed(weights: F32) -> I64:
    """Weights as the ledger's integers: (d,) float32 -> int64 with 32 fraction bits, the nearest."""
    return np.rint(weights.astype(np.float64) * (1 << FRACTION_BITS)).astype(np.int64)


def to_weights(model: I64) -> F32:
    """The ledger's integers as weights: the nearest float32 of each, the same on every machine (IEEE 754)."""
    return np.ldexp(model.astype(np.float64), -FRACTION_BITS).astype(np.float32)
