"""The vault's SQLite file: its schema, and transactions after which destroyed keys are nowhere in it."""

from __future__ import annotations

from pathlib import Path

from hmchain import files, sqlite
from hmchain.errors import StorageError
from hmchain.records.objects import DiskFullError
from hmchain.records.vault.errors import VaultError

FILE = "vault.sqlite"
VERSION = 3

SCHEMA = (
    # Key-encryption keys, wrapped by a provider. The newest wraps; older ones are there only while keys move to it.
    "CREATE TABLE keks (id INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, wrapped BLOB NOT NULL)",
    # Ciphertext in the object store. `context` is what its envelope is bound to, 32 bytes; `content` is a keyed digest
    # of the plaintext, by which a second record with the same content finds it. `former` is the digest (SHA-256) that
    # it had in an earlier format: leaves that were committed to then are made of that.
    """CREATE TABLE blobs (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, context BLOB NOT NULL, content BLOB UNIQUE,
        former BLOB)""",
    # `wrapped` is this record's own copy of its blob's key. `salt` hides the record in the tree of its version.
    # `description` is a keyed digest of what was said of it when the version was committed to; NULL if nothing was.
    """CREATE TABLE records (
        dataset TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL, subject TEXT NOT NULL,
        blob INTEGER NOT NULL REFERENCES blobs, salt BLOB NOT NULL,
        kek INTEGER NOT NULL REFERENCES keks, wrapped BLOB NOT NULL, description BLOB,
        PRIMARY KEY (dataset, version, record))""",
    "CREATE INDEX records_of_subject ON records (subject) WHERE subject <> ''",
    "CREATE INDEX records_of_blob ON records (blob)",
    "CREATE INDEX records_of_kek ON records (kek)",
    # Versions that are committed to. The key of a root is NULL once a record of it was erased. `about` is a keyed
    # digest of what was said of the version, NULL if nothing was.
    """CREATE TABLE versions (
        dataset TEXT NOT NULL, version INTEGER NOT NULL, kek INTEGER REFERENCES keks, wrapped BLOB, about BLOB,
        root BLOB, PRIMARY KEY (dataset, version))""",
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, kek INTEGER NOT NULL REFERENCES keks, wrapped BLOB NOT NULL)",
    # Ciphertext whose key is destroyed: to be deleted here, then remembered for replicas.
    "CREATE TABLE erased (digest BLOB PRIMARY KEY, deleted INTEGER NOT NULL)",
    # One row for each time that keys were destroyed and SQLite's log may still hold them.
    "CREATE TABLE shreds (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    f"PRAGMA user_version = {VERSION}",
)


class Database(sqlite.Database):
    """The open file. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(sqlite.open_file(path, _named, shreds=True, mode=files.PRIVATE), _named)
        self.query("PRAGMA foreign_keys = ON")  # no KEK and no blob goes while a record needs it

    @property
    def format(self) -> int:
        """The schema's version; 0 in a file that a crash left half made."""
        return int(self.query("PRAGMA user_version")[0][0])

    def shred(self) -> None:
        """Empty SQLite's log if keys were destroyed since it was last empty: it holds them until then.

        Raises `VaultError` if another process keeps the log in use. The keys are destroyed for every reader of the
        file; opening the vault again empties the log.
        """
        ((last,),) = self.query("SELECT max(id) FROM shreds")
        if last is None:
            return
        if not self.empty_log():
            what = "the keys are destroyed, but another process keeps SQLite's log of them in use"
            raise VaultError(what, "stop it, then open the vault again")
        with self.transaction() as connection:
            connection.execute("DELETE FROM shreds WHERE id <= ?", (last,))

    def check(self) -> None:
        """Have SQLite look through the whole file. Raises `VaultError`."""
        if self.query("PRAGMA integrity_check(1)") != [("ok",)]:
            raise VaultError("the vault's file is damaged", "restore it from its backup")

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new file of mode 0600. Raises `VaultError` if there is one."""
        try:
            self.copy_to(path)
        except OSError as error:
            raise VaultError(f"{path} cannot be made", "choose another place for the backup") from error


def _named(trouble: sqlite.Trouble) -> StorageError:
    if trouble is sqlite.Trouble.FULL:
        return DiskFullError("there is no room to write the vault", "free some space, then run again")
    if trouble is sqlite.Trouble.BUSY:
        return VaultError("the vault is in use by another process", "wait for it, or stop it")
    if trouble is sqlite.Trouble.CLOSED:
        return VaultError("the vault's file cannot be opened", "check its path, owner and mode")
    if trouble is sqlite.Trouble.READ_ONLY:
        return VaultError("the vault may be read here, and not changed", "take a copy that may be written")
    return VaultError("the vault's file is damaged or cannot be used", "restore it from its backup")
