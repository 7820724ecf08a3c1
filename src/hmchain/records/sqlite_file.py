"""What vault and catalogue do alike with their SQLite files: leave nothing of deleted rows, and copy them in use."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_PAUSE_SECONDS = 0.02
_COPIED_PAGES = 4096  # at a time, so that writers get their turn


def empty_log(database: sqlite3.Connection, seconds: float) -> bool:
    """Empty SQLite's log, which keeps deleted rows until then; False if another process reads it for so long."""
    deadline = time.monotonic() + seconds
    while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def copy_to(database: sqlite3.Connection, path: Path) -> None:
    """Copy an open file, while it is in use, to a new one of mode 0600. Raises `OSError` if there is one."""
    path.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(path)) as copy:
        database.backup(copy, pages=_COPIED_PAGES)
