"""Work that goes apart: done in the test's own process, where a test is of what is done; and work for its own tests."""

from __future__ import annotations

import os
import pickle
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hmchain import correlation
from hmchain.apart import received
from hmchain.plain import Progress


def here(work: Callable[..., Any], *given: Any, progress: Any = None, **named: Any) -> Any:
    """As `hmchain.apart.once`: what is handed over can be, and what is answered is values of ours."""
    pickle.dumps((work, given, named))
    return received(pickle.dumps(work(*given, **named, **({} if progress is None else {"progress": progress}))))


def surroundings(name: str, progress: Progress) -> tuple[str, int, str]:
    """A variable of the environment, how much the process gives way, and for which request it works."""
    progress(3, 10)
    return os.environ.get(name, ""), os.nice(0), correlation.current()


def for_ever(mark: Path, progress: Progress) -> None:
    """Work without an end, beside a program that was started for it."""
    mark.write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    while True:
        progress(1, None)
        time.sleep(0.01)


class Hostile:
    """An answer that does something where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)
