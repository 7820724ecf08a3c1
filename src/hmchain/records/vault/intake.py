"""The way of contents to ciphertext and records: sealing, deduplication, and the transaction that enters them.

Two records with the same content share one ciphertext. They find it by a keyed digest of the content (BLAKE3 under a
key of this vault, which the KEK wraps), so the file without its key cannot confirm a guess at a content, and nobody
outside can compare two hospitals. Each record has its own wrapped copy of the ciphertext's key, and goes with it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hmchain.errors import StorageError
from hmchain.keys import SecretKey
from hmchain.records.envelope import Buffer
from hmchain.records.objects import ObjectStore
from hmchain.records.vault.commitment import SALT_BYTES
from hmchain.records.vault.database import Database
from hmchain.records.vault.errors import RecordExistsError, VaultError, VersionClosedError
from hmchain.records.vault.hierarchy import Hierarchy, Kek, record_context
from hmchain.records.vault.sealing import SealedContent, Sealer

BATCH_RECORDS = 1024
BATCH_BYTES = 16 << 20
"""What is sealed and synced together: so much of plaintext, and one record, is held in memory."""
DEDUPLICATION = "deduplication"
"""The name of the secret under which contents are digested."""


@dataclass(frozen=True)
class NewRecord:
    """A record that is to be kept."""

    record: str
    subject: str
    """The patient's pseudonym, by which all of a patient can be erased; empty if the record is nobody's."""
    plaintext: Buffer

    @property
    def size(self) -> int:
        """Bytes of plaintext."""
        return memoryview(self.plaintext).nbytes


@dataclass(frozen=True)
class StoredRecord:
    """A record that is in the vault now."""

    record: str
    subject: str
    digest: bytes
    """Of its ciphertext, 32 bytes. Records with the same content have the same."""
    bytes: int
    """Of its plaintext."""


@dataclass(frozen=True)
class PendingRecord:
    """A record whose content is in the object store: sealed for it, or by an earlier record."""

    entry: NewRecord
    size: int
    content: bytes
    sealed: SealedContent | None


class Intake:
    """Seals contents, then enters records."""

    def __init__(self, database: Database, store: ObjectStore, hierarchy: Hierarchy) -> None:
        self._database = database
        self._store = store
        self._hierarchy = hierarchy
        self.sealer = Sealer(store, hierarchy.secret(DEDUPLICATION))

    def seal(self, entries: Sequence[NewRecord]) -> list[PendingRecord]:
        """Make sure that the contents of records lie in the object store, durably."""
        contents = [self.sealer.content(entry.plaintext) for entry in entries]
        new: dict[bytes, Buffer] = {}
        for entry, content in zip(entries, contents, strict=True):
            if content not in new and self._held(content) is None:
                new[content] = entry.plaintext
        sealed = {each.content: each for each in self.sealer.seal(list(new.values()), list(new))}
        return [
            PendingRecord(entry, entry.size, content, sealed.get(content))
            for entry, content in zip(entries, contents, strict=True)
        ]

    def seal_stream(self, record: str, subject: str, pieces: Iterable[Buffer]) -> PendingRecord:
        """As `seal` for one content in pieces, in constant memory."""
        return pending_of(record, subject, self.sealer.seal_stream(pieces))

    def holds(self, dataset: str, version: int, record: str, content: bytes) -> bool:
        """Tell whether a record has the content of this keyed digest."""
        rows = self._database.query(
            """SELECT 1 FROM records r JOIN blobs b ON r.blob = b.id
            WHERE r.dataset = ? AND r.version = ? AND r.record = ? AND b.content = ?""",
            (dataset, version, record, content),
        )
        return bool(rows)

    def discard(self, sealed: SealedContent) -> None:
        """Delete ciphertext that was sealed and is not to be entered."""
        with suppress(StorageError):  # what is left of it nobody can open, and `sweep` finds it
            self._store.delete(sealed.digest)

    def enter(self, dataset: str, version: int, pending: Sequence[PendingRecord]) -> list[StoredRecord]:
        """Enter records, all or none. Raises `RecordExistsError` or `VersionClosedError`."""
        kept: list[StoredRecord] = []
        try:
            with self._database.transaction() as connection:
                self._check_open(dataset, version)
                kek = self._hierarchy.newest(connection)
                kept = [self._enter_one(connection, kek, dataset, version, each) for each in pending]
        except (RecordExistsError, VersionClosedError):
            self._discard(pending, kept=())
            raise
        self._discard(pending, kept)
        return kept

    def _discard(self, pending: Sequence[PendingRecord], kept: Sequence[StoredRecord]) -> None:
        """Delete ciphertext that was sealed for records and is not what they refer to."""
        used = {each.digest for each in kept}
        spare = {each.sealed.digest for each in pending if each.sealed} - used
        with suppress(StorageError):  # what is left of it nobody can open, and `sweep` finds it
            self._store.delete_many(sorted(spare))

    def check(self, dataset: str, version: int, records: Iterable[str]) -> None:
        """Raise what `enter` would raise, before anything is sealed."""
        self._check_open(dataset, version)
        for record in records:
            self._check_new(dataset, version, record)

    def _enter_one(
        self, connection: sqlite3.Connection, kek: Kek, dataset: str, version: int, each: PendingRecord
    ) -> StoredRecord:
        entry = each.entry
        self._check_new(dataset, version, entry.record)
        held = self._held(each.content)
        if held is None:
            # An earlier record's ciphertext may have been erased since it was seen: then this one is sealed after all.
            held = _add_blob(connection, each.sealed or self.seal([entry])[0].sealed)
        blob, sealed = held
        salt = secrets.token_bytes(SALT_BYTES)
        context = record_context(dataset, version, entry.record, sealed.context, entry.subject, salt)
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (dataset, version, entry.record, entry.subject, blob, salt, kek.id, kek.wrap(sealed.key.raw, context)),
        )
        return StoredRecord(entry.record, entry.subject, sealed.digest, each.size)

    def _held(self, content: bytes) -> tuple[int, SealedContent] | None:
        """The blob of a content, with its key, if there is one and the store has not lost it."""
        rows = self._database.query(
            """SELECT b.id, b.digest, b.context, r.kek, r.wrapped, r.dataset, r.version, r.record, r.subject, r.salt
            FROM blobs b JOIN records r ON r.blob = b.id WHERE b.content = ? LIMIT 1""",
            (content,),
        )
        if not rows or not self._store.exists(rows[0][1]):
            return None
        blob, digest, context, kek, wrapped, dataset, version, record, subject, salt = rows[0]
        bound = record_context(dataset, version, record, context, subject, salt)
        key = self._hierarchy.unwrap(kek, wrapped, bound)
        return blob, SealedContent(digest, context, content, SecretKey(key), 0)

    def _check_open(self, dataset: str, version: int) -> None:
        if self._database.query("SELECT 1 FROM versions WHERE dataset = ? AND version = ?", (dataset, version)):
            raise VersionClosedError(f"{dataset} version {version} is closed", "put the records in a new version")

    def _check_new(self, dataset: str, version: int, record: str) -> None:
        same = "SELECT 1 FROM records WHERE dataset = ? AND version = ? AND record = ?"
        if self._database.query(same, (dataset, version, record)):
            raise RecordExistsError(f"{dataset} version {version} has one of these records", "put it in a new version")


def pending_of(record: str, subject: str, sealed: SealedContent) -> PendingRecord:
    """A record whose content is sealed already."""
    return PendingRecord(NewRecord(record, subject, b""), sealed.size, sealed.content, sealed)


def batches(entries: Iterable[NewRecord]) -> Iterator[list[NewRecord]]:
    """Cut records into batches."""
    batch, size = list[NewRecord](), 0
    for entry in entries:
        batch.append(entry)
        size += entry.size
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _add_blob(connection: sqlite3.Connection, sealed: SealedContent | None) -> tuple[int, SealedContent]:
    if sealed is None:
        raise VaultError("a record's content is gone while it is entered", "put it again")
    # A blob of this content that the store has lost is no longer found by it.
    connection.execute("UPDATE blobs SET content = NULL WHERE content = ?", (sealed.content,))
    row = (sealed.digest, sealed.context, sealed.content)
    blob = connection.execute("INSERT INTO blobs (digest, context, content) VALUES (?, ?, ?)", row).lastrowid
    return blob or 0, sealed
