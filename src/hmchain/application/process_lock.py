"""One process at a time: a file that its holder's id stands in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import HMChainError


@contextmanager
def held(path: Path, refused: Callable[[str], HMChainError]) -> Iterator[None]:
    """Hold the lock at `path`. Raises what `refused` makes of its holder (`process ID`) if another process has it."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip()
            raise refused(f"process {holder}" if holder else "another process") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
