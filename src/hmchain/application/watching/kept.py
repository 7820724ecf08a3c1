"""Values that are gathered when somebody asks, and kept for a while: a thousand who ask cost as much as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is gathered again once it is old; one thread gathers, and the others wait for it."""

    def __init__(self, gather: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gather, self._seconds, self._clock, self._turn = gather, seconds, clock, threading.Lock()
        self._found: tuple[T, float] | None = None

    def get(self) -> T:
        """The value, at most so many seconds old. Raises what gathering it raises."""
        with self._turn:
            if self._found is None or self._clock() >= self._found[1]:
                value = self._gather()
                self._found = value, self._clock() + self._seconds
            return self._found[0]
