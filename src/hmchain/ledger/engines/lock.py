"""One writer at a time: a directory that only one process may write."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from hmchain.errors import LedgerError


class SecondWriterError(LedgerError):
    """Another process writes this ledger."""

    code = "second_writer"


def hold(directory: Path) -> IO[str]:
    """Hold the directory's lock for as long as the returned file is open.

    Raises `LedgerError` if there is no such directory, `SecondWriterError` if another process holds it.
    """
    if not directory.is_dir():
        raise LedgerError(f"there is no ledger at {directory}", "give the directory of a ledger")
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SecondWriterError(
            f"another process writes the ledger in {directory}", "wait for it, or stop it; reading is always possible"
        ) from error
    return file
