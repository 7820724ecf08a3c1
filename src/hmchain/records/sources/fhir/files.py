"""FHIR files in folders and archives: NDJSON of a bulk export, also as .gz, and JSON files of one resource or bundle.

An NDJSON file is cut into blocks of lines, an item each, so that neither memory nor what is done again after a stop
grows with the file. A JSON file is one item: it is in memory as a whole while it is de-identified.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, cast

from hmchain.records.sources.containers import (
    Container,
    ContainerEntry,
    SingleFile,
    Uncounted,
    counted,
    open_container,
)
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import FHIR, FoundFile, Item, ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark, mark_of_content

BLOCK_BYTES = 1 << 20
LINE_BYTES_MAX = 64 << 20
"""A longer line is cut, and so given as damaged: no resource that could be kept is as large."""
JSON_BYTES_MAX = 512 << 20

_LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_WHOLE = (".json", ".fhir", ".bundle")
_HEAD_BYTES = 4096
_XML = b"http://hl7.org/fhir"


@dataclass(frozen=True)
class FhirFiles:
    """The FHIR files of a folder or an archive, or one file."""

    path: Path
    finds: Finds = field(default_factory=Finds, compare=False, repr=False)
    """What the last run of `items` came upon."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Blocks and files in the order of their paths. Raises `SourceError` where a compressed file breaks off."""
        self.finds.clear()
        for entry in self._entries(self.finds):
            try:
                yield from (_blocks if _is_lines(entry.name) else _whole)(entry, done, self.finds)
            except ItemUnavailableError:
                self.finds.passed("a file that cannot be read")
            except (OSError, EOFError, zlib.error) as error:
                hint = "check that it is complete and that you may read it; what came before it is kept"
                raise SourceError(f"a FHIR file cannot be read: {type(error).__name__}", hint) from error

    def count(self) -> int | None:
        """The number of items; unknown if a file is compressed."""
        return counted(self._entries, _items_in)

    @cached_property
    def _container(self) -> Container:
        return open_container(self.path)

    def _entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        alone = isinstance(self._container, SingleFile)
        for entry in self._container.entries(finds):
            if reason := "" if alone else _why_not_fhir(entry):
                finds.passed(reason)
            else:
                yield entry


def _is_lines(name: str) -> bool:
    return name.lower().endswith(_LINES)


def _items_in(entry: ContainerEntry) -> int:
    if entry.name.lower().endswith(".gz"):
        raise Uncounted
    return -(-entry.size // BLOCK_BYTES) if _is_lines(entry.name) else 1


def _why_not_fhir(entry: ContainerEntry) -> str:
    name = entry.name.lower()
    if name.endswith(_LINES):
        return ""
    if name.endswith(_WHOLE):
        if entry.size > JSON_BYTES_MAX:
            return f"a JSON file of more than {JSON_BYTES_MAX >> 20} MiB: export it as NDJSON"
        return ""
    if name.endswith(".xml") and _XML in entry.head(_HEAD_BYTES):
        return "FHIR in XML: export it as JSON"
    return "no FHIR file"


def _whole(entry: ContainerEntry, done: Callable[[str], bool], finds: Finds) -> Iterator[Item]:
    with entry.open() as file:
        known = mark_of_content(entry.name, file)
    if finds.wants(done, known):
        yield Item(entry.name, FHIR, entry.open, mark=known, within=finds.current)


def _blocks(entry: ContainerEntry, done: Callable[[str], bool], finds: Finds) -> Iterator[Item]:
    """The lines that begin within the same MiB of the file's text, as the item `NAME@MIB`."""
    whole: FoundFile = finds.current
    with _open(entry) as file:
        offset = 0
        while data := file.read(BLOCK_BYTES - offset % BLOCK_BYTES):
            block = f"{entry.name}@{offset // BLOCK_BYTES}"
            offset += len(data)
            if not data.endswith(b"\n"):
                rest, skipped = _rest_of_line(file)
                data += rest
                offset += len(rest) + skipped
            if data.strip() and finds.wants(done, known := mark(block, data)):
                yield Item(block, FHIR, partial(io.BytesIO, data), mark=known, within=whole)


def _rest_of_line(file: BinaryIO) -> tuple[bytes, int]:
    """Read what is left of the line; of one that is too long its beginning, and how many bytes were left out."""
    rest = file.readline(LINE_BYTES_MAX)
    skipped, more = 0, rest
    while len(more) == LINE_BYTES_MAX and not more.endswith(b"\n"):
        more = file.readline(LINE_BYTES_MAX)
        skipped += len(more)
    return rest, skipped


def _open(entry: ContainerEntry) -> BinaryIO:
    file = entry.open()
    return cast(BinaryIO, gzip.open(file)) if entry.name.lower().endswith(".gz") else file
