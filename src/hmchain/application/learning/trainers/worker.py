"""Calls into code that is not ours: one at a time, in a thread, so that the agent goes on with its other work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Self, TypeVar, cast

from hmchain.application.learning.quantise import UpdateError
from hmchain.application.learning.trainers.allowance import UsedUpError
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


class TrainerEndedError(TrainerError):
    """A trainer took longer than its study gives it, and was ended."""

    code = "trainer_ended"

    @classmethod
    def of(cls, name: str, doing: str, seconds: float) -> Self:
        """One that was ended after so long in a method."""
        what = f"the trainer {name} was ended: after {seconds:.0f} s in {doing} its study's time for it was over"
        phase = "commit" if doing == "train" else "gate"
        hint = f"the round goes on without this hospital; {phase} under [deadlines] in study.toml gives a study more"
        return cls(what, hint)


class Worker:
    """Runs the calls of one study's trainer. Asked the same again, it gives the answer of the call that runs."""

    def __init__(self, name: str, end: Callable[[str, float], object] | None = None) -> None:
        """`end` has a call that runs fail soon, if there is a way to; it gets the method, and for how long it ran."""
        self._name, self._end = name, end
        self._call: _Call | None = None
        self._ended: tuple[Hashable, TrainerEndedError] | None = None

    def ask(self, doing: str, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` returns, once. Raises `StillAtWorkError` or `TrainerBusyError`; `TrainerError` or `UsedUpError`
        if it failed.

        What took too long is not tried again.
        """
        if self._call is not None and self._call.key != key:
            self._drop(self._call)
        if self._ended is not None and self._ended[0] == key:
            raise self._ended[1]
        call = self._call = self._call or _Call(doing, key, work)
        if not call.done.wait(PATIENCE_SECONDS):
            raise self._busy(call)
        self._call = None
        if isinstance(call.error, TrainerEndedError):
            self._ended = key, call.error
        if call.error is not None:
            raise failed(self._name, doing, call.error)
        return cast(T, call.answer)  # of this very `work`, or of the same that was asked before

    def _drop(self, call: _Call) -> None:
        """Nobody asks for its answer any more."""
        if not call.done.wait(PATIENCE_SECONDS) and self._end is not None:
            self._end(call.doing, time.monotonic() - call.started)
        if not call.done.wait(PATIENCE_SECONDS):
            raise self._busy(call)
        self._call = None

    def _busy(self, call: _Call) -> TrainerBusyError:
        minutes = int((time.monotonic() - call.started) // 60)
        if time.monotonic() - call.started < LONG_SECONDS:
            return StillAtWorkError(f"the trainer {self._name} is at work")
        what = f"the trainer {self._name} has been in {call.doing} for {minutes} minute{'s' * (minutes > 1)}"
        if self._end is not None:
            return TrainerBusyError(what, "wait: when its study's time for it is over, it is ended")
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


def failed(name: str, doing: str, error: BaseException) -> TrainerError | UsedUpError:
    """The error to tell: one of our checks, or kind and place alone, since a text may quote a patient's data."""
    if isinstance(error, TrainerError | UsedUpError):
        return error
    return _untold(name, doing, error)


def _untold(name: str, doing: str, error: BaseException) -> TrainerError:
    return TrainerError(f"the trainer {name} failed in {doing}: {place_of(error, name.rpartition(':')[0])}", _TRY)


_TRY = "its author tries it on rows of made-up data; the study goes on without this hospital, or waits"
