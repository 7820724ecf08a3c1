"""Keep a log from filling the disk: what is old goes into numbered files beside it, and the oldest of those goes.

Several processes append to one log and hold it open, so the file itself stays: it is copied and emptied. What they
write between the two is lost, a line at most.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LOG_BYTES_MAX = 16 << 20
LOGS_KEPT = 4
"""Besides the one that is written to."""


def rotate(log: Path, bytes_max: int = LOG_BYTES_MAX, kept: int = LOGS_KEPT) -> bool:
    """Begin a log anew once it is larger than `bytes_max`; whether that was done.

    Everybody who writes to it must append. What it held is then in `NAME.1`, what that held in `NAME.2`, and so on.
    Where the disk has no room for the copy the log grows on.
    """
    try:
        if log.stat().st_size <= bytes_max:
            return False
        fresh = _numbered(log, 0)
        shutil.copyfile(log, fresh)
        for number in range(kept, 0, -1):
            if _numbered(log, number - 1).exists():
                _numbered(log, number - 1).replace(_numbered(log, number))
        os.truncate(log, 0)
    except OSError:
        _numbered(log, 0).unlink(missing_ok=True)
        return False
    return True


def _numbered(log: Path, number: int) -> Path:
    """The log before the last `number` rotations; 0 is the copy that is being made."""
    return log.with_name(f"{log.name}.{number}")
