"""The catalogue's file: one SQLite database of mode 0600, its tables, and how it is opened."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hmchain import files, sqlite
from hmchain.errors import StorageError
from hmchain.records.catalogue.editions import SCHEMA as EDITIONS
from hmchain.records.objects import DiskFullError

SCHEMA_VERSION = 2
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
    PRIMARY KEY (dataset, version, name)) WITHOUT ROWID;
CREATE TABLE actions (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, element TEXT NOT NULL, done TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (dataset, version, element, done)) WITHOUT ROWID;
CREATE TABLE held (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, item BLOB NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, releasable INTEGER NOT NULL, state TEXT NOT NULL,
    reviewer TEXT NOT NULL, reviewed_ms INTEGER, PRIMARY KEY (dataset, version, item)) WITHOUT ROWID;
-- Whom an item in quarantine is about, by pseudonym; '' stands for patients who cannot be told.
CREATE TABLE held_subjects (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, item BLOB NOT NULL, subject TEXT NOT NULL,
    PRIMARY KEY (dataset, version, item, subject)) WITHOUT ROWID;
CREATE INDEX held_by_subject ON held_subjects (subject);
CREATE TABLE opt_outs (
    kind TEXT NOT NULL, digest BLOB NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY (kind, digest)) WITHOUT ROWID;
{EDITIONS}
CREATE VIRTUAL TABLE words USING fts5 (dataset UNINDEXED, version UNINDEXED, record UNINDEXED, body);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class CatalogueError(StorageError):
    """The catalogue's file is missing, damaged, in use or of another version."""

    code = "catalogue"


def connect(path: Path) -> sqlite3.Connection:
    """Open the catalogue, making it if it is not there. Raises `CatalogueError`."""
    try:
        files.make_folder(path.parent, mode=0o700)
    except OSError as error:
        raise CatalogueError(f"{path} cannot be opened", "check the path and its owner") from error
    database = sqlite.open_file(path, _naming(path), shreds=True, mode=files.PRIVATE)
    with failures(path):
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found == 0:
            database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif found != SCHEMA_VERSION:
            raise CatalogueError(f"{path} is of another version", "use the version of hmchain that made it")
    return database


def shred(database: sqlite3.Connection, path: Path) -> None:
    """Leave nothing of deleted entries in SQLite's log. Raises `CatalogueError` if another process keeps it in use."""
    with failures(path):
        emptied = sqlite.empty_log(database)
    if not emptied:
        what = f"the entries are deleted, but another process keeps the log of {path} in use"
        raise CatalogueError(what, "stop it; the next command empties the log")


def back_up(database: sqlite3.Connection, path: Path) -> None:
    """Copy the open file to a new one of mode 0600. Raises `CatalogueError` or `DiskFullError`."""
    try:
        with failures(path):
            sqlite.copy_to(database, path)
    except OSError as error:
        raise CatalogueError(f"{path} cannot be made", "choose another place") from error


def failures(path: Path | str) -> AbstractContextManager[None]:
    """SQLite's errors as ours."""
    return sqlite.failures(_naming(path))


def _naming(path: Path | str) -> sqlite.Named:
    def named(trouble: sqlite.Trouble) -> StorageError:
        if trouble is sqlite.Trouble.FULL:
            return DiskFullError("there is no room to write the catalogue", "free some space, then run again")
        if trouble is sqlite.Trouble.BUSY:
            return CatalogueError(f"{path} is in use by another process", "wait for it to end, then run again")
        return CatalogueError(f"{path} cannot be read or written", "restore it from a backup")

    return named


def rows(database: sqlite3.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """All rows of a query."""
    return database.execute(sql, values).fetchall()
