"""A list of what became of every file, by name, for a steward: names may tell who a patient is."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol

from hmchain.errors import InputError
from hmchain.records.pipeline.accounting import Told
from hmchain.records.pipeline.clean_files import write
from hmchain.records.pipeline.tally import Line

_PIECE = 1 << 16
_COLUMNS = ("file", "part", "became", "why", "parts", "record")
_HEAD = ",".join(_COLUMNS).encode()
"""What a list of an earlier run begins with, which gives way."""


class Writer(Protocol):
    """The part of a CSV writer that is used here."""

    def writerow(self, row: Iterable[object], /) -> object:
        """Write a line."""
        ...


class ListPlaceError(InputError):
    """A list of names cannot lie there, would take another file's place, or lie where files are given away."""

    code = "list_place"


@contextmanager
def listing(path: Path | None, *, beside: Path | None = None) -> Iterator[Told | None]:
    """A function that writes a line of a CSV file of mode 0600, which is there once all is done; None for no path.

    Raises `ListPlaceError`, before anything is done, if it would lie in the folder `beside` or cannot lie where it
    shall, or `DiskFullError`.
    """
    if path is None:
        yield None
        return
    if beside is not None and path.resolve().is_relative_to(beside.resolve()):
        raise ListPlaceError("the list of names would lie among the clean files", "give it a place of its own")
    _require_place(path)
    with TemporaryFile("w+", encoding="utf-8", newline="") as lines:  # without a name: nothing is left of it
        table = csv.writer(lines)
        table.writerow(_COLUMNS)
        yield lambda line: _write(table, line)
        lines.seek(0)
        write(path, (piece.encode() for piece in iter(lambda: lines.read(_PIECE), "")), durable=True)


def _require_place(path: Path) -> None:
    folder = path.absolute().parent
    if path.is_dir():
        raise ListPlaceError(f"{path} is a folder", "name a file for the list")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "cannot be written into" if folder.is_dir() else "is no folder"
        raise ListPlaceError(f"{folder} {what}", "choose another place for the list")
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(_HEAD)) not in (_HEAD, b""):
            raise ListPlaceError(f"{path} is there, and is no such list", "name a new file for the list")


def _write(table: Writer, line: Line) -> None:
    table.writerow((line.file, line.part, line.became, line.why, line.parts, line.record))
