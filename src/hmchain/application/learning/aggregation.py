"""The sum of a round and the step of its model, and the search for a master's lie.

Master and verifiers do the same: add the masked objects as they come (memory does not grow with their number), take off
the masks that are left, step the model in integers, and hash. A master posts four roots and stores the four vectors
under them. A verifier whose own roots differ points at one chunk, which the state machine judges alone with
`ledger.vectors.recompute_chunk`; where the stored vector is missing or not what the root says, there is nothing to
judge and the master is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hmchain import blake3_tree
from hmchain.application.learning.masking import blocks
from hmchain.canonical import Record
from hmchain.errors import StudyError
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import (
    CHUNK_COORDINATES,
    I32,
    I64,
    U32,
    ModelRule,
    Survivor,
    check_survivors,
    padded,
    step_block,
)


class AggregationError(StudyError):
    """The objects of a frozen set are not what its digests announced: wrong number or length."""

    code = "aggregation"


class Part(StrEnum):
    """The four vectors that a master publishes, in the order in which they follow from each other."""

    MASKED_SUM = "masked_sum"
    SUM = "sum"
    MODEL = "model"
    WEIGHTS = "weights"


DOMAINS = {part: vectors.PARTS[part] for part in Part}


class Roots(Record, frozen=True):
    """What a master posts and verifiers confirm: the roots of its four vectors, 32 bytes each."""

    masked_sum: bytes
    sum: bytes
    model: bytes
    weights: bytes

    def of(self, part: Part) -> bytes:
        """The root of one part."""
        return {
            Part.MASKED_SUM: self.masked_sum,
            Part.SUM: self.sum,
            Part.MODEL: self.model,
            Part.WEIGHTS: self.weights,
        }[part]


@dataclass(frozen=True)
class Aggregate:
    """The outcome of a round: padded vectors."""

    masked_sum: U32
    sum: I32
    model: I64
    """32 fraction bits."""
    momentum: I64
    weight_bits: U32
    """The model as float32, which the next round's trainers read."""
    _roots: dict[Part, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def roots(self) -> Roots:
        """What a master posts."""
        return Roots(*(self.root(part) for part in Part))

    def root(self, part: Part) -> bytes:
        """The root of one part, computed when it is first asked for."""
        if part not in self._roots:
            self._roots[part] = self._root(part)
        return self._roots[part]

    def _root(self, part: Part) -> bytes:
        if part is Part.MODEL:
            return vectors.model_root(self.model, self.momentum)
        return blake3_tree.root(self.data(part), DOMAINS[part])

    @property
    def chunks(self) -> int:
        """Leaves under each root."""
        return len(self.masked_sum) // CHUNK_COORDINATES

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The model as float32, padded."""
        return self.weight_bits.view(np.float32)

    def data(self, part: Part) -> memoryview:
        """The bytes under one root: what the master stores."""
        if part is Part.MODEL:
            return vectors.model_bytes(self.model, self.momentum)
        if part is Part.SUM:
            return vectors.vector_bytes(self.sum)
        return vectors.vector_bytes(self.masked_sum if part is Part.MASKED_SUM else self.weight_bits)


class Base(NamedTuple):
    """What a round starts from: padded vectors."""

    model: I64
    momentum: I64
    weight_bits: U32
    """The model as float32, which trainers read; an aggregate has them already."""

    @classmethod
    def of(cls, model: I64, momentum: I64) -> Base:
        """A model and its momentum, with the weights that it gives."""
        return cls(model, momentum, vectors.weight_bits(model))


def aggregate(
    objects: Iterable[U32], survivors: Sequence[Survivor], model: I64, momentum: I64, rule: ModelRule
) -> Aggregate:
    """Sum the survivors' masked vectors, unmask, and step the model.

    `objects` are padded uint32 vectors whose digests the caller has checked, one a survivor, in any order; each may be
    released once the next is asked for. `model` and `momentum` are what the round began with, int64, padded or not.

    Raises `AggregationError`, `SurvivorsError`, and `SumOutOfRangeError` when the sum holds garbage.
    """
    check_survivors(survivors, rule)
    masked_sum = _sum_objects(objects, len(survivors), rule)
    base_model, base_momentum = _padded_to(model, rule), _padded_to(momentum, rule)
    total = np.empty(rule.padded_size, np.int32)
    new_model, new_momentum = np.empty(rule.padded_size, np.int64), np.empty(rule.padded_size, np.int64)
    for block in blocks(0, rule.chunks):
        total[block], new_model[block], new_momentum[block] = step_block(
            masked_sum[block],
            base_model[block],
            base_momentum[block],
            survivors,
            rule,
            block.start // CHUNK_COORDINATES,
        )
    return Aggregate(masked_sum, total, new_model, new_momentum, vectors.weight_bits(new_model))


def _sum_objects(objects: Iterable[U32], expected: int, rule: ModelRule) -> U32:
    total = np.zeros(rule.padded_size, np.uint32)
    count = 0
    for vector in objects:
        if vector.shape != total.shape:
            raise AggregationError(f"a masked object has {vector.size} coordinates, the study's have {total.size}")
        total += vector
        count += 1
    if count != expected:
        raise AggregationError(f"{count} masked objects for {expected} survivors", "fetch the frozen set again")
    return total


def _padded_to(vector: I64, rule: ModelRule) -> I64:
    if len(vector) not in (rule.size, rule.padded_size):
        raise AggregationError(f"the model has {len(vector)} coordinates, the study's has {rule.size}")
    return padded(vector)


# The search for a lie


class Fraud(Record, frozen=True):
    """One chunk of a master's vector that is not what the frozen set gives: evidence for the state machine."""

    part: Part
    chunk: int
    posted_leaf: bytes
    posted_path: tuple[bytes, ...]
    """From the leaf to the root that the master posted."""


class Withheld(Record, frozen=True):
    """A master whose root is wrong, and whose stored vector is missing or does not lead to that root."""

    part: Part


def find_fraud(own: Aggregate, posted: Roots, fetch: Callable[[Part], bytes | None]) -> Fraud | Withheld | None:
    """Compare a master's roots with one's own full recomputation; None if they agree.

    `fetch` returns the vector that the master stored for a part, or None. The first part that differs is judged: what
    follows from it differs too.
    """
    for part in Part:
        if posted.of(part) == own.roots.of(part):
            continue
        stored, right, domain = fetch(part), own.data(part), DOMAINS[part]
        if stored is None or len(stored) != len(right) or blake3_tree.root(stored, domain) != posted.of(part):
            return Withheld(part)
        chunk = first_difference(right, stored, domain.leaf_bytes)
        leaf = stored[chunk * domain.leaf_bytes : (chunk + 1) * domain.leaf_bytes]
        return Fraud(part, chunk, leaf, tuple(blake3_tree.path(stored, chunk, domain)))
    return None


def first_difference(one: bytes | memoryview, other: bytes | memoryview, leaf_bytes: int) -> int:
    """The first leaf that differs between two vectors of one length that are not equal."""
    differs = np.frombuffer(one, np.uint8) != np.frombuffer(other, np.uint8)
    return int(np.argmax(differs)) // leaf_bytes
