"""The catalogue's file: one SQLite database of mode 0600, its tables, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hmchain import files, sqlite
from hmchain.errors import StorageError
from hmchain.records.catalogue.editions import SCHEMA as EDITIONS
from hmchain.records.catalogue.outcomes import SCHEMA as OUTCOMES
from hmchain.records.consents.optout_lists import SCHEMA as OPTOUT_LISTS
from hmchain.records.consents.register import SCHEMA as CONSENTS
from hmchain.records.objects import DiskFullError

SCHEMA_VERSION = 11
_REVIEW = """
-- What people decided, by keyed digests of the content. Told: the reasons, or nothing for whatever it is held for.
CREATE TABLE decisions (
    content BLOB NOT NULL, told BLOB NOT NULL, state TEXT NOT NULL, reviewer TEXT NOT NULL, persons INTEGER NOT NULL,
    decided_ms INTEGER NOT NULL, regions TEXT NOT NULL, PRIMARY KEY (content, told)) WITHOUT ROWID;
"""
_SIGNED_BY_NOBODY = """
INSERT INTO blanked_devices SELECT rule, reviewer, since_ms, x'', x'' FROM unsigned;
DROP TABLE unsigned;
"""
_RECEIVED = """
-- Datasets that another hospital gave, with what they may be used for, as JSON.
CREATE TABLE IF NOT EXISTS received (
    dataset TEXT PRIMARY KEY REFERENCES datasets, body TEXT NOT NULL, erased_ms INTEGER) WITHOUT ROWID;
"""
_INDEXED = ("code", "modality", "kind", "series", "device", "patient", "dataset")
_INDEXES = "CREATE INDEX held_by_item ON held (item); CREATE INDEX held_by_state ON held (state);" + "".join(
    f"CREATE INDEX held_by_{name} ON held (state, {name});" for name in _INDEXED
)
"""Each holds what waiting items are counted by, so that no count reads the items themselves."""
_VOTES = """
-- Who said what of an item that waits, with a signature where that person gave a key.
CREATE TABLE votes (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, item BLOB NOT NULL, state TEXT NOT NULL, reviewer TEXT NOT NULL,
    key BLOB NOT NULL, signature BLOB NOT NULL, regions TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (dataset, version, item, state, reviewer, key)) WITHOUT ROWID;
"""
_DEVICES = """
-- What people said is blanked on a device from then on, whatever the profile says: signed by who gave a key.
CREATE TABLE blanked_devices (
    rule TEXT NOT NULL, reviewer TEXT NOT NULL, since_ms INTEGER NOT NULL, key BLOB NOT NULL, signature BLOB NOT NULL,
    PRIMARY KEY (rule, reviewer, key)) WITHOUT ROWID;
"""
_UNSIGNED = "CREATE TABLE blanked_devices (rule TEXT PRIMARY KEY, reviewer TEXT, since_ms INTEGER)"
_MIGRATIONS = {
    2: "ALTER TABLE held ADD COLUMN regions TEXT NOT NULL DEFAULT '[]'",
    3: "".join(f"ALTER TABLE held ADD COLUMN {name} TEXT NOT NULL DEFAULT '';" for name in
               ("series", "modality", "device", "patient"))
    + f"ALTER TABLE held ADD COLUMN content BLOB NOT NULL DEFAULT x'';{_REVIEW}",
    4: f"{_VOTES}{_UNSIGNED}",
    5: "ALTER TABLE items ADD COLUMN file BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE items ADD COLUMN became TEXT NOT NULL DEFAULT ''",
    6: "".join(f"DROP INDEX IF EXISTS held_by_{name};" for name in ("item", *_INDEXED)) + _INDEXES,
    7: f"ALTER TABLE blanked_devices RENAME TO unsigned;{_DEVICES}{_SIGNED_BY_NOBODY}",
    8: OUTCOMES,
    9: CONSENTS + OPTOUT_LISTS,
    10: _RECEIVED,
}  # fmt: skip
"""The change that brings a file from one version to the next."""
_SCHEMA = f"""
CREATE TABLE projects (name TEXT PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE datasets (
    name TEXT PRIMARY KEY, title TEXT NOT NULL, project TEXT NOT NULL REFERENCES projects,
    profile TEXT NOT NULL, created_ms INTEGER NOT NULL, schema TEXT NOT NULL,
    form TEXT NOT NULL);
CREATE TABLE versions (
    dataset TEXT NOT NULL REFERENCES datasets, number INTEGER NOT NULL, source TEXT NOT NULL,
    root BLOB, created_ms INTEGER NOT NULL, closed_ms INTEGER, erased_ms INTEGER,
    PRIMARY KEY (dataset, number));
CREATE TABLE records (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL, subject TEXT NOT NULL,
    kind TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, label TEXT NOT NULL,
    attributes TEXT NOT NULL, PRIMARY KEY (dataset, version, record)) WITHOUT ROWID;
CREATE INDEX records_by_subject ON records (subject);
CREATE TABLE items (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, name BLOB NOT NULL, duplicates INTEGER NOT NULL,
    file BLOB NOT NULL DEFAULT x'', became TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (dataset, version, name)) WITHOUT ROWID;
CREATE TABLE actions (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, element TEXT NOT NULL, done TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (dataset, version, element, done)) WITHOUT ROWID;
CREATE TABLE held (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, item BLOB NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, releasable INTEGER NOT NULL, state TEXT NOT NULL,
    reviewer TEXT NOT NULL, reviewed_ms INTEGER, regions TEXT NOT NULL DEFAULT '[]', series TEXT NOT NULL,
    modality TEXT NOT NULL, device TEXT NOT NULL, patient TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (dataset, version, item)) WITHOUT ROWID;
-- Whom an item in quarantine is about, by pseudonym; '' stands for patients who cannot be told.
CREATE TABLE held_subjects (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, item BLOB NOT NULL, subject TEXT NOT NULL,
    PRIMARY KEY (dataset, version, item, subject)) WITHOUT ROWID;
CREATE INDEX held_by_subject ON held_subjects (subject);
{_REVIEW}{_VOTES}{_DEVICES}{_INDEXES}CREATE TABLE opt_outs (
    kind TEXT NOT NULL, digest BLOB NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY (kind, digest)) WITHOUT ROWID;
{EDITIONS}{OUTCOMES}{CONSENTS}{OPTOUT_LISTS}{_RECEIVED}
CREATE VIRTUAL TABLE words USING fts5 (dataset UNINDEXED, version UNINDEXED, record UNINDEXED, body);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class CatalogueError(StorageError):
    """The catalogue's file is missing, damaged, in use or of another version."""

    code = "catalogue"


class Database(sqlite.Database):
    """The open file, made if it is not there. One thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises `CatalogueError`."""
        self._path = path
        try:
            files.make_folder(path.parent, mode=0o700)
        except OSError as error:
            raise CatalogueError(f"{path} cannot be opened", "check the path and its owner") from error
        connection = sqlite.open_file(path, self._trouble, shreds=True, mode=files.PRIVATE)
        super().__init__(connection, self._trouble)
        ((found,),) = self.query("PRAGMA user_version")
        if found == 0:
            with sqlite.failures(self._trouble):
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif found != SCHEMA_VERSION:
            self._migrate(connection, found)

    def _migrate(self, connection: sqlite3.Connection, found: int) -> None:
        """Bring a file of an earlier version to this one, all of the way or not at all.

        Raises `CatalogueError` for one that is of no version that is known.
        """
        if found > SCHEMA_VERSION or found < min(_MIGRATIONS):
            raise CatalogueError(f"{self._path} is of another version", "use the version of hmchain that made it")
        with self.transaction():
            ((now,),) = self.query("PRAGMA user_version")  # another process may have done it meanwhile
            for number in range(now, SCHEMA_VERSION):
                for statement in _MIGRATIONS[number].split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def shred(self) -> None:
        """Leave nothing of deleted entries in SQLite's log.

        Raises `CatalogueError` if another process keeps it in use.
        """
        if not self.empty_log():
            what = f"the entries are deleted, but another process keeps the log of {self._path} in use"
            raise CatalogueError(what, "stop it; the next command empties the log")

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new one of mode 0600. Raises `CatalogueError` or `DiskFullError`."""
        try:
            self.copy_to(path)
        except OSError as error:
            raise CatalogueError(f"{path} cannot be made", "choose another place") from error

    def _trouble(self, trouble: sqlite.Trouble) -> StorageError:
        if trouble is sqlite.Trouble.FULL:
            return DiskFullError("there is no room to write the catalogue", "free some space, then run again")
        if trouble is sqlite.Trouble.BUSY:
            return CatalogueError(f"{self._path} is in use by another process", "wait for it to end, then run again")
        if trouble is sqlite.Trouble.CLOSED:
            return CatalogueError(f"{self._path} cannot be opened", "check its path, owner and mode")
        if trouble is sqlite.Trouble.READ_ONLY:
            return CatalogueError(f"{self._path} may be read, and not changed", "take a copy that may be written")
        return CatalogueError(f"{self._path} cannot be read or written", "restore it from a backup")
