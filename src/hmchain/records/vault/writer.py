"""Putting many records fast: ciphertext and rows go to disk in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Self, TypeAlias

from hmchain.records.envelope import Buffer
from hmchain.records.vault.errors import RecordExistsError
from hmchain.records.vault.intake import (
    BATCH_BYTES,
    BATCH_RECORDS,
    Intake,
    NewRecord,
    PendingRecord,
    StoredRecord,
    pending_of,
)
from hmchain.records.vault.sealing import SealedContent

OnKept: TypeAlias = Callable[[Sequence[StoredRecord]], None]


class Writer:
    """Puts records into one version of a dataset; from `Vault.writer`, as a context manager.

    Records are kept in batches: a batch's ciphertext is durable before its rows, and these are one transaction. The end
    of the block keeps the last batch. If the block raises, or the process dies, the batch that was not kept yet is
    lost as a whole, and what was kept before stays: what is missing can be put again.
    """

    def __init__(self, intake: Intake, dataset: str, version: int, on_kept: OnKept | None) -> None:
        self._intake = intake
        self._dataset = dataset
        self._version = version
        self._on_kept = on_kept
        self._entries: dict[str, NewRecord] = {}
        self._sealed: dict[str, PendingRecord] = {}
        self._bytes = 0
        self.kept = 0
        """Records kept by this writer so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.flush()

    def put(self, record: str, plaintext: Buffer, subject: str = "") -> None:
        """Queue one record; `plaintext` must not change before it is kept.

        Raises `RecordExistsError` if the version has it or it is queued, `VersionClosedError` if the version is
        committed to, or an error of the object store for the batch that this record completes.
        """
        self._check(record)
        self._entries[record] = entry = NewRecord(record, subject, plaintext)
        self._bytes += entry.size
        if len(self._entries) >= BATCH_RECORDS or self._bytes >= BATCH_BYTES:
            self.flush()

    def put_stream(self, record: str, subject: str, pieces: Iterable[Buffer]) -> None:
        """Keep one record that comes in pieces, in constant memory; it is kept when this returns. Raises as `put`.

        A piece may be used again once the next is asked for.
        """
        self._check(record)
        self._enter([self._intake.seal_stream(record, subject, pieces)])

    def put_sealed(self, record: str, subject: str, sealed: SealedContent) -> None:
        """Queue one record whose content a `Sealer` of this vault has sealed. Raises as `put`."""
        self._check(record)
        self._sealed[record] = pending_of(record, subject, sealed)
        if len(self._sealed) >= BATCH_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Keep what is queued. Raises as `put`."""
        entries, self._entries, self._bytes = list(self._entries.values()), {}, 0
        sealed, self._sealed = list(self._sealed.values()), {}
        if entries or sealed:
            self._enter([*self._intake.seal(entries), *sealed])

    def _enter(self, pending: Sequence[PendingRecord]) -> None:
        kept = self._intake.enter(self._dataset, self._version, pending)
        self.kept += len(kept)
        if self._on_kept is not None:
            self._on_kept(kept)

    def _check(self, record: str) -> None:
        if record in self._entries or record in self._sealed:
            raise RecordExistsError(f"a record is put twice into {self._dataset} version {self._version}")
        self._intake.check(self._dataset, self._version, [record])
