"""A process for a trainer of somebody's own, which can be ended: a thread of the agent could not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe

import msgspec
import numpy as np

from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own_child import Answer, Begin, Score, Train
from hmchain.application.learning.trainers.worker import TrainerEndedError, TrainerError
from hmchain.processes import child_environment

_LIBRARIES = ("OMP_", "MKL_", "OPENBLAS_", "CUDA_", "NVIDIA_")
"""Settings of what trainers compute with, by how their names begin."""
_CHILD = "from hmchain.application.learning.trainers.own_child import main; main()"
_GONE_SECONDS = 5.0
_TEXT_MAX = 400


class TrainerProcess:
    """Started when it is first asked; again after it was ended, or ended by itself."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._name = str(begin.source)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stop: Callable[[], object] = _nothing

    def train(self, asked: Train, limit_seconds: float) -> Vector:
        """Trained weights. Raises `TrainerError`, or `TrainerEndedError` after `limit_seconds`."""
        found = np.frombuffer(self._ask(asked, "train", limit_seconds).weights, np.float32)
        if found.size != len(asked.weights) or not np.isfinite(found).all():
            raise TrainerError(f"{self._name} in train returned no model of the study", "its author mends it")
        return found

    def score(self, asked: Score, limit_seconds: float) -> float:
        """A score from 0 to 1. Raises as `train`."""
        found = self._ask(asked, "score", limit_seconds).score
        if not 0 <= found <= 1:
            raise TrainerError(f"{self._name} in score returned no number from 0 to 1", "its author mends it")
        return found

    def end(self) -> None:
        """End the process, from another thread than the one that asks; what was asked fails."""
        if self._process is not None:
            _kill(self._process)

    def _ask(self, asked: Train | Score, doing: str, limit_seconds: float) -> Answer:
        try:
            connection = self._connection or self._start()
            connection.send(asked)
            if not connection.poll(limit_seconds):
                raise TrainerEndedError.of(self._name, doing, limit_seconds)
            answer = msgspec.msgpack.decode(connection.recv_bytes(), type=Answer)
        except TrainerEndedError:
            self._forget()
            raise
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self._forget()
            what = f"the process of the trainer {self._name} ended by itself in {doing}"
            raise TrainerError(what, "see that there is memory for it; the rest is its author's to mend") from error
        if answer.failure:
            raise TrainerError(_one_line(answer.failure), _one_line(answer.hint))
        return answer

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(theirs.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C reaches the agent alone, and what the trainer starts ends with it
            )
        self._process, self._connection = process, ours
        self._stop = weakref.finalize(self, _stopped, process, ours)
        ours.send(self._begin)
        return ours

    def _forget(self) -> None:
        self._stop()
        self._process = self._connection = None


def _nothing() -> None:
    """No process is there to stop."""


def _stopped(process: subprocess.Popen[bytes], connection: Connection) -> None:
    _kill(process)
    connection.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GONE_SECONDS)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it started; the number of one that has ended and was not waited for is nobody else's."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    of_libraries = {name: value for name, value in os.environ.items() if name.startswith(_LIBRARIES)}
    return child_environment() | of_libraries


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_TEXT_MAX])
