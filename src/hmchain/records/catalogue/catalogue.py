"""The catalogue of one hospital.

It holds nothing that tells who a patient is: record and patient ids are keyed pseudonyms, names of source items are
kept as keyed digests, attributes are those that de-identification let through. The keys of the projects lie in it too,
sealed under the hospital's local key; deleting one makes the project's pseudonyms anonymous for good.
"""

from __future__ import annotations

import hmac
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec

from hmchain.canonical import digest
from hmchain.errors import InputError
from hmchain.keys import SecretKey
from hmchain.records.catalogue.database import CatalogueError, connect, failures, rows
from hmchain.records.catalogue.editions import Editions
from hmchain.records.catalogue.entries import (
    PENDING,
    ActionCount,
    Dataset,
    HeldItem,
    ItemDone,
    RecordEntry,
    Version,
)
from hmchain.records.deidentification.outcome import Edition
from hmchain.records.deidentification.profile import Profile
from hmchain.records.envelope import open_envelope, seal

__all__ = ["Catalogue", "CatalogueError", "UnknownVersionError"]

_RECORD = "record, subject, kind, media_type, size, label, attributes"
_DELETE_RECORD = "DELETE FROM records WHERE dataset = ? AND version = ? AND record = ?"
_DELETE_WORDS = "DELETE FROM words WHERE dataset = ? AND version = ? AND record = ?"
_HELD = "item, dataset, version, kind, label, code, reason, releasable, state, reviewer, reviewed_ms"


class UnknownVersionError(InputError):
    """The catalogue has no such dataset, version or record."""

    code = "no_such_version"


class Catalogue:
    """Datasets, versions, records and quarantine in one SQLite file. One thread at a time; close it."""

    def __init__(self, path: Path, local: SecretKey) -> None:
        """Open the catalogue at `path`, or make it; `local` seals the keys of its projects.

        Raises `CatalogueError`.
        """
        self._path = path
        self._local = local
        self._database = connect(path)
        self._keys: dict[str, SecretKey] = {}
        self._item_keys: dict[str, SecretKey] = {}
        self._editions = Editions(local)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Projects and datasets

    def project_key(self, project: str) -> SecretKey:
        """The secret that a project's pseudonyms are made with; made at first use."""
        if project not in self._keys:
            self._keys[project] = self._load_or_make_key(project)
        return self._keys[project]

    def _load_or_make_key(self, project: str) -> SecretKey:
        context = digest("hmchain catalogue project", project.encode())
        found = self._rows("SELECT sealed FROM projects WHERE name = ?", project)
        if found:
            return SecretKey(open_envelope(found[0][0], self._local, context))
        key = SecretKey.generate()
        with self._transaction() as database:
            database.execute("INSERT INTO projects VALUES (?, ?)", (project, seal(key.raw, self._local, context)))
        return key

    def item_digest(self, project: str, name: str) -> bytes:
        """What is kept of an item's name: 32 bytes that say nothing to who lacks the project's key."""
        if project not in self._item_keys:
            self._item_keys[project] = self.project_key(project).derive("hmchain catalogue items")
        return hmac.digest(self._item_keys[project].raw, name.encode("utf-8", "surrogateescape"), "sha256")

    def add_dataset(self, dataset: Dataset) -> None:
        """Add a dataset; its project gets a key if it has none."""
        self.project_key(dataset.project)
        profile = msgspec.json.encode(dataset.profile, order="deterministic").decode()
        with self._transaction() as database:
            database.execute(
                "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    dataset.name,
                    dataset.title,
                    dataset.project,
                    profile,
                    dataset.created_ms,
                    dataset.schema,
                    dataset.form,
                ),
            )

    def dataset(self, name: str) -> Dataset | None:
        """A dataset, or None."""
        return next((entry for entry in self.datasets() if entry.name == name), None)

    def datasets(self) -> list[Dataset]:
        """All datasets, in order of name."""
        found = self._rows("SELECT name, title, project, profile, created_ms, schema, form FROM datasets ORDER BY name")
        return [
            Dataset(name, title, project, msgspec.json.decode(profile, type=Profile), *rest)
            for name, title, project, profile, *rest in found
        ]

    # Versions

    def open_version(self, dataset: str, source: str, now_ms: int) -> Version:
        """The version of a dataset that is being filled; the next one if the last is closed."""
        known = self.versions(dataset)
        if known and not known[-1].closed:
            return known[-1]
        number = known[-1].number + 1 if known else 1
        with self._transaction() as database:
            database.execute("INSERT INTO versions VALUES (?, ?, ?, NULL, ?, NULL)", (dataset, number, source, now_ms))
        return self.version(dataset, number)

    def close_version(self, dataset: str, number: int, root: bytes, now_ms: int) -> None:
        """Fix a version by its root."""
        with self._transaction() as database:
            database.execute(
                "UPDATE versions SET root = ?, closed_ms = ? WHERE dataset = ? AND number = ?",
                (root, now_ms, dataset, number),
            )

    def version(self, dataset: str, number: int | None = None) -> Version:
        """A version, the newest if no number is given. Raises `UnknownVersionError`."""
        found = [entry for entry in self.versions(dataset) if number in (None, entry.number)]
        if not found:
            what = f"dataset {dataset}" if number is None else f"version {number} of dataset {dataset}"
            raise UnknownVersionError(f"the catalogue has no {what}", "`hmchain data list` shows what there is")
        return found[-1]

    def versions(self, dataset: str) -> list[Version]:
        """All versions of a dataset, the oldest first."""
        sql = """
            SELECT dataset, number, source,
                (SELECT count(*) FROM records r WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT count(DISTINCT subject) FROM records r WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT coalesce(sum(size), 0) FROM records r WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT count(*) FROM held h WHERE h.dataset = v.dataset AND h.version = v.number AND state = ?),
                root, created_ms, closed_ms
            FROM versions v WHERE dataset = ? ORDER BY number"""
        return [Version(*row) for row in self._rows(sql, PENDING, dataset)]

    # What extraction writes

    def is_done(self, dataset: str, version: int, name: bytes) -> bool:
        """Whether an item is extracted or in quarantine; `name` is its `item_digest`."""
        sql = "SELECT 1 FROM items WHERE dataset = ? AND version = ? AND name = ?"
        return bool(self._rows(sql, dataset, version, name))

    def add_items(self, dataset: str, version: int, items: Iterable[ItemDone]) -> None:
        """Write down what became of items, all or none."""
        with self._transaction() as database:
            for item in items:
                self._add_item(database, dataset, version, item)

    def _add_item(self, database: sqlite3.Connection, dataset: str, version: int, item: ItemDone) -> None:
        key = (dataset, version)
        database.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", (*key, item.name, item.duplicates))
        for record in item.replaced:
            database.execute(_DELETE_RECORD, (*key, record))
            database.execute(_DELETE_WORDS, (*key, record))
        for entry in item.records:
            attributes = json.dumps(dict(sorted(entry.attributes.items())))
            database.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, entry.record, entry.subject, entry.kind, entry.media_type, entry.size, entry.label,
                 attributes),
            )  # fmt: skip
            _index(database, dataset, version, entry)
        self._editions.write(database, dataset, version, item.records)
        for action in item.actions:
            database.execute(
                """INSERT INTO actions VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET count = count + excluded.count""",
                (*key, action.element, action.done, action.count),
            )
        if (held := item.held) is not None:
            database.execute(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, held.item, held.kind, held.label, held.code, held.reason, held.releasable, held.state,
                 held.reviewer, held.reviewed_ms),
            )  # fmt: skip

    def label(self, dataset: str, version: int, labels: Mapping[str, str]) -> None:
        """Label records, all or none."""
        sql = "UPDATE records SET label = ? WHERE dataset = ? AND version = ? AND record = ?"
        with self._transaction() as database:
            database.executemany(sql, [(label, dataset, version, record) for record, label in labels.items()])
            database.execute("DELETE FROM words WHERE dataset = ? AND version = ?", (dataset, version))
            for entry in list(self.records(dataset, version)):
                _index(database, dataset, version, entry)

    # Reading

    def records(self, dataset: str, version: int) -> Iterator[RecordEntry]:
        """The records of a version in order of their ids; memory does not grow with their number."""
        sql = f"SELECT {_RECORD} FROM records WHERE dataset = ? AND version = ? ORDER BY record"  # noqa: S608 - ours
        with failures(self._path):
            for row in self._database.execute(sql, (dataset, version)):
                yield _entry(row)

    def record(self, dataset: str, version: int, record: str) -> RecordEntry | None:
        """One record, or None."""
        sql = f"SELECT {_RECORD} FROM records WHERE dataset = ? AND version = ? AND record = ?"  # noqa: S608
        found = self._rows(sql, dataset, version, record)
        return _entry(found[0]) if found else None

    def edition(self, dataset: str, version: int, record: str) -> Edition | None:
        """Which edition of a resource a record was made of; None if that is not known."""
        sql = "SELECT sealed FROM editions WHERE dataset = ? AND version = ? AND record = ?"
        found = self._rows(sql, dataset, version, record)
        return self._editions.open(dataset, version, record, found[0][0]) if found else None

    def media(self, dataset: str, version: int) -> list[tuple[str, str]]:
        """The kinds and media types of a version's records, in order."""
        sql = "SELECT DISTINCT kind, media_type FROM records WHERE dataset = ? AND version = ? ORDER BY 1, 2"
        return [(kind, media_type) for kind, media_type in self._rows(sql, dataset, version)]

    def search(self, text: str, limit: int = 50) -> list[tuple[str, int, str]]:
        """Records (dataset, version, record) whose label, type or attributes have all words of `text`, best first."""
        words = " ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        if not words:
            return []
        sql = "SELECT dataset, version, record FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
        return [(dataset, int(version), record) for dataset, version, record in self._rows(sql, words, limit)]

    def actions(self, dataset: str, version: int) -> list[ActionCount]:
        """What de-identification did, in order of element."""
        sql = "SELECT element, done, count FROM actions WHERE dataset = ? AND version = ? ORDER BY element, done"
        return [ActionCount(*row) for row in self._rows(sql, dataset, version)]

    def duplicates(self, dataset: str, version: int) -> int:
        """Records that items gave a second time, byte for byte."""
        sql = "SELECT coalesce(sum(duplicates), 0) FROM items WHERE dataset = ? AND version = ?"
        (found,) = self._rows(sql, dataset, version)
        return int(found[0])

    # Quarantine and erasure

    def held(self, dataset: str | None = None) -> list[HeldItem]:
        """Items in quarantine, of one dataset or all."""
        sql = f"SELECT {_HELD} FROM held WHERE ? IN ('', dataset) ORDER BY dataset, version, item"  # noqa: S608
        found = self._rows(sql, dataset or "")
        return [replace(HeldItem(*row), releasable=bool(row[7])) for row in found]

    def review(self, held: HeldItem, state: str, reviewer: str, now_ms: int) -> None:
        """Write down what a reviewer decided."""
        with self._transaction() as database:
            database.execute(
                """UPDATE held SET state = ?, reviewer = ?, reviewed_ms = ?
                WHERE dataset = ? AND version = ? AND item = ?""",
                (state, reviewer, now_ms, held.dataset, held.version, held.item),
            )

    def forget(self, dataset: str | None, *, record: str | None = None, subject: str | None = None) -> int:
        """Delete the entries of a record or of a patient, in one dataset or all; returns how many there were."""
        chosen = "WHERE ? IN ('', dataset) AND (record = ? OR subject = ?)"
        values = (dataset or "", record or "", subject or "")
        with self._transaction() as database:
            found = rows(database, f"SELECT dataset, version, record FROM records {chosen}", values)  # noqa: S608
            database.execute(f"DELETE FROM records {chosen}", values)  # noqa: S608
            database.executemany("DELETE FROM words WHERE dataset = ? AND version = ? AND record = ?", found)
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(found)

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with failures(self._path):
            return rows(self._database, sql, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with failures(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise


def _index(database: sqlite3.Connection, dataset: str, version: int, entry: RecordEntry) -> None:
    """Make a record findable by its words."""
    body = " ".join((entry.label, entry.media_type, *entry.attributes.values()))
    database.execute("INSERT INTO words VALUES (?, ?, ?, ?)", (dataset, version, entry.record, body))


def _entry(row: tuple[Any, ...]) -> RecordEntry:
    record, subject, kind, media_type, size, label, attributes = row
    return RecordEntry(record, subject, kind, media_type, size, label, json.loads(attributes))
