"""Putting a record into the vault under its id, where there may be one of that id already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from itertools import chain
from typing import BinaryIO

from hmchain.records.catalogue import RecordEntry
from hmchain.records.deidentification.outcome import Clean, Edition
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline.workers import SealedRecord
from hmchain.records.vault import Vault, Writer

_READ_BYTES = 1 << 20
_QUEUED_BYTES_MAX = 4 << 20  # a larger record does not wait in memory for others


@dataclass(frozen=True)
class KnownRecord:
    """A record that is there already."""

    entry: RecordEntry
    edition: Edition | None
    is_catalogued: bool
    """False of one that came with the same item."""

    def is_superseded_by(self, clean: Clean) -> bool:
        """Tell whether `clean` is made of a later edition."""
        return bool(self.edition and clean.edition and clean.edition.is_after(self.edition))

    def supersedes(self, clean: Clean) -> bool:
        """Tell whether `clean` is made of an earlier edition."""
        return bool(self.edition and clean.edition and self.edition.is_after(clean.edition))


class PutOutcome(Enum):
    """The ways in which a record may go into the vault."""

    NEW = auto()
    SAME = auto()
    """It was there."""
    REPLACED = auto()
    """It took the place of another."""
    REFUSED = auto()
    """Another one of its id is there, and stays."""


@dataclass(frozen=True)
class PutResult:
    """The outcome of putting a record, and its size in bytes."""

    outcome: PutOutcome
    size: int


@dataclass(frozen=True)
class VersionStore:
    """The place of one version's records in the vault."""

    vault: Vault
    dataset: str
    version: int

    def put(
        self, writer: Writer, found: Clean | SealedRecord, known: KnownRecord | None, *, replacing: bool
    ) -> PutResult:
        """Hand a record to the vault, unless that has another one of this id which must stay.

        `known` is what the catalogue lists under the id. What the vault has beyond that was left by a crash, and goes.
        """
        clean = clean_of(found)
        pieces = CountedPieces(clean.pieces()) if isinstance(found, Clean) else CountedPieces(())
        outcome = PutOutcome.NEW
        if self.vault.has(self.dataset, self.version, clean.record):
            if self._has_same(found, pieces):
                outcome = PutOutcome.SAME
            elif replacing or known is None or known.is_superseded_by(clean):
                self.vault.withdraw(self.dataset, self.version, clean.record)
                outcome = PutOutcome.REPLACED
            else:
                outcome = PutOutcome.REFUSED
        if isinstance(found, SealedRecord):
            if outcome in (PutOutcome.SAME, PutOutcome.REFUSED):
                self.vault.discard(found.sealed)
            else:
                writer.put_sealed(clean.record, clean.subject, found.sealed)
            return PutResult(outcome, found.sealed.size)
        if outcome in (PutOutcome.NEW, PutOutcome.REPLACED):
            pieces = CountedPieces(clean.pieces())
            _write(writer, clean, pieces)
        return PutResult(outcome, pieces.size)

    def _has_same(self, found: Clean | SealedRecord, pieces: Iterable[Buffer]) -> bool:
        """Tell whether the vault has the very content of a record under its id."""
        if isinstance(found, SealedRecord):
            return self.vault.holds(self.dataset, self.version, found.clean.record, found.sealed)
        return sha256_of(self.vault.get_stream(self.dataset, self.version, found.record)) == sha256_of(pieces)


def clean_of(found: Clean | SealedRecord) -> Clean:
    """Return what is known of a record, sealed or not."""
    return found.clean if isinstance(found, SealedRecord) else found


class CountedPieces:
    """Pieces that are counted as they pass."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = pieces
        self.size = 0

    def __iter__(self) -> Iterator[Buffer]:
        for piece in self._pieces:
            self.size += memoryview(piece).nbytes
            yield piece


def read(file: BinaryIO) -> Iterator[bytes]:
    """A file in pieces."""
    while piece := file.read(_READ_BYTES):
        yield piece


def sha256_of(pieces: Iterable[Buffer]) -> bytes:
    """The digest of what they are together."""
    hasher = sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def _write(writer: Writer, clean: Clean, pieces: Iterable[Buffer]) -> None:
    """Queue a small record with others, which is fast; stream a large one, which takes no memory."""
    incoming = iter(pieces)
    held = bytearray()
    for piece in incoming:
        held += piece
        if len(held) > _QUEUED_BYTES_MAX:
            writer.put_stream(clean.record, clean.subject, chain([bytes(held)], incoming))
            return
    writer.put(clean.record, bytes(held), clean.subject)
