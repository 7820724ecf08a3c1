"""FHIR files of a folder: NDJSON of a bulk export, also as .gz, and JSON files of one resource or bundle.

An NDJSON file is cut into blocks of lines, an item each, so that neither memory nor what is done again after a stop
grows with the file. A JSON file is one item: it is in memory as a whole while it is de-identified.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from hmchain.records.sources.containers import files_below
from hmchain.records.sources.item import FHIR, Item, SourceError
from hmchain.records.sources.marks import mark, mark_of_file
from hmchain.records.sources.skipped import SkippedItems

BLOCK_BYTES = 1 << 20
LINE_BYTES_MAX = 64 << 20
"""A longer line is cut, and so given as damaged: no resource that could be kept is as large."""
JSON_BYTES_MAX = 512 << 20

_SUFFIXES = (".ndjson", ".ndjson.gz", ".json")


@dataclass(frozen=True)
class FhirFiles:
    """The FHIR files below a folder, or one file."""

    path: Path
    skipped: SkippedItems = field(default_factory=SkippedItems, compare=False, repr=False)
    """What the last run of `items` passed over."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Blocks and files in the order of their paths.

        Raises `SourceError` if there is nothing to read, or where a file cannot be read.
        """
        self.skipped.clear()
        for path in self._files(self.skipped):
            name = self._name(path)
            try:
                if path.suffix.lower() == ".json":
                    yield from _whole(path, name, done)
                else:
                    yield from _blocks(path, name, done)
            except (OSError, EOFError, zlib.error) as error:
                hint = "check that it is complete and that you may read it; what came before it is kept"
                raise SourceError(f"a FHIR file cannot be read: {type(error).__name__}", hint) from error

    def count(self) -> int | None:
        """The number of items; unknown if a file is compressed."""
        files = self._files(SkippedItems())
        if any(path.suffix.lower() == ".gz" for path in files):
            return None
        return sum(1 if path.suffix.lower() == ".json" else -(-path.stat().st_size // BLOCK_BYTES) for path in files)

    def _files(self, skipped: SkippedItems) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        found = files_below(self.path, _why_not_fhir, skipped)
        if not found:
            raise SourceError(f"{self.path} holds no FHIR files", "they end in .ndjson, .ndjson.gz or .json")
        return found

    def _name(self, path: Path) -> str:
        return path.name if path == self.path else path.relative_to(self.path).as_posix()


def _why_not_fhir(path: Path) -> str:
    return "" if path.name.lower().endswith(_SUFFIXES) else "no FHIR file"


def _whole(path: Path, name: str, done: Callable[[str], bool]) -> Iterator[Item]:
    size = path.stat().st_size
    if size > JSON_BYTES_MAX:
        what = f"a JSON file has {size >> 20} MiB; it may have {JSON_BYTES_MAX >> 20}"
        raise SourceError(what, "export it as NDJSON, which is read in blocks")

    def read() -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as error:
            raise SourceError("a FHIR file cannot be opened", "check that you may read it") from error

    known = mark_of_file(name, path)
    if not done(known):
        yield Item(name, FHIR, read, mark=known)


def _blocks(path: Path, name: str, done: Callable[[str], bool]) -> Iterator[Item]:
    """The lines that begin within the same MiB of the file's text, as the item `NAME@MIB`."""
    with _open(path) as file:
        offset = 0
        while data := file.read(BLOCK_BYTES - offset % BLOCK_BYTES):
            block = f"{name}@{offset // BLOCK_BYTES}"
            offset += len(data)
            if not data.endswith(b"\n"):
                rest, skipped = _rest_of_line(file)
                data += rest
                offset += len(rest) + skipped
            if data.strip() and not done(known := mark(block, data)):
                yield Item(block, FHIR, partial(io.BytesIO, data), mark=known)


def _rest_of_line(file: BinaryIO) -> tuple[bytes, int]:
    """Read what is left of the line; of one that is too long its beginning, and how many bytes were left out."""
    rest = file.readline(LINE_BYTES_MAX)
    skipped, more = 0, rest
    while len(more) == LINE_BYTES_MAX and not more.endswith(b"\n"):
        more = file.readline(LINE_BYTES_MAX)
        skipped += len(more)
    return rest, skipped


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")
