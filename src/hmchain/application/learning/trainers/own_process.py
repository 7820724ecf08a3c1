"""A process for a trainer of somebody's own, which can be ended: a thread of the agent could not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from socket import SHUT_RDWR, socketpair
from threading import Event, Lock, Timer

import msgspec
import numpy as np
import numpy.typing as npt

from hmchain import decoding
from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own import as_shares
from hmchain.application.learning.trainers.own_child import TEXT_MAX, Answer, Begin, Predict, Score, Train
from hmchain.application.learning.trainers.worker import TrainerEndedError, TrainerError
from hmchain.processes import child_environment, cpu_ms, kill_descendants, memory_bytes

CHILD = (sys.executable, "-P", "-c", "from hmchain.application.learning.trainers.own_child import main; main()")
"""The command of such a process, which takes the number of its end of the line."""
_LIBRARIES = ("OMP_", "MKL_", "OPENBLAS_", "CUDA_", "NVIDIA_")
"""Settings of what trainers compute with, by how their names begin."""
_GONE_SECONDS = 5.0
_BESIDE_WEIGHTS = 4096
"""Bytes of an answer: its other fields, and texts of letters of up to four bytes each."""


class TrainerProcess:
    """Started when it is first asked; again after it was ended, or ended by itself."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._name = str(begin.source)
        self._child: _Child | None = None
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

    def predict(self, asked: Predict, limit_seconds: float) -> npt.NDArray[np.float64]:
        """Shares of each class, (n, classes). Raises as `train`."""
        found = np.frombuffer(self._ask(asked, "predict", limit_seconds).shares, np.float64)
        rows = len(asked.inputs)
        made = found.reshape(rows, asked.classes) if found.size == rows * asked.classes else found
        return as_shares(made, rows, asked.classes, self._name)

    def end(self) -> None:
        """End the process, from another thread than the one that asks; what was asked fails."""
        if self._child is not None:
            self._child.end()

    def memory_bytes(self) -> int:
        """Memory that the process holds with all that it started, or held once; 0 if there is none."""
        child = self._child
        return 0 if child is None else memory_bytes(child.number)

    def cpu_ms(self) -> int:
        """CPU time that the process took with all that it started; 0 if there is none."""
        child = self._child
        return 0 if child is None else cpu_ms(child.number)

    def _ask(self, asked: Train | Score | Predict, doing: str, limit_seconds: float) -> Answer:
        try:
            answer = decoding.from_msgpack(self._answer(asked, limit_seconds), Answer)
        except TimeoutError:
            self._forget()
            raise TrainerEndedError.of(self._name, doing, limit_seconds) from None
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self._forget()
            what = f"the process of the trainer {self._name} ended by itself in {doing}, or gave no answer to be read"
            raise TrainerError(what, "see that there is memory for it; the rest is its author's to mend") from error
        if answer.failure:
            raise TrainerError(_one_line(answer.failure), _one_line(answer.hint))
        return answer

    def _answer(self, asked: Train | Score | Predict, limit_seconds: float) -> bytes:
        shares = 8 * len(asked.inputs) * asked.classes if isinstance(asked, Predict) else 0
        bytes_max = max(asked.weights.nbytes, shares) + _BESIDE_WEIGHTS
        if self._child is not None and not self._child.ended.is_set():
            return self._child.ask([asked], bytes_max, limit_seconds)
        self._forget()
        self._child = child = _Child()
        self._stop = weakref.finalize(self, child.close)
        return child.ask([self._begin, asked], bytes_max, limit_seconds)

    def _forget(self) -> None:
        self._stop()
        self._child = None


def _nothing() -> None:
    """No process is there to stop."""


class _Child:
    """One such process, and the line to it."""

    def __init__(self) -> None:
        self._line, theirs = socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*CHILD, str(theirs.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C reaches the agent alone
            )
        self._connection = Connection(os.dup(self._line.fileno()))
        self._killing = Lock()
        self.ended = Event()
        """Set once somebody ended it."""

    @property
    def number(self) -> int:
        """The process's."""
        return self._process.pid

    def ask(self, requests: Iterable[object], bytes_max: int, limit_seconds: float) -> bytes:
        """What it answers to the last request. Raises `EOFError` or `OSError`: `TimeoutError` if it was late.

        Whatever it does: it may read nothing, or begin an answer and never finish it.
        """
        late = Event()

        def end_late() -> None:
            late.set()
            self.end()

        timer = Timer(limit_seconds, end_late)
        timer.daemon = True
        timer.start()
        try:
            for each in requests:
                self._connection.send(each)
            return self._connection.recv_bytes(bytes_max)
        finally:
            timer.cancel()
            if late.is_set():
                raise TimeoutError

    def end(self) -> None:
        """End it, with all that it started, from any thread."""
        self.ended.set()
        with self._killing:
            if self._process.returncode is None:  # so its number is nobody else's
                _kill(self._process.pid)
        with suppress(OSError):
            self._line.shutdown(SHUT_RDWR)  # whoever asks wakes up, even if somebody still holds the other end

    def close(self) -> None:
        """End it, and let go of it."""
        self.end()
        self._connection.close()
        self._line.close()
        with self._killing, suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_SECONDS)


def _kill(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGSTOP)  # so that it starts no more
        kill_descendants(leader)
        os.killpg(leader, signal.SIGKILL)


def _environment() -> dict[str, str]:
    of_libraries = {name: value for name, value in os.environ.items() if name.startswith(_LIBRARIES)}
    return child_environment() | of_libraries


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:TEXT_MAX])
