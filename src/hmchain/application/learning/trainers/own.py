"""Somebody's own trainer behind the protocol that agents drive: what it gets, and what is checked of what it returns.

An agent's safety does not hang on the trainer. What it returns is a model of the study's layers or nothing; the update
is clipped, ranged, rounded and masked as every other. And what a hospital sends must differ from round to round, or the
sums of two rounds over nearly the same model would tell of whoever is in one of them alone: so each round trains on an
eighth of the records that is drawn for it alone, from the hospital's own secret, whatever the trainer makes of it. How
far a round moves the model does not count (`benchmarks/trainer_leakage.py`): what differs is what was drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hmchain.application.learning.schedule import generator
from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.trainer import Examples, Inputs, Trainer, Weights
from hmchain.application.learning.trainers.worker import TrainerError, of_others
from hmchain.canonical import Record
from hmchain.ledger.arithmetic import FRACTION_BITS, START_LIMIT

DRAWN_SHARE = 8
"""One in so many training records is drawn for a round: at a half, sums of few rounds told of who missed one."""
RECORDS_MIN = 16
"""Of training, at one hospital: of fewer, a round would draw a single one."""
_DRAWN_STREAM = 0
_WEIGHT_LIMIT = float(START_LIMIT >> FRACTION_BITS)
_START_NOISE = 1e-3
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
"""Of an array. All members read it, and a model's file has words of its own that begin with _."""
Arrays = dict[str, npt.NDArray[Any]]


class TrainerLayer(Record, frozen=True):
    """One array of a model; they lie end to end in the vector of all weights."""

    name: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise TrainerError("an array of a model has a name of other than letters, digits, _ and .", "rename it")

    @property
    def size(self) -> int:
        """Numbers in it."""
        return int(np.prod(self.shape, dtype=np.int64))


Layers = tuple[TrainerLayer, ...]


def first_model(trainer: Trainer, name: str, seed: bytes) -> tuple[Layers, Vector]:
    """A trainer's first model, and a little noise of the seed: no two studies may start from the same weights.

    Raises `TrainerError`.
    """
    made = of_others(name, "initial", lambda: _plain(trainer.initial(generator(seed, 0))))
    if not made or not all(_NAME.fullmatch(key) for key in made):
        what = f"the first model of {name} is no dict of arrays, by names of letters, digits, _ and ."
        raise TrainerError(what, "return {'w': array, ...}")
    arrays = of_others(name, "initial", lambda: {key: value.astype(np.float64) for key, value in made.items()})
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


def as_vector(arrays: Arrays | None, layers: Layers, name: str) -> Vector:
    """Arrays by name as one vector, if they are those of the layers and finite. Raises `TrainerError`."""
    if arrays is None or set(arrays) != {layer.name for layer in layers}:
        wanted = ", ".join(layer.name for layer in layers)
        raise TrainerError(f"{name} returned something else than arrays named {wanted}", "return the weights it got")
    parts: list[npt.NDArray[np.float32]] = []
    for layer in layers:
        part = arrays[layer.name]
        if part.shape != layer.shape or part.dtype.kind not in "fiub":
            what = f"{name} returned {layer.name} with another shape than {layer.shape}, or not of numbers"
            raise TrainerError(what, "the shapes of the first model stay")
        parts.append(part.astype(np.float32).reshape(-1))
    vector = np.concatenate(parts)
    if not np.isfinite(vector).all():
        raise TrainerError(f"{name} returned numbers that are not finite", "training diverged: take smaller steps")
    return vector


def drawn(records: int, seed: bytes, round: int) -> npt.NDArray[np.int64]:
    """Which records a round trains on: an eighth, drawn for it alone.

    No rounds may make up the whole together: the sums of two such sets of rounds, over nearly the same model, would
    differ by nothing but who is missing in one of them.
    """
    return generator(seed, _DRAWN_STREAM, round).permutation(records)[: records // DRAWN_SHARE]


def train_once(
    trainer: Trainer,
    name: str,
    layers: Layers,
    weights: Vector,
    data: Examples,
    round: int,
    random: np.random.Generator,
) -> Vector:
    """What a trainer makes of some weights in a round. Raises `TrainerError`."""
    given = as_arrays(weights, layers)
    after = of_others(name, "train", lambda: _plain(trainer.train(given, data, round, random)))
    return as_vector(after, layers, f"{name} in train")


def score_once(trainer: Trainer, name: str, layers: Layers, weights: Vector, data: Examples) -> float:
    """A trainer's score of some weights, from 0 to 1. Raises `TrainerError`."""
    given = as_arrays(weights, layers)
    value = of_others(name, "score", lambda: _number(trainer.score(given, data)))
    if not 0 <= value <= 1:
        raise TrainerError(f"{name} in score returned no number from 0 to 1", "1 is best; accuracy or AUC, say")
    return value


def predict_once(
    trainer: Trainer, name: str, layers: Layers, weights: Vector, inputs: Inputs, classes: int
) -> npt.NDArray[np.float64]:
    """A trainer's shares of each class under some weights, (n, classes). Raises `TrainerError`."""
    given = as_arrays(weights, layers)
    made = of_others(name, "predict", lambda: np.asarray(trainer.predict(given, inputs)))
    return as_shares(made, len(inputs), classes, name)


def as_shares(found: npt.NDArray[Any], rows: int, classes: int, name: str) -> npt.NDArray[np.float64]:
    """What such code returned as shares of classes, from 0 to 1. Raises `TrainerError`."""
    if found.shape != (rows, classes) or found.dtype.kind not in "fiub" or not ((found >= 0) & (found <= 1)).all():
        what = f"{name} in predict returned no shares of {classes} classes for each of {rows} records"
        raise TrainerError(what, "return an array of numbers from 0 to 1")
    return found.astype(np.float64)


def _plain(made: object) -> Arrays | None:
    """What such code returned, as arrays of numpy's own kind by plain names; None if it is no mapping of texts."""
    if not isinstance(made, Mapping) or not all(isinstance(key, str) for key in made):
        return None
    return {str(key): np.asarray(value) for key, value in made.items()}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
