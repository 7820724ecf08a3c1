"""Erasing: keys first, in one transaction, then SQLite's log, then ciphertext that no record needs any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.records.objects import ObjectStore
from hmchain.records.vault.database import Database


@dataclass(frozen=True)
class Erasure:
    """The result of an erasure."""

    records: int
    versions: tuple[tuple[str, int], ...]
    """Dataset and number of the versions that had one of the records. Those that had a root have none any more."""


def erase(database: Database, store: ObjectStore, where: str, values: Sequence[str | int]) -> Erasure:
    """Destroy the keys of records, then the ciphertext that was theirs alone.

    Raises an error of the object store if ciphertext cannot be deleted now: its keys are gone by then, and
    `finish_erasures` tries again.
    """
    with database.transaction() as connection:
        rows = connection.execute(f"SELECT dataset, version, blob FROM records WHERE {where}", values).fetchall()  # noqa: S608
        connection.execute(f"DELETE FROM records WHERE {where}", values)  # noqa: S608
        versions = sorted({(dataset, version) for dataset, version, _ in rows})
        # A version that is not committed to has no root to lose, and stays open.
        connection.executemany(
            "UPDATE versions SET kek = NULL, wrapped = NULL WHERE dataset = ? AND version = ?", versions
        )
        for blob in sorted({blob for _, _, blob in rows}):
            _drop_if_unused(connection, blob)
        if rows:
            connection.execute("INSERT INTO shreds DEFAULT VALUES")
    finish_erasures(database, store)
    return Erasure(len(rows), tuple(versions))


def finish_erasures(database: Database, store: ObjectStore) -> None:
    """Finish what is left of erasures, also of one that was cut short: the keys in SQLite's log, and ciphertext."""
    database.shred()
    doomed = [digest for (digest,) in database.query("SELECT digest FROM erased WHERE deleted = 0")]
    if doomed:
        store.delete_many(doomed)
        with database.transaction() as connection:
            connection.executemany("UPDATE erased SET deleted = 1 WHERE digest = ?", [(each,) for each in doomed])


def _drop_if_unused(connection: sqlite3.Connection, blob: int) -> None:
    unused = "id = ? AND NOT EXISTS (SELECT 1 FROM records WHERE blob = blobs.id)"
    connection.execute(f"INSERT OR REPLACE INTO erased SELECT digest, 0 FROM blobs WHERE {unused}", (blob,))  # noqa: S608
    connection.execute(f"DELETE FROM blobs WHERE {unused}", (blob,))  # noqa: S608
