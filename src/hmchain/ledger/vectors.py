"""A round's vectors as bytes: how each is laid out, what its root is, and one chunk of them recomputed by the judge.

A chunk is 256 coordinates of every vector: 1 KiB of what has four bytes each (masked updates, sums, weights), and 4 KiB
of a model, whose coordinates have eight and lie beside their momentum. So one chunk is a whole subtree of each vector's
BLAKE3 tree (see `blake3_tree`), and one path proves it. All words are little-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hmchain import blake3_tree
from hmchain.blake3_tree import Domain
from hmchain.canonical import Record
from hmchain.ledger.arithmetic import (
    CHUNK_COORDINATES,
    FRACTION_BITS,
    I32,
    I64,
    U32,
    ChunkShapeError,
    ModelRule,
    Survivor,
    check_survivors,
    chunk_of,
    step_block,
    sum_masked,
)

UPDATE = Domain("FL-HMChain 2026-11-27 masked update", 4 * CHUNK_COORDINATES)
MASKED_SUM = Domain("FL-HMChain 2026-11-27 masked sum", 4 * CHUNK_COORDINATES)
SUM = Domain("FL-HMChain 2026-11-27 sum", 4 * CHUNK_COORDINATES)
MODEL = Domain("FL-HMChain 2026-11-27 model and momentum", 16 * CHUNK_COORDINATES)
WEIGHTS = Domain("FL-HMChain 2026-11-27 float32 weights", 4 * CHUNK_COORDINATES)

PARTS = {"masked_sum": MASKED_SUM, "sum": SUM, "model": MODEL, "weights": WEIGHTS}
"""What a master posts, in the order in which one follows from the other."""

U64: TypeAlias = npt.NDArray[np.uint64]

_FLOAT_BIAS = 127
_FRACTION, _DROPPED = np.uint64(23), np.uint64(40)
"""Bits of a float32's fraction, and what of 64 is below them and the leading one."""
_BLOCK = 1 << 14
_ROOT_BLOCK = 1 << 16
"""Coordinates of a model that are laid out at a time: a copy of all would cost more than hashing it."""


class ChunkLeaves(Record, frozen=True):
    """The leaves of one chunk that an honest master's roots contain."""

    masked_sum: bytes
    """256 uint32."""
    sum: bytes
    """256 int32."""
    model: bytes
    """256 int64 of the model, then 256 of the momentum."""
    weights: bytes
    """256 float32."""


# Layout


def vector_bytes(vector: U32 | I32) -> memoryview:
    """A padded vector of four-byte words: masked update, masked sum, sum, or the bits of weights."""
    return memoryview(vector.astype(vector.dtype.newbyteorder("<"), copy=False).data).cast("B")


def model_bytes(model: I64, momentum: I64) -> memoryview:
    """A padded model and its momentum, chunk by chunk: 256 coordinates of the one, then of the other."""
    pairs = np.stack([model.reshape(-1, CHUNK_COORDINATES), momentum.reshape(-1, CHUNK_COORDINATES)], axis=1)
    return memoryview(pairs.astype("<i8", copy=False).data).cast("B")


def weight_bits(model: I64) -> U32:
    """The float32 nearest to each coordinate of a model, ties to even, as its bits: (d,) int64 -> (d,) uint32.

    IEEE 754's conversion by integers alone, since the state machine computes it too. No coordinate but zero is smaller
    than 2^-32, so nothing is subnormal and nothing overflows.
    """
    bits = np.empty(len(model), np.uint32)
    for start in range(0, len(model), _BLOCK):
        bits[start : start + _BLOCK] = _weight_bits(model[start : start + _BLOCK])
    return bits


def _weight_bits(model: I64) -> U64:
    magnitude = np.abs(model).view(np.uint64)  # -2^63 stays itself: 2^63 as a uint64
    length = _bit_length(magnitude)
    exponent = length + np.uint64(_FLOAT_BIAS - FRACTION_BITS - 1)
    exponent <<= _FRACTION
    magnitude <<= (np.uint64(64) - length) & np.uint64(63)  # the leading one goes to bit 63
    fraction = magnitude >> _DROPPED
    fraction &= np.uint64((1 << 23) - 1)
    magnitude &= np.uint64((1 << 40) - 1)
    magnitude += fraction & np.uint64(1)
    exponent += fraction
    exponent += magnitude > np.uint64(1 << 39)  # rounding up may carry from the fraction into the exponent
    exponent *= length != 0
    exponent |= (model < 0).astype(np.uint64) << np.uint64(31)
    return exponent


def _bit_length(values: U64) -> U64:
    """How many bits each value has up to its leading one."""
    smeared, shifted = values.copy(), np.empty_like(values)
    for distance in (1, 2, 4, 8, 16, 32):
        np.right_shift(smeared, np.uint64(distance), out=shifted)
        smeared |= shifted
    return np.bitwise_count(smeared).astype(np.uint64)


# Roots


def update_root(vector: U32) -> bytes:
    """The digest of a padded masked update: 32 bytes."""
    return blake3_tree.root(vector_bytes(vector), UPDATE)


def masked_sum_root(vector: U32) -> bytes:
    """The digest of a padded sum of masked updates: 32 bytes."""
    return blake3_tree.root(vector_bytes(vector), MASKED_SUM)


def sum_root(total: I32) -> bytes:
    """The digest of a padded sum: 32 bytes."""
    return blake3_tree.root(vector_bytes(total), SUM)


def model_root(model: I64, momentum: I64) -> bytes:
    """The digest of a padded model and its momentum: 32 bytes."""
    blocks = (slice(start, start + _ROOT_BLOCK) for start in range(0, len(model), _ROOT_BLOCK))
    return blake3_tree.root_of((model_bytes(model[block], momentum[block]) for block in blocks), MODEL)


def weights_root(model: I64) -> bytes:
    """The digest of the float32 weights that a padded model gives: 32 bytes. Trainers and predictions read these."""
    return bits_root(weight_bits(model))


def bits_root(bits: U32) -> bytes:
    """The digest of padded float32 weights, given as their bits: 32 bytes."""
    return blake3_tree.root(vector_bytes(bits), WEIGHTS)


# The judge


def recompute_chunk(
    chunk: int, masked: Sequence[bytes], base_model: bytes, survivors: Sequence[Survivor], rule: ModelRule
) -> ChunkLeaves:
    """What an honest master's roots hold at `chunk`: the judgement of a fraud proof.

    `masked` is that chunk's leaf of each survivor's object, in the survivors' order; `base_model` the leaf of the model
    the round began with. The caller has checked their paths. Raises `ChunkShapeError`, `SurvivorsError`, and
    `SumOutOfRangeError`, which proves that the round has no honest model at all.
    """
    check_survivors(survivors, rule)
    if not 0 <= chunk < rule.chunks or len(masked) != len(survivors):
        raise ChunkShapeError(f"chunk {chunk} of {rule.chunks}, with {len(masked)} leaves for {len(survivors)} objects")
    if any(len(leaf) != UPDATE.leaf_bytes for leaf in masked) or len(base_model) != MODEL.leaf_bytes:
        raise ChunkShapeError(f"a leaf of chunk {chunk} has the wrong length")
    masked_sum = sum_masked([np.frombuffer(leaf, "<u4").astype(np.uint32, copy=False) for leaf in masked])
    base = np.frombuffer(base_model, "<i8").astype(np.int64, copy=False)
    model, momentum = chunk_of(base, 0), chunk_of(base, 1)
    total, model, momentum = step_block(masked_sum, model, momentum, survivors, rule, chunk)
    return ChunkLeaves(
        bytes(vector_bytes(masked_sum)),
        bytes(vector_bytes(total)),
        bytes(model_bytes(model, momentum)),
        bytes(vector_bytes(weight_bits(model))),
    )
