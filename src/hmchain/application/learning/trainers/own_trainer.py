"""Somebody's own trainer, as an agent drives it: on this hospital's records, in a process of its own, for so long."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from blake3 import blake3

from hmchain.application.learning.schedule import generator
from hmchain.application.learning.trainers.allowance import Allowance, Work
from hmchain.application.learning.trainers.local import FitResult, Scores, Split, Vector
from hmchain.application.learning.trainers.own import drawn
from hmchain.application.learning.trainers.own_child import Begin, Score, Train
from hmchain.application.learning.trainers.own_process import TrainerProcess
from hmchain.application.learning.trainers.trainer import Examples
from hmchain.application.learning.trainers.worker import TrainerEndedError, Worker
from hmchain.ledger.contracts.learning.studies import Deadlines

_TRAINING_STREAM = 1
A = TypeVar("A")
T = TypeVar("T")


def _to_nobody(_: str) -> None:
    """Whoever has no log."""


def _looked_at(process: TrainerProcess) -> Work:
    """Of a process that is not kept by it: once nobody can ask it any more it ends, and takes nothing."""
    found = weakref.ref(process)

    def of(do: Callable[[TrainerProcess], int | None]) -> Callable[[], int]:
        return lambda: ((alive := found()) and do(alive)) or 0

    return Work(of(TrainerProcess.memory_bytes), of(TrainerProcess.end), of(TrainerProcess.cpu_ms))


class OwnTrainer:
    """A trainer of somebody's own, on one hospital's records."""

    def __init__(
        self,
        begin: Begin,
        examples: Mapping[Split, Examples],
        seed: bytes,
        deadlines: Deadlines,
        allowance: Allowance,
        tell: Callable[[str], object] = _to_nobody,
    ) -> None:
        """`seed` is the hospital's secret; nothing may take longer than the study gives the phase it is asked in, nor
        more than the `allowance` has left.

        `tell` is told of what was ended, once, by whatever thread.
        """
        self._examples, self._seed = examples, seed
        self._train_seconds, self._score_seconds = deadlines.commit_ms / 1000, deadlines.gate_ms / 1000
        self._process = TrainerProcess(begin)
        self._allowance, self._work = allowance, _looked_at(self._process)
        self._name, self._tell = str(begin.source), tell
        self._worker = Worker(self._name, self._end_late)

    def fit(self, weights: Vector, round: int) -> FitResult:
        """Train on the round's records. Raises `TrainerError` or `UsedUpError`; `StillAtWorkError` until it is done."""
        started = time.perf_counter()
        key = ("train", round, _mark(weights))
        vector = self._worker.ask(
            "train", key, lambda: self._told(self._process.train, self._round(weights, round), self._train_seconds)
        )
        return FitResult(vector, len(self._examples["train"]), float("nan"), time.perf_counter() - started)

    def _round(self, weights: Vector, round: int) -> Train:
        train = self._examples["train"]
        random = generator(self._seed, _TRAINING_STREAM, round)
        return Train(weights, train[drawn(len(train), self._seed, round)], round, random)

    def evaluate(self, weights: Vector, split: Split) -> Scores:
        """Its score, in the place of an AUC. Raises what `fit` raises."""
        asked, key = Score(weights, self._examples[split]), ("score", split, _mark(weights))
        value = self._worker.ask("score", key, lambda: self._told(self._process.score, asked, self._score_seconds))
        return Scores(len(self._examples[split]), float("nan"), float("nan"), value)

    def end(self) -> None:
        """End its process, whatever it is at."""
        self._process.end()

    def _told(self, ask: Callable[[A, float], T], asked: A, limit_seconds: float) -> T:
        try:
            with self._allowance.at_work(self._work):
                return ask(asked, limit_seconds)
        except TrainerEndedError as error:
            self._tell(str(error))
            raise

    def _end_late(self, doing: str, seconds: float) -> None:
        """The round went on while it was at work."""
        self._process.end()
        self._tell(str(TrainerEndedError.of(self._name, doing, seconds)))


def _mark(weights: Vector) -> bytes:
    return blake3(np.ascontiguousarray(weights).view(np.uint8).data).digest()
