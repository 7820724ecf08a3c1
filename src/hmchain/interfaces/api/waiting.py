"""Places for those who wait: a thread is held as long, so that nobody may take them all, and some are always left.

For a block, for the whole log to be read, for a model's process, for a server of others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hmchain.errors import InputError


class TooManyWaitingError(InputError):
    """So many wait for something long already that no other is taken."""

    code = "too_many_waiting"


class Places:
    """So many places, and so many of one person; threads may share it."""

    def __init__(self, each: int, all: int) -> None:
        self._each, self._all, self._lock = each, all, threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, person: str) -> Iterator[None]:
        """Hold one. Raises `TooManyWaitingError` where there is none."""
        with self._lock:
            if self._taken[person] >= self._each or self._taken.total() >= self._all:
                raise TooManyWaitingError("so many wait for something long already", "try again in a moment")
            self._taken[person] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[person] -= 1
                self._taken += Counter()  # drops those who wait no more


LONG = Places(each=4, all=24)
"""Of the 40 threads that answer everybody."""
