"""Marks, by which items are remembered: of name and content, so that another one of the same name is another item.

Two CDs both hold `IM0001`, and every night writes a `Patient.ndjson`: a name alone would have the second one left out.
A mark that changes without need makes an item be extracted again, which adds nothing; one that does not change when
the content does would lose it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from hmchain.canonical import digest

_END_BYTES = 4096
_READ_BYTES = 1 << 20


def mark(name: str, *content: bytes) -> str:
    """Of an item whose content, or a checksum of it, is at hand."""
    return f"{name} {digest('item', name.encode(), *content).hex()}"


def mark_of_content(name: str, file: BinaryIO) -> str:
    """Of a file, by all its bytes from where it is read."""
    hasher = hashlib.sha256()
    while piece := file.read(_READ_BYTES):
        hasher.update(piece)
    return mark(name, hasher.digest())


def mark_of_large_file(name: str, path: Path) -> str:
    """Of one among many files that are large together: by its size, its times and both its ends.

    To read all of them once more would take a restart as long as the first run. The time of the last change (`ctime`)
    is set by the system whenever a file is written, whatever time its owner gives it; on discs that keep none, the ends
    tell. What cannot be read has a mark that no file has: opening it says what is wrong.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_END_BYTES)
            size = file.seek(0, 2)
            file.seek(max(size - _END_BYTES, 0))
            tail = file.read(_END_BYTES)
        found = path.stat()
    except OSError:
        return mark(name)
    times = (size, found.st_mtime_ns, found.st_ctime_ns)
    return mark(name, *(str(each).encode() for each in times), head, tail)
