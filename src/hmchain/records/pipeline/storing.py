"""Putting a record where records go, under its id, where there may be one of that id already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from itertools import chain
from typing import BinaryIO, Protocol

from hmchain.records.catalogue import RecordEntry
from hmchain.records.deidentification.outcome import Clean, Edition
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline.workers import SealedRecord
from hmchain.records.vault import SealedContent, Sealer, Vault, Writer

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

    @property
    def writes(self) -> bool:
        """Tell whether the record is written."""
        return self in (PutOutcome.NEW, PutOutcome.REPLACED)


@dataclass(frozen=True)
class PutResult:
    """The outcome of putting a record, and its size in bytes."""

    outcome: PutOutcome
    size: int


class Store(Protocol):
    """Where the records of one run go: the end of its path."""

    @property
    def sealer(self) -> Sealer | None:
        """What worker processes seal the records' contents with; None if these come as they are."""
        ...

    def opened(self) -> AbstractContextManager[None]:
        """Ready to take records; the end of the block makes the last of them durable."""
        ...

    def put(self, found: Clean | SealedRecord, known: KnownRecord | None, *, replacing: bool) -> PutResult:
        """Put a record there, unless there is another one of its id that must stay.

        `known` is what the catalogue lists under the id. What is there beyond that was left by a crash, and goes.
        """
        ...

    def flush(self) -> None:
        """Make what was put durable."""
        ...

    def discard(self, sealed: SealedContent) -> None:
        """Let go of a content that was sealed and is not put."""
        ...

    def put_aside(self, record: str, subject: str, pieces: Iterator[bytes]) -> None:
        """Keep what a reviewer needs of an item that is held, if such a thing is kept here."""
        ...


class VersionStore:
    """The place of one version's records in the vault, and of what waits for a reviewer (a `Store`)."""

    def __init__(self, vault: Vault, dataset: str, version: int) -> None:
        self._vault, self._dataset, self._version = vault, dataset, version
        self._writer: Writer | None = None

    @property
    def sealer(self) -> Sealer | None:
        """The vault's."""
        return self._vault.sealer()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """With a writer of the vault."""
        with self._vault.writer(self._dataset, self._version) as self._writer:
            yield
        self._writer = None

    def put(self, found: Clean | SealedRecord, known: KnownRecord | None, *, replacing: bool) -> PutResult:
        """Hand a record to the vault."""
        writer, clean = self._open_writer, clean_of(found)
        pieces = CountedPieces(clean.pieces()) if isinstance(found, Clean) else CountedPieces(())
        is_there = self._vault.has(self._dataset, self._version, clean.record)
        outcome = decide(is_there, lambda: self._has_same(found, pieces), clean, known, replacing=replacing)
        if outcome is PutOutcome.REPLACED:
            self._vault.withdraw(self._dataset, self._version, clean.record)
        if isinstance(found, SealedRecord):
            if outcome.writes:
                writer.put_sealed(clean.record, clean.subject, found.sealed)
            else:
                self.discard(found.sealed)
            return PutResult(outcome, found.sealed.size)
        if outcome.writes:
            pieces = CountedPieces(clean.pieces())
            _write(writer, clean, pieces)
        return PutResult(outcome, pieces.size)

    def flush(self) -> None:
        """Keep what the writer has queued."""
        self._open_writer.flush()

    def discard(self, sealed: SealedContent) -> None:
        """Tell the vault."""
        self._vault.discard(sealed)

    def put_aside(self, record: str, subject: str, pieces: Iterator[bytes]) -> None:
        """Keep it, encrypted, in the dataset's quarantine."""
        place = quarantine_of(self._dataset)
        if not self._vault.has(place, self._version, record):
            self._vault.put_stream(place, self._version, record, subject, pieces)

    @property
    def _open_writer(self) -> Writer:
        assert self._writer is not None, "records are put while the store is open"
        return self._writer

    def _has_same(self, found: Clean | SealedRecord, pieces: Iterable[Buffer]) -> bool:
        """Tell whether the vault has the very content of a record under its id."""
        if isinstance(found, SealedRecord):
            return self._vault.holds(self._dataset, self._version, found.clean.record, found.sealed)
        return sha256_of(self._vault.get_stream(self._dataset, self._version, found.record)) == sha256_of(pieces)


class DigestStore:
    """Keeps nothing of a record but a digest, to tell what comes twice (a `Store`)."""

    sealer = None

    def __init__(self) -> None:
        self._digests: dict[bytes, bytes] = {}

    @contextmanager
    def opened(self) -> Iterator[None]:
        """At once."""
        yield

    def put(self, found: Clean | SealedRecord, known: KnownRecord | None, *, replacing: bool) -> PutResult:
        """Digest a record."""
        clean = clean_of(found)
        pieces = CountedPieces(clean.pieces())
        record, content = sha256(clean.record.encode()).digest()[:16], sha256_of(pieces)
        before = self._digests.get(record)
        outcome = decide(before is not None, lambda: before == content, clean, known, replacing=replacing)
        if outcome.writes:
            self._digests[record] = content
        return PutResult(outcome, pieces.size)

    def flush(self) -> None:
        """Do nothing."""

    def discard(self, sealed: SealedContent) -> None:
        """Do nothing: nothing is sealed."""

    def put_aside(self, record: str, subject: str, pieces: Iterator[bytes]) -> None:
        """Keep nothing."""


def quarantine_of(dataset: str) -> str:
    """The vault's name for the items of a dataset that wait for a reviewer."""
    return f"{dataset}/quarantine"


def decide(
    is_there: bool, is_same: Callable[[], bool], clean: Clean, known: KnownRecord | None, *, replacing: bool
) -> PutOutcome:
    """Decide what becomes of a record where one of its id may be there."""
    if not is_there:
        return PutOutcome.NEW
    if is_same():
        return PutOutcome.SAME
    if replacing or known is None or known.is_superseded_by(clean):
        return PutOutcome.REPLACED
    return PutOutcome.REFUSED


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
