"""Calls into code that is not ours: one at a time, in a thread, so that the agent goes on with its other work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from hmchain.application.learning.quantise import UpdateError
from hmchain.application.learning.trainers.source import place_of
from hmchain.errors import StudyError

T = TypeVar("T")

PATIENCE_SECONDS = 0.5
"""An answer that comes within is had at once; later ones at a later step of the agent."""
LONG_SECONDS = 60.0
"""After which it is told that the study waits for its trainer."""


class TrainerBusyError(StudyError):
    """A trainer is at work for long; its study waits."""

    code = "trainer_busy"


class StillAtWorkError(TrainerBusyError):
    """A trainer is at work, as is usual: ask again later."""


class TrainerError(UpdateError):
    """A trainer of somebody's own failed, or returned what is no model or no score."""

    code = "trainer"


class Worker:
    """Runs the calls of one study's trainer. Asked the same again, it gives the answer of the call that runs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._call: _Call | None = None

    def ask(self, doing: str, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` returns, once. Raises `StillAtWorkError`, `TrainerBusyError`, or `TrainerError` if it failed."""
        call = self._call
        if call is not None and call.key != key and call.done.wait(PATIENCE_SECONDS):
            call = None  # nobody asks for its answer any more
        if call is None:
            call = self._call = _Call(doing, key, work)
        if call.key != key or not call.done.wait(PATIENCE_SECONDS):
            raise self._busy(call)
        self._call = None
        if call.error is not None:
            raise failed(self._name, doing, call.error)
        return cast(T, call.answer)  # of this very `work`, or of the same that was asked before

    def _busy(self, call: _Call) -> TrainerBusyError:
        minutes = int((time.monotonic() - call.started) // 60)
        if time.monotonic() - call.started < LONG_SECONDS:
            return StillAtWorkError(f"the trainer {self._name} is at work")
        what = f"the trainer {self._name} has been in {call.doing} for {minutes} minute{'s' * (minutes > 1)}"
        return TrainerBusyError(what, "if it never ends, start the agent again; revoke or close the study")


class _Call:
    """One call, in a thread that ends with the process."""

    def __init__(self, doing: str, key: Hashable, work: Callable[[], object]) -> None:
        self.doing, self.key = doing, key
        self.answer: object = None
        self.error: BaseException | None = None
        self.started = time.monotonic()
        self.done = threading.Event()
        threading.Thread(target=self._run, args=(work,), name=f"trainer {doing}", daemon=True).start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            self.answer = work()
        except BaseException as error:  # whatever it is, it is not the agent's
            self.error = error
        finally:
            self.done.set()


def of_others(name: str, doing: str, call: Callable[[], T]) -> T:
    """What a call into such code gives. Raises `TrainerError`, which says none of the words that the code raised."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        raise _untold(name, doing, error) from None


def failed(name: str, doing: str, error: BaseException) -> TrainerError:
    """The error to tell: one of our checks, or kind and place alone, since a text may quote a patient's data."""
    if isinstance(error, TrainerError):
        return error
    return _untold(name, doing, error)


def _untold(name: str, doing: str, error: BaseException) -> TrainerError:
    return TrainerError(f"the trainer {name} failed in {doing}: {place_of(error, name.rpartition(':')[0])}", _TRY)


_TRY = "its author tries it on rows of made-up data; the study goes on without this hospital, or waits"
