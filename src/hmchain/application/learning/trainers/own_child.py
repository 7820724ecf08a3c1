"""The process in which a trainer of somebody's own trains and scores; `own_process` starts it.

What is asked comes as pickles from the agent, which started this and may be trusted; answers are plain bytes, since
code of somebody else's is behind them. A thread serves, so that the main one notices at once when the agent is gone.
Records come with each question, and no others than it is about.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own import Layers, predict_once, score_once, train_once
from hmchain.application.learning.trainers.source import TrainerSource
from hmchain.application.learning.trainers.trainer import Examples, Inputs, Option, Trainer
from hmchain.application.learning.trainers.worker import failed, of_others
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.processes import keep_orphans, kill_descendants, leave_no_core_dump

TEXT_MAX = 400
"""Letters of each text of an answer."""


class Begin(NamedTuple):
    """What such a process is given first: accepted code, and what a study pins for it."""

    source: TrainerSource
    schema: Schema
    options: dict[str, Option]
    layers: Layers
    search: list[str]
    """Where the agent looks for what the code imports besides."""


class Train(NamedTuple):
    """Ask for a round of training."""

    weights: Vector
    data: Examples
    """The records of the round."""
    round: int
    random: np.random.Generator


class Score(NamedTuple):
    """Ask for the score of a model."""

    weights: Vector
    data: Examples


class Predict(NamedTuple):
    """Ask for the shares of so many classes."""

    weights: Vector
    inputs: Inputs
    classes: int


class Answer(msgspec.Struct, frozen=True):
    """Trained weights, a score, shares of classes, or why there is none of them."""

    weights: bytes = b""
    score: float = 0.0
    shares: bytes = b""
    """(n, classes), float64."""
    failure: str = ""
    hint: str = ""


class _Bench:
    """The trainer of a study."""

    def __init__(self, given: Begin) -> None:
        sys.path[:] = given.search
        kind = given.source.load()
        self._name, self._layers = str(given.source), given.layers
        self._trainer: Trainer = of_others(self._name, "__init__", lambda: kind(given.schema, given.options))

    def do(self, asked: Train | Score | Predict) -> Answer:
        if isinstance(asked, Predict):
            shares = predict_once(self._trainer, self._name, self._layers, *asked)
            return Answer(shares=np.ascontiguousarray(shares).tobytes())
        if isinstance(asked, Score):
            data = asked.data.as_read_only()
            return Answer(score=score_once(self._trainer, self._name, self._layers, asked.weights, data))
        given = (self._trainer, self._name, self._layers, *asked)
        return Answer(weights=train_once(*given).tobytes())


def _answered(name: str, doing: str, work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except HMChainError as error:
        return _failure(error)
    except BaseException as error:  # whatever it is, the agent is told its kind and place
        return _failure(failed(name, doing, error))


def _failure(error: HMChainError) -> Answer:
    return Answer(failure=error.what[:TEXT_MAX], hint=(error.hint or "")[:TEXT_MAX])


def _serve(connection: Connection, requests: SimpleQueue[Any]) -> None:
    given: Begin = requests.get()
    made: list[_Bench] = []

    def do(asked: Train | Score | Predict) -> Answer:
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
    keep_orphans()
    connection, requests = Connection(int(sys.argv[1])), SimpleQueue[Any]()
    Thread(target=_serve, args=(connection, requests), daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            requests.put(connection.recv())
    _end()


def _end() -> None:
    """With all that the trainer started, and whatever it is doing: an agent that was killed ends nothing any more."""
    kill_descendants(os.getpid())
    with suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)
