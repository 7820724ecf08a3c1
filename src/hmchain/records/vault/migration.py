"""Vaults of earlier formats.

In the first, every key was wrapped by the organisation's hybrid key itself. In the second, a record's key was not bound
to its patient and salt, and roots did not bind what is said of records. Roots that were committed to stay as they are.
"""

from __future__ import annotations

import secrets
import sqlite3

from hmchain.canonical import digest
from hmchain.records.vault.commitment import SALT_BYTES
from hmchain.records.vault.database import SCHEMA, VERSION, Database, Progress
from hmchain.records.vault.errors import VaultError, VaultKeyError
from hmchain.records.vault.hierarchy import Hierarchy, Kek, record_context, root_context
from hmchain.records.vault.intake import DEDUPLICATION
from hmchain.records.vault.providers import HybridProvider, KeyProvider
from hmchain.records.vault.roots import Roots

_TOLD_EVERY = 1000
_AT_ONCE = 5000  # keys wrapped in one transaction


def convert(database: Database, provider: KeyProvider, progress: Progress | None) -> int:
    """Bring a vault to this format; returns the number of records whose keys were wrapped again, now or before.

    Raises `VaultKeyError` if the vault belongs to another key, `VaultError` if it has no format that is known.
    """
    hierarchy = Hierarchy(database, provider)
    if database.format == 1:
        return _from_first(database, provider, hierarchy, progress)
    if database.format == 2:
        hierarchy.load()
        return _from_second(database, hierarchy, progress)
    if database.format != VERSION:
        raise VaultError(f"{database.path} is not a vault that this version reads", "use the version that made it")
    return 0


def _from_second(database: Database, hierarchy: Hierarchy, progress: Progress | None) -> int:
    """Wrap all keys for their patients and salts, some thousand in a transaction; what was cut short goes on."""
    with database.transaction() as connection:
        if not _has_table(connection, "conversion"):
            for column in ("records ADD COLUMN description", "versions ADD COLUMN about", "versions ADD COLUMN root"):
                connection.execute(f"ALTER TABLE {column} BLOB")
            connection.execute("CREATE TABLE conversion (done INTEGER NOT NULL)")
            connection.execute("INSERT INTO conversion VALUES (0)")
    ((count,),) = database.query("SELECT count(*) FROM records")
    while _wrap_some(database, hierarchy):
        ((done,),) = database.query("SELECT count(*) FROM records WHERE rowid <= (SELECT done FROM conversion)")
        _tell(progress, done, count)
    with database.transaction() as connection:
        _note_roots(connection, Roots(database, hierarchy))
        connection.execute("DROP TABLE conversion")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    return int(count)


def _wrap_some(database: Database, hierarchy: Hierarchy) -> bool:
    chosen = """SELECT r.rowid, r.dataset, r.version, r.record, b.context, r.subject, r.salt, r.kek, r.wrapped
        FROM records r JOIN blobs b ON b.id = r.blob WHERE r.rowid > (SELECT done FROM conversion)
        ORDER BY r.rowid LIMIT ?"""
    with database.transaction() as connection:
        kek = hierarchy.newest(connection)
        moved, last = [], 0
        for row in connection.execute(chosen, (_AT_ONCE,)).fetchall():
            last, dataset, version, record, blob_context, subject, salt, old, wrapped = row
            key = hierarchy.unwrap(old, wrapped, _second_context(dataset, version, record, blob_context))
            context = record_context(dataset, version, record, blob_context, subject, salt)
            moved.append((kek.id, kek.wrap(key, context), last))
        connection.executemany("UPDATE records SET kek = ?, wrapped = ? WHERE rowid = ?", moved)
        if moved:
            connection.execute("UPDATE conversion SET done = ?", (last,))
    return bool(moved)


def _second_context(dataset: str, version: int, record: str, blob_context: bytes) -> bytes:
    return digest("hmchain vault key", dataset.encode(), version.to_bytes(8, "big"), record.encode(), blob_context)


def _note_roots(connection: sqlite3.Connection, roots: Roots) -> None:
    for dataset, version in connection.execute("SELECT dataset, version FROM versions WHERE wrapped IS NOT NULL"):
        root = roots.commitment(dataset, version).root
        connection.execute("UPDATE versions SET root = ? WHERE dataset = ? AND version = ?", (root, dataset, version))


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall())


def _from_first(database: Database, provider: KeyProvider, hierarchy: Hierarchy, progress: Progress | None) -> int:
    """Move all keys under a KEK, in one transaction: about 60 microseconds a record. Ciphertext is not touched.

    Records of versions that were committed to keep the leaf that they had, the bare digest of their ciphertext (an
    empty salt).
    """
    with database.transaction() as connection:
        if database.format != 1:
            return 0  # another process was first
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
        count = _move_records(connection, provider, kek, progress)
        connection.execute("INSERT INTO erased SELECT digest, 0 FROM doomed")
        for table in ("old_records", "old_versions", "doomed", "owner"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("INSERT INTO shreds DEFAULT VALUES")
        hierarchy.load()
        _note_roots(connection, Roots(database, hierarchy))
    return count


def _move_versions(connection: sqlite3.Connection, provider: HybridProvider, kek: Kek) -> None:
    for dataset, version, wrapped in connection.execute("SELECT dataset, version, wrapped FROM old_versions"):
        context = root_context(dataset, version)
        moved = None if wrapped is None else kek.wrap(provider.open(wrapped, context), context)
        number = None if wrapped is None else kek.id
        connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?, NULL, NULL)", (dataset, version, number, moved))


def _move_records(connection: sqlite3.Connection, provider: HybridProvider, kek: Kek, progress: Progress | None) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM old_records").fetchall()
    committed = set(connection.execute("SELECT dataset, version FROM versions WHERE wrapped IS NOT NULL").fetchall())
    rows = connection.execute("SELECT dataset, version, record, digest, wrapped FROM old_records")
    for done, (dataset, version, record, address, wrapped) in enumerate(rows, 1):
        old = digest("hmchain vault record", dataset.encode(), version.to_bytes(8, "big"), record.encode())
        key = provider.open(wrapped, old)
        blob = connection.execute("INSERT INTO blobs (digest, context) VALUES (?, ?)", (address, old)).lastrowid
        salt = b"" if (dataset, version) in committed else secrets.token_bytes(SALT_BYTES)
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, '', ?, ?, ?, ?, NULL)",
            (
                dataset,
                version,
                record,
                blob,
                salt,
                kek.id,
                kek.wrap(key, record_context(dataset, version, record, old, "", salt)),
            ),
        )
        if done % _TOLD_EVERY == 0 or done == count:
            _tell(progress, done, count)
    return int(count)


def _tell(progress: Progress | None, done: int, of: int) -> None:
    if progress is not None:
        progress(done, of)
