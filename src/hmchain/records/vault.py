"""The records of one organisation: the only place that keeps patient data, always encrypted.

Every record is sealed under a random key of its own; the key is wrapped to the organisation's hybrid key (HPKE) with
dataset, version and record as context. Ciphertext lies in the object store, wrapped keys in one SQLite file. Ciphertext
is written before its key and outlives it, so that a crash leaves at most ciphertext that nobody can open.

A version of a dataset is committed to by a root that goes on the ledger. The root is keyed, and the key lives here: to
others it says nothing about the records, and with the key destroyed nothing is left to test a guess against.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hmchain import merkle
from hmchain.canonical import decode_trusted, digest, encode
from hmchain.errors import InputError, KeyMaterialError, StorageError
from hmchain.keys import SecretKey, WrappedKey, WrappingKey
from hmchain.records.envelope import Buffer, open_envelope, seal
from hmchain.records.objects import DiskFullError, ObjectStore

_FILE = "vault.sqlite"
_BATCH = 256  # records sealed and synced together: what `put_many` holds in memory
_SCHEMA = (
    "CREATE TABLE owner (key_digest BLOB NOT NULL)",
    """CREATE TABLE records (
        dataset TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL,
        digest BLOB NOT NULL, wrapped BLOB NOT NULL,
        PRIMARY KEY (dataset, version, record))""",
    # Versions that are committed to. The key of a root is NULL once a record of it was erased.
    """CREATE TABLE versions (
        dataset TEXT NOT NULL, version INTEGER NOT NULL, wrapped BLOB,
        PRIMARY KEY (dataset, version))""",
    # Ciphertext whose key is destroyed and which is still to be deleted.
    "CREATE TABLE doomed (digest BLOB PRIMARY KEY)",
    "PRAGMA user_version = 1",
)
_SCHEMA_VERSION = 1

Progress = Callable[[int, int], None]


class VaultError(StorageError):
    """The vault's file is missing, damaged, in use, or in the way of a new one."""

    code = "vault"


class VaultKeyError(KeyMaterialError):
    """The vault belongs to another key."""

    code = "vault_key"


class MissingRecordError(StorageError):
    """The vault holds no such record: it was never put, or was erased."""

    code = "record_missing"


class RecordExistsError(InputError):
    """A record of a version is put a second time."""

    code = "record_exists"


class VersionClosedError(InputError):
    """A dataset version that is committed to cannot change, and one with erasures has no root any more."""

    code = "version_closed"


@dataclass(frozen=True)
class Commitment:
    """What a dataset version is bound to."""

    root: bytes
    """32 bytes for the ledger: HMAC-SHA256 of `merkle_root` under a key that never leaves the vault."""
    merkle_root: bytes
    """RFC 6962 root over the ciphertext digests in order of record id. Not for publication."""
    digests: tuple[bytes, ...]
    """The ciphertext digests, its leaves."""


class Vault:
    """One organisation's records. One thread at a time; close it, or use it as a context manager."""

    def __init__(self, database: sqlite3.Connection, store: ObjectStore, wrapping: WrappingKey) -> None:
        self._database = database
        self._store = store
        self._wrapping = wrapping
        self._public = wrapping.public

    @classmethod
    def create(cls, directory: Path, store: ObjectStore, wrapping: WrappingKey) -> Vault:
        """Make a new vault in `directory` for the owner of `wrapping`.

        Raises `VaultError` if there is one already.
        """
        path = directory / _FILE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise VaultError(f"{path} cannot be made", "check the path and its owner") from error
        vault = cls(_connect(path), store, wrapping)
        with vault._transaction() as database:
            if vault._schema_version():  # 0 in a file that a crash left half made
                raise VaultError(f"{path} exists", "open it, or choose another directory")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute("INSERT INTO owner VALUES (?)", (vault._owner(),))
        return vault

    @classmethod
    def open(cls, directory: Path, store: ObjectStore, wrapping: WrappingKey) -> Vault:
        """Open the vault in `directory`, and finish an erasure that was cut short.

        Raises `VaultError` if there is none or it is damaged, `VaultKeyError` if it belongs to another key.
        """
        path = directory / _FILE
        if not path.is_file():
            raise VaultError(f"{path} does not exist", "create the vault first, or restore the file")
        vault = cls(_connect(path), store, wrapping)
        if vault._schema_version() != _SCHEMA_VERSION:
            raise VaultError(f"{path} is not a vault that this version reads", "create it, or restore the file")
        if vault._query("SELECT key_digest FROM owner") != [(vault._owner(),)]:
            vault.close()
            raise VaultKeyError(f"{path} belongs to another key", "use the key that it was made with")
        vault._delete_doomed()
        return vault

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, dataset: str, version: int, record: str, plaintext: Buffer) -> bytes:
        """Seal and keep one record; returns the digest of its ciphertext. As `put_many`."""
        return self.put_many(dataset, version, {record: plaintext})[0]

    def put_many(
        self, dataset: str, version: int, records: Mapping[str, Buffer], progress: Progress | None = None
    ) -> list[bytes]:
        """Seal and keep records by id, all or none; returns the digests of their ciphertexts, in order.

        `progress` is called with records done and all records. Raises `RecordExistsError` if the version has one of
        them, `VersionClosedError` if it is committed to, or an error of the object store.
        """
        self._check_open(dataset, version)
        if set(self.records(dataset, version)) & records.keys():
            raise RecordExistsError(f"{dataset} version {version} has one of these records", "put it in a new version")
        rows: list[tuple[str, int, str, bytes, bytes]] = []
        for batch in _batches(list(records.items())):
            sealed = [self._seal(dataset, version, record, plaintext) for record, plaintext in batch]
            digests = self._store.put_many(envelope for envelope, _ in sealed)
            for (record, _), (_, wrapped), address in zip(batch, sealed, digests, strict=True):
                rows.append((dataset, version, record, address, wrapped))
            if progress is not None:
                progress(len(rows), len(records))
        with self._transaction() as database:
            database.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        return [row[3] for row in rows]

    def get(self, dataset: str, version: int, record: str) -> bytes:
        """Decrypt one record.

        Raises `MissingRecordError` if it was never put or is erased, or an error of the object store or the envelope.
        """
        rows = self._query(
            "SELECT record, digest, wrapped FROM records WHERE dataset = ? AND version = ? AND record = ?",
            (dataset, version, record),
        )
        if not rows:
            raise MissingRecordError(f"{dataset} version {version} does not have this record")
        return self._open(dataset, version, *rows[0])

    def read(self, dataset: str, version: int) -> Iterator[tuple[str, bytes]]:
        """Decrypt all records of a version one by one, in order of record id. Raises as `get`."""
        rows = self._query(
            "SELECT record, digest, wrapped FROM records WHERE dataset = ? AND version = ? ORDER BY record",
            (dataset, version),
        )
        for record, address, wrapped in rows:
            yield record, self._open(dataset, version, record, address, wrapped)

    def records(self, dataset: str, version: int) -> list[str]:
        """The ids of a version's records, in order."""
        rows = self._query(
            "SELECT record FROM records WHERE dataset = ? AND version = ? ORDER BY record", (dataset, version)
        )
        return [record for (record,) in rows]

    def commit(self, dataset: str, version: int) -> Commitment:
        """Close a version and return what binds it; the same each time.

        Raises `MissingRecordError` if it has no records, `VersionClosedError` if one of them was erased since.
        """
        rows = self._query(
            "SELECT digest FROM records WHERE dataset = ? AND version = ? ORDER BY record", (dataset, version)
        )
        digests = tuple(address for (address,) in rows)
        secret = self._root_key(dataset, version, create=bool(digests))
        if secret is None:
            raise MissingRecordError(f"{dataset} version {version} has no records", "put them before you commit")
        merkle_root = merkle.root(digests)
        bound = digest("hmchain dataset root", dataset.encode(), version.to_bytes(8, "big"), merkle_root)
        return Commitment(hmac.digest(secret.raw, bound, "sha256"), merkle_root, digests)

    def erase(self, dataset: str, record: str) -> int:
        """Destroy a record's keys in every version, then its ciphertext; returns the number of versions that had it.

        The roots of those versions lose their keys too: publish a new version. Raises an error of the object store if
        ciphertext cannot be deleted now; its key is gone by then, and `open` tries again.
        """
        chosen = "FROM records WHERE dataset = ? AND record = ?"
        with self._transaction() as database:
            found = database.execute(f"SELECT version, digest {chosen}", (dataset, record)).fetchall()
            database.executemany("INSERT OR IGNORE INTO doomed VALUES (?)", [(address,) for _, address in found])
            database.execute(f"DELETE {chosen}", (dataset, record))
            database.executemany(
                "INSERT OR REPLACE INTO versions VALUES (?, ?, NULL)", [(dataset, version) for version, _ in found]
            )
        self._query("PRAGMA wal_checkpoint(TRUNCATE)")  # the log still holds the keys
        self._delete_doomed()
        return len(found)

    def _seal(self, dataset: str, version: int, record: str, plaintext: Buffer) -> tuple[bytes, bytes]:
        context, key = _record_context(dataset, version, record), SecretKey.generate()
        return seal(plaintext, key, context), encode(self._public.wrap(key.raw, context))

    def _open(self, dataset: str, version: int, record: str, address: bytes, wrapped: bytes) -> bytes:
        context = _record_context(dataset, version, record)
        key = SecretKey(self._wrapping.unwrap(decode_trusted(wrapped, WrappedKey), context))
        return open_envelope(self._store.get(address), key, context)

    def _root_key(self, dataset: str, version: int, *, create: bool) -> SecretKey | None:
        """The key of a version's root; None if there is none and none is to be made."""
        context = digest("hmchain vault root key", dataset.encode(), version.to_bytes(8, "big"))
        rows = self._query("SELECT wrapped FROM versions WHERE dataset = ? AND version = ?", (dataset, version))
        if not rows:
            if not create:
                return None
            key = SecretKey.generate()
            wrapped = encode(self._public.wrap(key.raw, context))
            with self._transaction() as database:
                database.execute("INSERT INTO versions VALUES (?, ?, ?)", (dataset, version, wrapped))
            return key
        if rows[0][0] is None:
            what = f"a record was erased from {dataset} version {version}"
            raise VersionClosedError(what, "publish a new version")
        return SecretKey(self._wrapping.unwrap(decode_trusted(rows[0][0], WrappedKey), context))

    def _check_open(self, dataset: str, version: int) -> None:
        if self._query("SELECT 1 FROM versions WHERE dataset = ? AND version = ?", (dataset, version)):
            raise VersionClosedError(f"{dataset} version {version} is closed", "put the records in a new version")

    def _delete_doomed(self) -> None:
        for (address,) in self._query("SELECT digest FROM doomed"):
            self._store.delete(address)
            with self._transaction() as database:
                database.execute("DELETE FROM doomed WHERE digest = ?", (address,))

    def _schema_version(self) -> int:
        return int(self._query("PRAGMA user_version")[0][0])

    def _owner(self) -> bytes:
        return digest("hmchain vault owner", encode(self._public))

    def _query(self, statement: str, values: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
        with _failures():
            return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _failures():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has rolled back by itself
                    self._database.execute("ROLLBACK")
                raise


def _connect(path: Path) -> sqlite3.Connection:
    with _failures():
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # a destroyed key is overwritten, not only unlinked
        return database


def _record_context(dataset: str, version: int, record: str) -> bytes:
    return digest("hmchain vault record", dataset.encode(), version.to_bytes(8, "big"), record.encode())


def _batches(items: list[tuple[str, Buffer]]) -> Iterable[list[tuple[str, Buffer]]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


@contextmanager
def _failures() -> Iterator[None]:
    """Name what went wrong in SQLite; its own text may quote a statement's values."""
    try:
        yield
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise DiskFullError("there is no room to write the vault", "free some space, then run again") from error
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise VaultError("the vault is in use by another process", "wait for it, or stop it") from error
        raise VaultError("the vault's file is damaged or cannot be used", "restore it from its backup") from error
