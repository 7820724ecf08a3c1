"""Vaults of earlier formats.

In the first, every key was wrapped by the organisation's hybrid key itself. In the second, a record's key was not bound
to its patient and salt, roots did not bind what is said of records, and objects were named by SHA-256. Roots that were
committed to stay as they are.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from hmchain.canonical import digest
from hmchain.plain import Progress, tell
from hmchain.records.objects import MissingObjectError, ObjectStore
from hmchain.records.objects.backend import Buffer
from hmchain.records.vault import erasure
from hmchain.records.vault.commitment import SALT_BYTES
from hmchain.records.vault.database import SCHEMA, VERSION, Database
from hmchain.records.vault.errors import VaultError, VaultKeyError
from hmchain.records.vault.hierarchy import Hierarchy, Kek, RecordKey, record_context, root_context
from hmchain.records.vault.intake import DEDUPLICATION
from hmchain.records.vault.providers import HybridProvider, KeyProvider
from hmchain.records.vault.roots import Roots

OBJECTS_AT_ONCE = 200
"""Renamed in one transaction."""
_TOLD_EVERY = 1000


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion."""

    records: int
    """Whose keys were wrapped anew, now or before it was cut short."""
    lost: int
    """Objects that are missing or altered: their records cannot be read."""


def convert(
    database: Database,
    store: ObjectStore,
    provider: KeyProvider,
    replica: ObjectStore | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Bring a vault to this format; what was cut short goes on. Objects that the store lacks come from a `replica`.

    `progress` is over records, then over objects. Raises `VaultKeyError` if the vault belongs to another key,
    `VaultError` if it has no format that is known, or an error of the store.
    """
    hierarchy = Hierarchy(database, provider)
    if database.format == 1:
        _from_first(database, provider, hierarchy, progress)
    if database.format == 2:
        hierarchy.load()
        return _from_second(database, store, hierarchy, replica, progress)
    if database.format != VERSION:
        raise VaultError(f"{database.path} is not a vault that this version reads", "use the version that made it")
    return Conversion(0, 0)


def _from_second(
    database: Database, store: ObjectStore, hierarchy: Hierarchy, replica: ObjectStore | None, progress: Progress | None
) -> Conversion:
    """Wrap all keys for their patients and salts, then give all objects their names, some in a transaction."""
    with database.transaction() as connection:
        if not _has_table(connection, "conversion"):
            columns = ("records ADD COLUMN description", "blobs ADD COLUMN former")
            for column in (*columns, "versions ADD COLUMN about", "versions ADD COLUMN root"):
                connection.execute(f"ALTER TABLE {column} BLOB")
            _begin(connection)
    ((count,),) = database.query("SELECT count(*) FROM records")
    while _wrap_some(database, hierarchy):
        ((done,),) = database.query("SELECT count(*) FROM records WHERE rowid <= (SELECT record FROM conversion)")
        tell(progress, done, count)
    ((objects,),) = database.query("SELECT count(*) FROM blobs")
    while _name_some(database, store, replica):
        erasure.finish_erasures(database, store)  # of the former names
        ((done,),) = database.query("SELECT count(*) FROM blobs WHERE id <= (SELECT blob FROM conversion)")
        tell(progress, done, objects)
    ((lost,),) = database.query("SELECT lost FROM conversion")
    with database.transaction() as connection:
        _note_roots(connection, Roots(database, hierarchy))
        connection.execute("DROP TABLE conversion")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    return Conversion(int(count), int(lost))


def _begin(connection: sqlite3.Connection) -> None:
    """Note how far keys and objects are done, and how many objects were not to be had."""
    connection.execute(
        "CREATE TABLE conversion (record INTEGER NOT NULL, blob INTEGER NOT NULL, lost INTEGER NOT NULL)"
    )
    connection.execute("INSERT INTO conversion VALUES (0, 0, 0)")


def _name_some(database: Database, store: ObjectStore, replica: ObjectStore | None) -> bool:
    chosen = "SELECT id, digest FROM blobs WHERE id > (SELECT blob FROM conversion) ORDER BY id LIMIT ?"
    rows = database.query(chosen, (OBJECTS_AT_ONCE,))
    named = [(blob, former, _renamed(store, replica, former)) for blob, former in rows]
    with database.transaction() as connection:
        for blob, former, digest in named:
            if digest is None:
                connection.execute("UPDATE conversion SET lost = lost + 1")
            else:
                connection.execute("UPDATE blobs SET digest = ?, former = ? WHERE id = ?", (digest, former, blob))
                connection.execute("INSERT OR REPLACE INTO erased VALUES (?, 0)", (former,))
            connection.execute("UPDATE conversion SET blob = ?", (blob,))
    return bool(rows)


def _renamed(store: ObjectStore, replica: ObjectStore | None, former: bytes) -> bytes | None:
    """Keep an object under its new name too; None if neither the store nor the replica has it whole."""
    for source in (store, replica):
        if source is None:
            continue
        state = sha256()
        try:
            digest = store.put_stream(_hashed(source.get_stream(former, verify=False), state.update))
        except MissingObjectError:
            continue
        if state.digest() == former:
            return digest
        store.delete(digest)
    return None


def _hashed(pieces: Iterable[Buffer], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        owned = bytes(piece)  # a store reads into one buffer again and again
        update(owned)
        yield owned


def _wrap_some(database: Database, hierarchy: Hierarchy) -> bool:
    chosen = "r.rowid > (SELECT record FROM conversion) ORDER BY r.rowid"
    with database.transaction() as connection:
        rows = hierarchy.wrap_anew(connection, chosen, second_context)
        if rows:
            connection.execute("UPDATE conversion SET record = ?", (rows[-1],))
    return bool(rows)


def second_context(key: RecordKey) -> bytes:
    """Digest what a record's copy of its blob's key was bound to in the second format."""
    place = (key.dataset.encode(), key.version.to_bytes(8, "big"), key.record.encode())
    return digest("hmchain vault key", *place, key.blob_context)


def _note_roots(connection: sqlite3.Connection, roots: Roots) -> None:
    for dataset, version in connection.execute("SELECT dataset, version FROM versions WHERE wrapped IS NOT NULL"):
        root = roots.commitment(dataset, version).root
        connection.execute("UPDATE versions SET root = ? WHERE dataset = ? AND version = ?", (root, dataset, version))


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall())


def _from_first(database: Database, provider: KeyProvider, hierarchy: Hierarchy, progress: Progress | None) -> None:
    """Move all keys under a KEK, in one transaction: about 60 microseconds a record. Ciphertext is not touched.

    Records of versions that were committed to keep the leaf that they had, the bare digest of their ciphertext (an
    empty salt).
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
        _begin(connection)
        connection.execute("UPDATE conversion SET record = (SELECT coalesce(max(rowid), 0) FROM records)")
        connection.execute("PRAGMA user_version = 2")  # objects are still named as they were


def _move_versions(connection: sqlite3.Connection, provider: HybridProvider, kek: Kek) -> None:
    for dataset, version, wrapped in connection.execute("SELECT dataset, version, wrapped FROM old_versions"):
        context = root_context(dataset, version)
        moved = None if wrapped is None else kek.wrap(provider.open(wrapped, context), context)
        number = None if wrapped is None else kek.id
        connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?, NULL, NULL)", (dataset, version, number, moved))


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
            tell(progress, done, count)
