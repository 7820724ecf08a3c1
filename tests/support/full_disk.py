"""A disk that takes no more: SQLite's own limit on the pages of a file that is open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hmchain import sqlite

_PAGES = 1_000_000


class Disk:
    """The disk under SQLite files that were opened while it was watched."""

    def __init__(self) -> None:
        self.files: dict[Path, sqlite3.Connection] = {}

    def fill(self, path: Path) -> None:
        """Leave a file the pages that it has."""
        ((pages,),) = self.files[path].execute("PRAGMA page_count").fetchall()
        self.files[path].execute(f"PRAGMA max_page_count = {pages}")

    def free(self, path: Path) -> None:
        """Let it grow again."""
        self.files[path].execute(f"PRAGMA max_page_count = {_PAGES}")


@contextmanager
def watched_disk() -> Iterator[Disk]:
    """Watch the files that are opened in the block."""
    disk, open_file = Disk(), sqlite.open_file

    def watched(path: Path | None, *given: Any, **named: Any) -> sqlite3.Connection:
        connection = open_file(path, *given, **named)
        if path is not None:
            disk.files[path] = connection
        return connection

    with mock.patch.object(sqlite, "open_file", watched):
        yield disk
