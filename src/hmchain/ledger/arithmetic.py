"""The exact integer arithmetic of a learning round: masks, sums and the step of the global model.

The state machine judges a fraud proof with these functions on one chunk; masters and verifiers run the same functions
on the whole vector. So an honest master can never differ from the judge by a last bit: there is no float here, and
every rounding is the same (`round half up`: floor of the value plus one half).

Units. A vector of d coordinates is padded with zeros to whole chunks of 256, and the padding is masked like the rest.
An update is quantised to `bits` bits: an integer in [-Q, Q], Q = 2^(bits-1) - 1, where Q stands for the range R of its
layer. It is weighted *before* quantising (weight w of 256), so the weighted mean of the updates is
`sum(q) * R / Q * 256 / sum(w)`. Model and momentum are int64 with 32 fraction bits. A layer's `step` is R / Q with 48
fraction bits; hence `mean = sum(q) * step / (256 * sum(w))` with 32 fraction bits.

Masks are AES-256-CTR key streams (NIST SP 800-38A) added mod 2^32: pairwise masks that cancel and one self mask a
hospital, as in Bonawitz et al., *Practical Secure Aggregation* (CCS 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from hmchain.canonical import Record
from hmchain.errors import LedgerError

CHUNK_COORDINATES = 256
"""Coordinates a chunk: what one fraud proof shows of each object."""
MASK_CHUNK_BYTES = 4 * CHUNK_COORDINATES
SEED_BYTES = 32

FRACTION_BITS = 32
"""Of model and momentum."""
STEP_FRACTION_BITS = 48
"""Of a layer's step."""
FACTOR_BITS = 16
"""Momentum factor and learning rate are integers over 2^16."""
WEIGHT_ONE = 256
"""The weight of the hospital that counts most."""
PARTICIPANTS_MAX = 32
BITS_MIN, BITS_MAX = 2, 24
"""Up to 24 bits every quantised value is exact in float32."""
START_LIMIT = 1 << 61
"""A study's first model lies within (exclusive): 2^29 as a real number."""
MILLION = 1_000_000
"""Epsilons, and values of measurements, are counted in millionths."""

_AES_BLOCKS_IN_CHUNK = MASK_CHUNK_BYTES // 16
_INT64_LIMIT = 1 << 63
_FACTOR_HALF = 1 << (FACTOR_BITS - 1)

U32: TypeAlias = npt.NDArray[np.uint32]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
Integer = TypeVar("Integer", bound=np.integer[Any])


class ModelRuleError(LedgerError):
    """A study's rule would let an integer overflow, or names an impossible size."""

    code = "model_rule"


class SumOutOfRangeError(LedgerError):
    """The unmasked sum is larger than honest updates can make it: somebody's update was garbage."""

    code = "sum_out_of_range"

    def __init__(self, coordinate: int) -> None:
        super().__init__(
            f"coordinate {coordinate} of the sum lies outside what honest updates can reach",
            "the round is void; masked mode cannot say whose update it was",
        )
        self.coordinate = coordinate


class SurvivorsError(LedgerError):
    """The frozen set, a weight or a revealed seed is malformed."""

    code = "survivors"


class ChunkShapeError(LedgerError):
    """A chunk, leaf or vector has another size than the study's rule says."""

    code = "chunk_shape"


class Layer(Record, frozen=True):
    """One tensor of the model, in the order of the flat vector."""

    size: int
    """Coordinates."""
    step: int
    """The value of one quantisation unit, R / Q, times 2^48, rounded."""


class ModelRule(Record, frozen=True):
    """How a study's updates become its next model; pinned on the ledger when the study opens."""

    layers: tuple[Layer, ...]
    momentum: int
    """Server momentum factor over 2^16, below 2^16."""
    learning_rate: int
    """Server learning rate over 2^16; 2^16 is plain federated averaging."""
    participants: int
    """Most hospitals in a sum."""
    rounds: int
    """Most steps of the model."""
    bits: int = 20
    """Bits of one quantised coordinate."""

    @property
    def quantum(self) -> int:
        """Q, the largest quantised value."""
        return (1 << (self.bits - 1)) - 1

    @property
    def size(self) -> int:
        """Coordinates of the model, without padding."""
        return sum(layer.size for layer in self.layers)

    @property
    def chunks(self) -> int:
        """Chunks of a padded vector."""
        return -(-self.size // CHUNK_COORDINATES)

    @property
    def padded_size(self) -> int:
        """Coordinates of a padded vector."""
        return self.chunks * CHUNK_COORDINATES


class LostPair(Record, frozen=True):
    """A pair seed between a survivor and a hospital outside the frozen set."""

    order: int
    """Of the hospital outside."""
    seed: bytes


class Survivor(Record, frozen=True):
    """What one hospital of the frozen set put into the sum, and what it revealed. All of it is public."""

    order: int
    """The organisation's place among the study's participants."""
    weight: int
    """1 to 256."""
    self_seed: bytes
    lost: tuple[LostPair, ...] = ()


def validate(rule: ModelRule) -> None:
    """Check that no sum, mean, momentum or model of this rule can leave its integer type.

    With a mean of at most A (the largest range R, 32 fraction bits) the momentum stays below M = (A + 1) / (1 - beta),
    and a step of the model below lr * M: so 4 bounds suffice, for any updates in range.

    - masked sum: participants * 2^bits < 2^31
    - mean: Q * participants * step + half of its divisor < 2^63
    - momentum: max(beta, lr) * M + 2^15 < 2^63
    - model: START_LIMIT + rounds * (lr * M / 2^16 + 1) < 2^63

    Raises `ModelRuleError` with the bound that fails.
    """
    _require(bool(rule.layers) and all(layer.size > 0 and layer.step > 0 for layer in rule.layers), "layers")
    _require(BITS_MIN <= rule.bits <= BITS_MAX, f"bits outside {BITS_MIN} to {BITS_MAX}")
    _require(1 <= rule.participants <= PARTICIPANTS_MAX, f"participants outside 1 to {PARTICIPANTS_MAX}")
    _require(rule.rounds > 0 and rule.learning_rate > 0, "rounds or learning rate not positive")
    _require(0 <= rule.momentum < 1 << FACTOR_BITS, "momentum factor outside 0 to 1")
    _require(rule.participants << rule.bits < 1 << 31, "masked sum")

    step = max(layer.step for layer in rule.layers)
    weight = rule.participants * WEIGHT_ONE
    _require(rule.quantum * rule.participants * step + weight * WEIGHT_ONE // 2 < _INT64_LIMIT, "mean")
    mean = (rule.quantum * step >> (STEP_FRACTION_BITS - FRACTION_BITS)) + 1
    momentum = ((mean + 1) << FACTOR_BITS) // ((1 << FACTOR_BITS) - rule.momentum) + 1
    factor = max(rule.momentum, rule.learning_rate)
    _require(factor * momentum + _FACTOR_HALF < _INT64_LIMIT, "momentum")
    stride = (rule.learning_rate * momentum >> FACTOR_BITS) + 1
    _require(START_LIMIT + rule.rounds * stride < _INT64_LIMIT, "model")


def _require(holds: bool, bound: str) -> None:
    if not holds:
        raise ModelRuleError(
            f"the model rule breaks its bound: {bound}", "choose fewer bits, a smaller clip norm or less momentum"
        )


# Masks


def mask_cipher(seed: bytes, chunk_first: int) -> CipherContext:
    """The AES-256-CTR key stream of `seed` from a chunk on: the counter starts at 64 * chunk_first, so any chunk can be
    made alone. Feed it zeros."""
    counter = (chunk_first * _AES_BLOCKS_IN_CHUNK).to_bytes(16, "big")
    return Cipher(algorithms.AES256(seed), modes.CTR(counter)).encryptor()


def mask_stream(seed: bytes, chunk_first: int, chunk_count: int) -> U32:
    """`chunk_count` chunks of mask: (256 * chunk_count,) uint32, the key stream read as little-endian words."""
    stream = mask_cipher(seed, chunk_first).update(bytes(chunk_count * MASK_CHUNK_BYTES))
    return np.frombuffer(stream, dtype="<u4").astype(np.uint32, copy=False)


def adds_pair_mask(own: int, other: int) -> bool:
    """Whether hospital `own` adds the mask it shares with `other`; else it subtracts it, and the two cancel."""
    return own < other


# Sum


def sum_masked(chunks: Sequence[U32]) -> U32:
    """The sum of masked vectors of one length, mod 2^32. At least one."""
    total = chunks[0].copy()
    for chunk in chunks[1:]:
        total += chunk
    return total


def unmask(masked_sum: U32, survivors: Sequence[Survivor], chunk_first: int = 0) -> I32:
    """Take every mask that did not cancel out of a masked sum: (256 k,) uint32 -> int32, from chunk `chunk_first` on.

    These are the self masks of all survivors and the pair masks between a survivor and a hospital outside.
    """
    total = masked_sum.copy()
    count = len(total) // CHUNK_COORDINATES
    for survivor in survivors:
        total -= mask_stream(survivor.self_seed, chunk_first, count)
        for pair in survivor.lost:
            mask = mask_stream(pair.seed, chunk_first, count)
            if adds_pair_mask(survivor.order, pair.order):
                total -= mask
            else:
                total += mask
    return total.view(np.int32)


def weight_total(survivors: Sequence[Survivor]) -> int:
    """The weights' sum, over 256."""
    return sum(survivor.weight for survivor in survivors)


def sum_limit(rule: ModelRule, weights: int) -> int:
    """The largest coordinate (either sign) that honest updates with this total of weights can sum to.

    A hospital of weight w sends at most floor(Q w / 256), so no mean within the limit exceeds its layer's range R.
    """
    return rule.quantum * weights // WEIGHT_ONE


def check_sum(total: I32, limit: int, chunk_first: int = 0) -> None:
    """Refuse a sum with a coordinate outside [-limit, limit]: `SumOutOfRangeError` names the first."""
    if -limit <= int(total.min()) and int(total.max()) <= limit:
        return
    first = int(np.flatnonzero((total < -limit) | (total > limit))[0])
    raise SumOutOfRangeError(chunk_first * CHUNK_COORDINATES + first)


# Model


def steps(rule: ModelRule, start: int, stop: int) -> I64:
    """The step of each coordinate from `start` to `stop` (exclusive), zero in the padding: (stop - start,) int64."""
    values = np.zeros(stop - start, dtype=np.int64)
    end = 0
    for layer in rule.layers:
        begin, end = end, end + layer.size
        if begin >= stop:
            break
        if end > start:
            values[max(begin, start) - start : min(end, stop) - start] = layer.step
    return values


def steps_for_chunk(rule: ModelRule, chunk: int) -> I64:
    """The steps of one chunk's coordinates: (256,) int64."""
    return steps(rule, chunk * CHUNK_COORDINATES, (chunk + 1) * CHUNK_COORDINATES)


def step_model(model: I64, momentum: I64, total: I32, weights: int, step: I64, rule: ModelRule) -> tuple[I64, I64]:
    """One step of the global model: federated averaging with server momentum (Hsu et al., arXiv 1909.06335).

    With `[x]` for rounding half up:

        mean      = [total * step / (256 * weights)]
        momentum' = [beta * momentum / 2^16] + mean
        model'    = model + [lr * momentum' / 2^16]

    Arrays of one length; `total` within `sum_limit`. Returns new arrays (model, momentum), int64, 32 fraction bits.
    Nothing overflows under a rule that passed `validate`; outside it numpy wraps, equally everywhere.
    """
    divisor = weights * WEIGHT_ONE  # even, so its half is exact
    mean = total * step
    mean += divisor // 2
    mean //= divisor
    momentum_new = _times_factor(momentum, rule.momentum)
    momentum_new += mean
    model_new = _times_factor(momentum_new, rule.learning_rate)
    model_new += model
    return model_new, momentum_new


def _times_factor(values: I64, factor: int) -> I64:
    """[values * factor / 2^16]."""
    product = values * factor
    product += _FACTOR_HALF
    product >>= FACTOR_BITS
    return product


def step_block(
    masked_sum: U32, model: I64, momentum: I64, survivors: Sequence[Survivor], rule: ModelRule, chunk_first: int
) -> tuple[I32, I64, I64]:
    """From the masked sum of some chunks to their sum, model and momentum: (256 k,) arrays, from `chunk_first` on.

    Masters and verifiers call it on many chunks at a time, the state machine on one. Raises `SumOutOfRangeError`.
    """
    weights = weight_total(survivors)
    total = unmask(masked_sum, survivors, chunk_first)
    check_sum(total, sum_limit(rule, weights), chunk_first)
    start = chunk_first * CHUNK_COORDINATES
    step = steps(rule, start, start + len(masked_sum))
    return total, *step_model(model, momentum, total, weights, step, rule)


# Chunks


def chunk_of(vector: npt.NDArray[Integer], chunk: int) -> npt.NDArray[Integer]:
    """Chunk `chunk` of a padded vector: a view of 256 coordinates."""
    return vector[chunk * CHUNK_COORDINATES : (chunk + 1) * CHUNK_COORDINATES]


def padded(vector: npt.NDArray[Integer]) -> npt.NDArray[Integer]:
    """The vector with zeros up to a whole chunk; the vector itself if it is one already."""
    missing = -len(vector) % CHUNK_COORDINATES
    return np.concatenate([vector, np.zeros(missing, vector.dtype)]) if missing else vector


# Survivors


def check_survivors(survivors: Sequence[Survivor], rule: ModelRule) -> None:
    """Refuse a frozen set that is empty, too large, out of order, or has a bad weight or seed: `SurvivorsError`."""
    orders = [survivor.order for survivor in survivors]
    if not 1 <= len(orders) <= rule.participants or orders != sorted(set(orders)):
        raise SurvivorsError(f"survivors {orders} are not in rising order, or not 1 to {rule.participants}")
    for survivor in survivors:
        if not 1 <= survivor.weight <= WEIGHT_ONE:
            raise SurvivorsError(f"survivor {survivor.order} has weight {survivor.weight}, outside 1 to {WEIGHT_ONE}")
        if any(len(seed) != SEED_BYTES for seed in (survivor.self_seed, *(pair.seed for pair in survivor.lost))):
            raise SurvivorsError(f"survivor {survivor.order} revealed a seed that is not {SEED_BYTES} bytes")
        lost = [pair.order for pair in survivor.lost]
        if lost != sorted(set(lost) - set(orders)):
            raise SurvivorsError(
                f"survivor {survivor.order} revealed pair seeds with {lost}, in the set or out of order"
            )
