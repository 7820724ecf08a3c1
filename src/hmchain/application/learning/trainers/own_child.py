"""The process in which a trainer of somebody's own trains and scores; `own_process` starts it.

What is asked comes as pickles from the agent, which started this and may be trusted; answers are plain bytes, since
code of somebody else's is behind them. A thread serves, so that the main one notices at once when the agent is gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hmchain.application.learning.trainers.local import Split, Vector
from hmchain.application.learning.trainers.own import Layers, score_once, train_once
from hmchain.application.learning.trainers.source import TrainerSource
from hmchain.application.learning.trainers.trainer import Examples, Option, Trainer
from hmchain.application.learning.trainers.worker import failed, of_others
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.processes import leave_no_core_dump


class Begin(NamedTuple):
    """What such a process is given first: accepted code, what a study pins for it, and the hospital's records."""

    source: TrainerSource
    schema: Schema
    options: dict[str, Option]
    layers: Layers
    examples: dict[Split, Examples]
    search: list[str]
    """Where the agent looks for what the code imports besides."""


class Train(NamedTuple):
    """Ask for a round of training."""

    weights: Vector
    chosen: npt.NDArray[np.int64]
    """The places of the records of the round."""
    round: int
    random: np.random.Generator


class Score(NamedTuple):
    """Ask for the score of a model."""

    weights: Vector
    split: Split


class Answer(msgspec.Struct, frozen=True):
    """Trained weights, a score, or why there is neither."""

    weights: bytes = b""
    score: float = 0.0
    failure: str = ""
    hint: str = ""


class _Bench:
    """The trainer with its records."""

    def __init__(self, given: Begin) -> None:
        sys.path[:] = given.search
        kind = given.source.load()
        self._name, self._layers = str(given.source), given.layers
        self._trainer: Trainer = of_others(self._name, "__init__", lambda: kind(given.schema, given.options))
        self._examples = {split: each.as_read_only() for split, each in given.examples.items()}

    def do(self, asked: Train | Score) -> Answer:
        if isinstance(asked, Score):
            data = self._examples[asked.split]
            return Answer(score=score_once(self._trainer, self._name, self._layers, asked.weights, data))
        data = self._examples["train"][asked.chosen]
        given = (self._trainer, self._name, self._layers, asked.weights, data, asked.round, asked.random)
        return Answer(weights=train_once(*given).tobytes())


def _answered(name: str, doing: str, work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except HMChainError as error:
        return Answer(failure=error.what, hint=error.hint or "")
    except BaseException as error:  # whatever it is, the agent is told its kind and place
        told = failed(name, doing, error)
        return Answer(failure=told.what, hint=told.hint or "")


def _serve(connection: Connection, requests: SimpleQueue[Any]) -> None:
    given: Begin = requests.get()
    made: list[_Bench] = []

    def do(asked: Train | Score) -> Answer:
        made[:] = made or [_Bench(given)]
        return made[0].do(asked)

    while True:
        asked = requests.get()
        doing = type(asked).__name__.lower()
        answer = _answered(str(given.source), doing, lambda asked=asked: do(asked))  # type: ignore[misc]
        connection.send_bytes(msgspec.msgpack.encode(answer))


def main() -> None:
    """Serve until the agent hangs up."""
    leave_no_core_dump()  # it holds patients' data
    connection, requests = Connection(int(sys.argv[1])), SimpleQueue[Any]()
    Thread(target=_serve, args=(connection, requests), daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            requests.put(connection.recv())
    os._exit(0)  # whatever the trainer is doing
