"""Room for one item while it is read: in memory while it is small, then in a file without a name.

Such a file cannot be found by another program and is gone when it is closed or its process ends, however it ends.
The environment variable TMPDIR says on which disk it lies.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO, cast

from hmchain.records.sources.item import SourceError

MEMORY_BYTES = 8 << 20
"""Beyond this an item lies on disk, so that memory does not grow with its size."""


def spooled(pieces: Iterable[bytes]) -> BinaryIO:
    """The pieces one after another as a seekable file, from its start; whoever has it closes it.

    Raises `SourceError` if the disk is full, and what `pieces` raises.
    """
    spool = new_spool()
    try:
        for piece in pieces:
            _put(spool, piece)
        _put(spool, b"")
    except BaseException:
        with suppress(OSError):  # on a full disk closing fails too, and closes
            spool.close()
        raise
    spool.seek(0)
    return spool


def new_spool() -> BinaryIO:
    """An empty file of that kind."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES))


def _put(spool: BinaryIO, piece: bytes) -> None:
    """Write a piece; nothing writes what is still waiting to be."""
    try:
        if piece:
            spool.write(piece)
        else:
            spool.flush()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        hint = "free space there, or name another folder in TMPDIR; then the same command goes on"
        raise SourceError(f"there is no room in {tempfile.gettempdir()} to read an item", hint) from error
