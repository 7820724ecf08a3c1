"""Files of HL7 v2 messages, in folders and archives: one, several, or batches a file."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from hmchain.records.sources.containers import Container, ContainerEntry, SingleFile, open_container
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.hl7.message import ACKNOWLEDGEMENT, MessageError, parse, split_messages
from hmchain.records.sources.item import HL7, Item, ItemUnavailableError
from hmchain.records.sources.marks import mark, mark_of_content

_SUFFIXES = (".hl7", ".er7", ".txt", ".msg")
_TEXTS = (".txt", ".msg")
"""Suffixes of files of anything."""
_BEGINNINGS = (b"MSH", b"FHS", b"BHS")


@dataclass(frozen=True)
class Hl7Files:
    """The HL7 v2 files of a folder or an archive, or one file of any name."""

    path: Path
    finds: Finds = field(default_factory=Finds, compare=False, repr=False)
    """What the last run of `items` came upon."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Message after message, as `FILE#NUMBER`, in the order of the files' paths; a file without one as it is."""
        self.finds.clear()
        alone = isinstance(self._container, SingleFile)
        for entry in self._container.entries(self.finds):
            if reason := "" if alone else _why_not_hl7(entry):
                self.finds.passed(reason)
                continue
            try:
                yield from _messages(entry, done, self.finds)
            except (ItemUnavailableError, OSError):
                self.finds.passed("a file that cannot be read")

    def count(self) -> int | None:
        """Not known before the files are read."""
        return None

    @cached_property
    def _container(self) -> Container:
        return open_container(self.path)


def _why_not_hl7(entry: ContainerEntry) -> str:
    if PurePosixPath(entry.name).suffix.lower() in _SUFFIXES or entry.head(8).lstrip(b"\x0b\r\n").startswith(
        _BEGINNINGS
    ):
        return ""
    return "no HL7 file"


def _is_acknowledgement(data: bytes) -> bool:
    if b"MSA" not in data and b"ACK" not in data:
        return False  # most are not: those need not be read twice
    try:
        return parse(data).is_acknowledgement
    except MessageError:
        return False


def _messages(entry: ContainerEntry, done: Callable[[str], bool], finds: Finds) -> Iterator[Item]:
    found, whole = False, finds.current
    with entry.open() as file:
        stray = Counter[str]()
        for number, message in enumerate(split_messages(file, lambda: stray.update(lines=1)), start=1):
            found = True
            name = f"{entry.name}#{number}"
            known = mark(name, message)
            if _is_acknowledgement(message):
                finds.passed(ACKNOWLEDGEMENT, 1)
            elif finds.wants(done, known):
                yield Item(name, HL7, partial(io.BytesIO, message), mark=known, within=whole)
        if found:
            if stray:
                finds.passed("lines outside any message", 1)
            return
        if PurePosixPath(entry.name).suffix.lower() in _TEXTS:
            finds.passed("no HL7 message in it")
            return
        file.seek(0)
        known = mark_of_content(entry.name, file)
    if finds.wants(done, known):
        yield Item(entry.name, HL7, entry.open, mark=known, within=whole)
