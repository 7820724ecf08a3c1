"""Files of HL7 v2 messages: one, several, or batches a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hmchain.records.sources.containers import files_below
from hmchain.records.sources.hl7.message import ACKNOWLEDGEMENT, MessageError, parse, split_messages
from hmchain.records.sources.item import HL7, Item, SourceError
from hmchain.records.sources.marks import mark, mark_of_file
from hmchain.records.sources.skipped import SkippedItems

_SUFFIXES = (".hl7", ".er7", ".txt", ".msg")


@dataclass(frozen=True)
class Hl7Files:
    """The HL7 v2 files below a folder, or one file of any name."""

    path: Path
    skipped: SkippedItems = field(default_factory=SkippedItems, compare=False, repr=False)
    """What the last run of `items` passed over."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Message after message, as `FILE#NUMBER`, in the order of the files' paths; a file without one as it is.

        Raises `SourceError` if there is nothing to read, or where a file cannot be read.
        """
        self.skipped.clear()
        for path in self._files():
            name = path.name if path == self.path else path.relative_to(self.path).as_posix()
            try:
                yield from _messages(path, name, done, self.skipped)
            except OSError as error:
                raise SourceError("an HL7 file cannot be read", "check that you may read it") from error

    def count(self) -> int | None:
        """Not known before the files are read."""
        return None

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        found = files_below(self.path, _why_not_hl7, self.skipped)
        if not found:
            raise SourceError(f"{self.path} holds no HL7 files", f"they end in {', '.join(_SUFFIXES)}")
        return found


def _why_not_hl7(path: Path) -> str:
    return "" if path.suffix.lower() in _SUFFIXES else "no HL7 file"


def _is_acknowledgement(data: bytes) -> bool:
    if b"MSA" not in data and b"ACK" not in data:
        return False  # most are not: those need not be read twice
    try:
        return parse(data).is_acknowledgement
    except MessageError:
        return False


def _messages(path: Path, name: str, done: Callable[[str], bool], skipped: SkippedItems) -> Iterator[Item]:
    found = False
    with path.open("rb") as file:
        for number, message in enumerate(split_messages(file), start=1):
            found = True
            known = mark(f"{name}#{number}", message)
            if _is_acknowledgement(message):
                skipped.add(f"{name}#{number}", ACKNOWLEDGEMENT)
            elif not done(known):
                yield Item(f"{name}#{number}", HL7, partial(io.BytesIO, message), mark=known)
    if not found and not done(known := mark_of_file(name, path)):
        yield Item(name, HL7, lambda: path.open("rb"), mark=known)
