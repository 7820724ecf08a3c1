"""Somebody's own trainer behind the protocol that agents drive: what it gets, and what is checked of what it returns.

An agent's safety does not hang on the trainer. What it returns is a model of the study's layers or nothing; the update
is clipped, ranged, rounded and masked as every other. And what a hospital sends must differ from round to round, or the
sums of two rounds over nearly the same model would tell of whoever is in one of them alone: so each round trains on a
half of the records that is drawn for it alone, from the hospital's own secret, whatever the trainer makes of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.application.learning.schedule import generator
from hmchain.application.learning.trainers.local import FitResult, Scores, Split, Vector
from hmchain.application.learning.trainers.trainer import Examples, Trainer, Weights
from hmchain.application.learning.trainers.worker import TrainerError, Worker
from hmchain.canonical import Record
from hmchain.ledger.arithmetic import FRACTION_BITS, START_LIMIT

RECORDS_MIN = 16
"""Of training, at one hospital: half of fewer are nearly the same in every round."""
_HALVES_STREAM, _TRAINING_STREAM = 0, 1
_WEIGHT_LIMIT = float(START_LIMIT >> FRACTION_BITS)
_START_NOISE = 1e-3


class TrainerLayer(Record, frozen=True):
    """One array of a model; they lie end to end in the vector of all weights."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape, dtype=np.int64))


Layers = tuple[TrainerLayer, ...]


def first_model(trainer: Trainer, name: str, seed: bytes) -> tuple[Layers, Vector]:
    """A trainer's first model, and a little noise of the seed: no two studies may start from the same weights.

    Raises `TrainerError`.
    """
    made = trainer.initial(generator(seed, 0))
    if not isinstance(made, Mapping) or not made or not all(isinstance(key, str) and key for key in made):
        raise TrainerError(f"the first model of {name} is no dict of arrays by name", "return {'w': array, ...}")
    arrays = {key: np.asarray(value, np.float64) for key, value in made.items()}
    layers = tuple(TrainerLayer(key, tuple(array.shape)) for key, array in arrays.items())
    vector = np.concatenate([array.reshape(-1) for array in arrays.values()])
    vector = (vector + _START_NOISE * generator(seed, 1).standard_normal(vector.size)).astype(np.float32)
    if not vector.size or not np.isfinite(vector).all() or np.abs(vector).max() >= _WEIGHT_LIMIT:
        what = f"the first model of {name} is empty, or holds numbers that are not finite or beyond {_WEIGHT_LIMIT:g}"
        raise TrainerError(what, "start from small numbers")
    return layers, vector


def as_arrays(vector: Vector, layers: Layers) -> Weights:
    """A copy of the weights, by name."""
    ends = np.cumsum([layer.size for layer in layers])
    parts = np.split(np.array(vector, np.float32), ends[:-1])
    return {layer.name: part.reshape(layer.shape) for layer, part in zip(layers, parts, strict=True)}


def as_vector(arrays: object, layers: Layers, name: str) -> Vector:
    """Arrays by name as one vector, if they are those of the layers and finite. Raises `TrainerError`."""
    if not isinstance(arrays, Mapping) or set(arrays) != {layer.name for layer in layers}:
        wanted = ", ".join(layer.name for layer in layers)
        raise TrainerError(f"{name} returned something else than arrays named {wanted}", "return the weights it got")
    parts: list[npt.NDArray[np.float32]] = []
    for layer in layers:
        part = np.asarray(arrays[layer.name])
        if part.shape != layer.shape or part.dtype.kind not in "fiub":
            what = f"{name} returned {layer.name} with shape {part.shape} of {part.dtype}, not {layer.shape} of numbers"
            raise TrainerError(what, "the shapes of the first model stay")
        parts.append(part.astype(np.float32).reshape(-1))
    vector = np.concatenate(parts)
    if not np.isfinite(vector).all():
        raise TrainerError(f"{name} returned numbers that are not finite", "training diverged: take smaller steps")
    return vector


def half(records: int, seed: bytes, round: int) -> npt.NDArray[np.int64]:
    """Which records a round trains on: a half drawn for it alone.

    No rounds may make up the whole together: the sums of two such pairs, over nearly the same model, would differ by
    nothing but who is missing in one of them.
    """
    return generator(seed, _HALVES_STREAM, round).permutation(records)[: records // 2]


class OwnTrainer:
    """A trainer of somebody's own, on one hospital's records."""

    def __init__(
        self, trainer: Trainer, name: str, layers: Layers, examples: Mapping[Split, Examples], seed: bytes
    ) -> None:
        """`seed` is the hospital's secret."""
        self._trainer, self._name, self._layers, self._seed = trainer, name, layers, seed
        self._examples = examples
        self._worker = Worker(name)

    def fit(self, weights: Vector, round: int) -> FitResult:
        """Train on the round's half. Raises `TrainerError`, or `StillAtWorkError` until it is done."""
        started = time.perf_counter()
        train = self._examples["train"]
        chosen = train[half(len(train), self._seed, round)]
        random = generator(self._seed, _TRAINING_STREAM, round)

        def work() -> Vector:
            after: Any = self._trainer.train(as_arrays(weights, self._layers), chosen, round, random)
            return as_vector(after, self._layers, f"{self._name} in train")

        vector = self._worker.ask("train", ("train", round, _mark(weights)), work)
        return FitResult(vector, len(train), float("nan"), time.perf_counter() - started)

    def evaluate(self, weights: Vector, split: Split) -> Scores:
        """Its score, in the place of an AUC. Raises what `fit` raises."""
        data = self._examples[split]

        def work() -> float:
            return _score(self._trainer.score(as_arrays(weights, self._layers), data), self._name)

        value = self._worker.ask("score", ("score", split, _mark(weights)), work)
        return Scores(len(data), float("nan"), float("nan"), value)


def _score(value: object, name: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise TrainerError(f"{name} in score returned no number from 0 to 1", "1 is best; accuracy or AUC, say")
    return number


def _mark(weights: Vector) -> bytes:
    return blake3(np.ascontiguousarray(weights).view(np.uint8).data).digest()
