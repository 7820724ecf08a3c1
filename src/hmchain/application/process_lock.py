"""One process at a time: a file that its holder's id stands in."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hmchain.errors import HMChainError

_LOOK_SECONDS = 0.2
"""For so long a lock may seem taken because somebody looks who holds it."""


@contextmanager
def held(path: Path, refused: Callable[[str], HMChainError]) -> Iterator[None]:
    """Hold the lock at `path`. Raises what `refused` makes of its holder (`process ID`) if another process has it."""
    with path.open("a+") as file:
        if not _taken(file, fcntl.LOCK_EX, time.monotonic() + _LOOK_SECONDS):
            raise refused(_named(file))
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(path: Path) -> str | None:
    """Who holds the lock at `path` (`process ID`); None if nobody does."""
    try:
        with path.open() as file:
            return None if _taken(file, fcntl.LOCK_SH) else _named(file)
    except FileNotFoundError:
        return None


def _taken(file: IO[str], kind: int, deadline: float = 0.0) -> bool:
    """Whether we have the lock now, until the file is closed."""
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
        time.sleep(0.01)


def _named(file: IO[str]) -> str:
    file.seek(0)
    number = file.read().strip()
    return f"process {number}" if number else "another process"
