"""Vaults of the first format: every key was wrapped by the organisation's hybrid key itself."""

from __future__ import annotations

import secrets
import sqlite3

from hmchain.canonical import digest
from hmchain.records.vault.commitment import SALT_BYTES
from hmchain.records.vault.database import SCHEMA, Database, Progress
from hmchain.records.vault.errors import VaultKeyError
from hmchain.records.vault.hierarchy import Hierarchy, Kek, record_context, root_context
from hmchain.records.vault.intake import DEDUPLICATION
from hmchain.records.vault.providers import HybridProvider, KeyProvider

_TOLD_EVERY = 1000


def from_first_format(
    database: Database, provider: KeyProvider, hierarchy: Hierarchy, progress: Progress | None
) -> None:
    """Move all keys under a KEK, in one transaction: about 60 microseconds a record. Ciphertext is not touched.

    Roots that were committed to stay what they are: records of those versions keep the leaf that they had, the bare
    digest of their ciphertext (an empty salt). Raises `VaultKeyError` if the vault belongs to another key.
    """
    with database.transaction() as connection:
        if database.format != 1:
            return  # another process was first
        owner = database.query("SELECT key_digest FROM owner")
        if not isinstance(provider, HybridProvider) or owner != [(provider.owner,)]:
            raise VaultKeyError(f"{database.path} belongs to another key", "use the key that it was made with")
        for table in ("records", "versions"):
            connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        for statement in SCHEMA:
            connection.execute(statement)
        kek = hierarchy.add(connection)
        hierarchy.add_secret(connection, kek, DEDUPLICATION)
        _move_versions(connection, provider, kek)
        _move_records(connection, provider, kek, progress)
        connection.execute("INSERT INTO erased SELECT digest, 0 FROM doomed")
        for table in ("old_records", "old_versions", "doomed", "owner"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("INSERT INTO shreds DEFAULT VALUES")


def _move_versions(connection: sqlite3.Connection, provider: HybridProvider, kek: Kek) -> None:
    for dataset, version, wrapped in connection.execute("SELECT dataset, version, wrapped FROM old_versions"):
        context = root_context(dataset, version)
        moved = None if wrapped is None else kek.wrap(provider.open(wrapped, context), context)
        number = None if wrapped is None else kek.id
        connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", (dataset, version, number, moved))


def _move_records(
    connection: sqlite3.Connection, provider: HybridProvider, kek: Kek, progress: Progress | None
) -> None:
    ((count,),) = connection.execute("SELECT count(*) FROM old_records").fetchall()
    committed = set(connection.execute("SELECT dataset, version FROM versions WHERE wrapped IS NOT NULL").fetchall())
    rows = connection.execute("SELECT dataset, version, record, digest, wrapped FROM old_records")
    for done, (dataset, version, record, address, wrapped) in enumerate(rows, 1):
        old = digest("hmchain vault record", dataset.encode(), version.to_bytes(8, "big"), record.encode())
        key = provider.open(wrapped, old)
        blob = connection.execute("INSERT INTO blobs (digest, context) VALUES (?, ?)", (address, old)).lastrowid
        salt = b"" if (dataset, version) in committed else secrets.token_bytes(SALT_BYTES)
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, '', ?, ?, ?, ?)",
            (
                dataset,
                version,
                record,
                blob,
                salt,
                kek.id,
                kek.wrap(key, record_context(dataset, version, record, old)),
            ),
        )
        if progress is not None and (done % _TOLD_EVERY == 0 or done == count):
            progress(done, count)
