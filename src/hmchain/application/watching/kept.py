"""Values that are gathered when somebody asks, and kept for a while: a thousand who ask cost as much as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is gathered again once it is old. One thread gathers; the others take the old one meanwhile.

    So whoever asks while a store does not answer holds up nobody but the first.
    """

    def __init__(self, gather: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gather, self._seconds, self._clock, self._turn = gather, seconds, clock, threading.Lock()
        self._found: tuple[T, float] | None = None

    def get(self) -> T:
        """The value: waited for where there is none yet. Raises what gathering it raises."""
        found = self._found
        if found is not None and (self._clock() < found[1] or not self._turn.acquire(blocking=False)):
            return found[0]
        if found is None:
            self._turn.acquire()
        try:
            if self._found is None or self._clock() >= self._found[1]:
                self._found = self._gather(), self._clock() + self._seconds
            return self._found[0]
        finally:
            self._turn.release()
