"""The catalogue of one hospital.

It holds nothing that tells who a patient is: record and patient ids are keyed pseudonyms, names of source items are
kept as keyed digests, attributes are those that de-identification let through. The keys of the projects lie in it too,
sealed under the hospital's local key; deleting one makes the project's pseudonyms anonymous for good.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from hmchain import decoding
from hmchain.errors import InputError
from hmchain.keys import SecretKey
from hmchain.records.catalogue import outcomes
from hmchain.records.catalogue.accounts import Account, Became, Fate, add_up, decode, encode
from hmchain.records.catalogue.database import CatalogueError, Database
from hmchain.records.catalogue.editions import Editions
from hmchain.records.catalogue.entries import (
    PENDING,
    ActionCount,
    CarriedLabels,
    Dataset,
    ItemDone,
    RecordEntry,
    Version,
)
from hmchain.records.catalogue.optouts import LeftOut, OptOuts
from hmchain.records.catalogue.patients import Patients, write_merges, write_notes
from hmchain.records.catalogue.projects import Projects
from hmchain.records.catalogue.quarantine import Quarantine
from hmchain.records.catalogue.received import Received, ReceivedDatasets
from hmchain.records.consents.optout_lists import OptOutLists
from hmchain.records.consents.register import Consents
from hmchain.records.deidentification.outcome import Edition
from hmchain.records.deidentification.patients import PatientRule
from hmchain.records.deidentification.profile import Profile

__all__ = ["Catalogue", "CatalogueError", "UnknownVersionError", "VersionFixedError"]

_PAGE = 500
_RECORD = "record, subject, kind, media_type, size, label, attributes"
_CHOSEN = "WHERE ? IN ('', dataset) AND (record = ? OR subject = ? AND subject <> '')"
"""Of nobody's records, which say no subject, each is chosen by itself alone."""
_DELETE_RECORD = "DELETE FROM records WHERE dataset = ? AND version = ? AND record = ?"
_DELETE_ITEM = "DELETE FROM items WHERE dataset = ? AND version = ? AND name = ?"
_DELETE_WORDS = "DELETE FROM words WHERE dataset = ? AND version = ? AND record = ?"


class UnknownVersionError(InputError):
    """The catalogue has no such dataset, version or record."""

    code = "no_such_version"


class VersionFixedError(InputError):
    """A registered version cannot change."""

    code = "version_fixed"


class Catalogue:
    """Datasets, versions and records in one SQLite file, beside `projects`, `patients`, `quarantine`, `opt_outs`,
    `consents`, `optout_lists` and `received`.

    One thread at a time; close it.
    """

    def __init__(self, path: Path, local: SecretKey, rule: PatientRule | None = None) -> None:
        """Open the catalogue at `path`, or make it; `local` seals the keys of its projects.

        `rule` is the hospital's for its patients' numbers.

        Raises `CatalogueError`.
        """
        self._file = Database(path)
        people = local.derive("hmchain patients")
        self.patients = Patients(self._file, rule or PatientRule(), people)
        self.projects = Projects(self._file, local, people=people, patients=self.patients)
        self.quarantine = Quarantine(self._file, local.derive("hmchain reviewed content"))
        self.opt_outs = OptOuts(self._file, local.derive("hmchain opt-outs"))
        self.consents = Consents(self._file, local.derive("hmchain consent register"))
        self.optout_lists = OptOutLists(self._file)
        self.received = ReceivedDatasets(self._file)
        self._editions = Editions(local)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Datasets

    def add_dataset(self, dataset: Dataset, received: Received | None = None) -> None:
        """Add a dataset, with the grant that it came by if it is another hospital's.

        Its project gets a key if it has none.
        """
        self.projects.key(dataset.project)
        profile = msgspec.json.encode(dataset.profile, order="deterministic").decode()
        with self._file.transaction() as database:
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
            if received is not None:
                self.received.write(database, dataset.name, received)

    def dataset(self, name: str) -> Dataset | None:
        """A dataset, or None."""
        return next((entry for entry in self.datasets() if entry.name == name), None)

    def datasets(self) -> list[Dataset]:
        """All datasets, in order of name."""
        sql = "SELECT name, title, project, profile, created_ms, schema, form FROM datasets ORDER BY name"
        return [
            Dataset(name, title, project, decoding.from_json(profile, Profile), *rest)
            for name, title, project, profile, *rest in self._file.query(sql)
        ]

    # Versions

    def open_version(self, dataset: str, source: str, now_ms: int) -> Version:
        """The version of a dataset that is being filled; the next one if the last is closed."""
        known = self.versions(dataset)
        if known and not known[-1].closed:
            return known[-1]
        number = known[-1].number + 1 if known else 1
        with self._file.transaction() as database:
            database.execute(
                "INSERT INTO versions VALUES (?, ?, ?, NULL, ?, NULL, NULL)", (dataset, number, source, now_ms)
            )
        return self.version(dataset, number)

    def close_version(self, dataset: str, number: int, root: bytes, now_ms: int) -> None:
        """Fix a version by its root."""
        with self._file.transaction() as database:
            database.execute(
                "UPDATE versions SET root = ?, closed_ms = ? WHERE dataset = ? AND number = ?",
                (root, now_ms, dataset, number),
            )

    def version(self, dataset: str, number: int | None = None) -> Version:
        """A version, the newest if no number is given. Raises `UnknownVersionError`."""
        found = [entry for entry in self.versions(dataset) if number in (None, entry.number)]
        if not found:
            what = f"dataset {dataset}" if number is None else f"version {number} of dataset {dataset}"
            raise _unknown(what)
        return found[-1]

    def require_dataset(self, name: str) -> None:
        """Raise `UnknownVersionError` if there is no version of a dataset; nothing that is in one is counted."""
        if not self._file.query("SELECT 1 FROM versions WHERE dataset = ? LIMIT 1", (name,)):
            raise _unknown(f"dataset {name}")

    def versions(self, dataset: str) -> list[Version]:
        """All versions of a dataset, the oldest first."""
        sql = """
            SELECT dataset, number, source,
                (SELECT count(*) FROM records r WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT count(DISTINCT nullif(subject, '')) FROM records r
                    WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT coalesce(sum(size), 0) FROM records r WHERE r.dataset = v.dataset AND r.version = v.number),
                (SELECT count(*) FROM held h WHERE h.dataset = v.dataset AND h.version = v.number AND state = ?),
                root, created_ms, closed_ms, erased_ms
            FROM versions v WHERE dataset = ? ORDER BY number"""
        return [Version(*row) for row in self._file.query(sql, (PENDING, dataset))]

    # What extraction writes

    def is_done(self, dataset: str, version: int, name: bytes) -> bool:
        """Tell whether an item is extracted or in quarantine; `name` is its `Projects.item_digest`."""
        sql = "SELECT 1 FROM items WHERE dataset = ? AND version = ? AND name = ?"
        return bool(self._file.query(sql, (dataset, version, name)))

    def has_items(self, dataset: str, version: int) -> bool:
        """Tell whether anything was extracted into a version."""
        return bool(
            self._file.query("SELECT 1 FROM items WHERE dataset = ? AND version = ? LIMIT 1", (dataset, version))
        )

    def add_items(self, dataset: str, version: int, items: Iterable[ItemDone]) -> None:
        """Write down what became of items, all or none."""
        with self._file.transaction() as database:
            for item in items:
                self._add_item(database, dataset, version, item)

    def _add_item(self, database: sqlite3.Connection, dataset: str, version: int, item: ItemDone) -> None:
        key = (dataset, version)
        became = {} if item.is_released else dict(item.became)
        for cleared in item.clears:
            database.execute(_DELETE_ITEM, (*key, cleared))
        if item.clears:  # the same item twice in one run: a server's answers may overlap
            for fate, parts in self.became(dataset, version, item.name).items():
                became[fate] = became.get(fate, 0) + parts
        database.execute(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?)",
            (*key, item.name, item.duplicates, item.file, encode(became) if became else ""),
        )
        if not item.is_released:
            outcomes.write(database, *key, item.name, item.made)
        for record in item.replaced:
            if item.is_released:  # a person said that this one is right, and that one was wrong
                outcomes.turn(database, *key, record, Fate.OLDER)
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
        if item.is_released:
            outcomes.release(database, *key, item.name.hex(), item.became, item.made)
        if item.decided is not None:
            self.quarantine.decide_within(database, item.decided)
        self._editions.write(database, dataset, version, item.records)
        for action in item.actions:
            database.execute(
                """INSERT INTO actions VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET count = count + excluded.count""",
                (*key, action.element, action.done, action.count),
            )
        write_notes(database, item.patients)
        write_merges(database, item.same)
        if item.held is not None:
            self.quarantine.write(database, item.held, item.held_subjects)
        for held, subjects in item.apart:
            self.quarantine.write(database, held, subjects)

    def label(self, dataset: str, version: int, labels: Mapping[str, str]) -> None:
        """Label the records of an open version, all or none. Raises `VersionFixedError` if it is closed."""
        if self.version(dataset, version).closed:
            what = f"version {version} of dataset {dataset} is registered"
            raise VersionFixedError(what, "extract a new version, and label it before it is registered")
        sql = "UPDATE records SET label = ? WHERE dataset = ? AND version = ? AND record = ?"
        with self._file.transaction() as database:
            database.executemany(sql, [(label, dataset, version, record) for record, label in labels.items()])
            database.execute("DELETE FROM words WHERE dataset = ? AND version = ?", (dataset, version))
            for entry in list(self.records(dataset, version)):
                _index(database, dataset, version, entry)

    def carry_labels(self, dataset: str, version: int, before: int) -> CarriedLabels:
        """Give records of an open version that have no label the one that they had in the version `before`.

        A record that is of another patient now gets none: its label may have been that patient's. Raises
        `VersionFixedError` if the version is closed.
        """
        sql = """
            SELECT new.record, old.label, old.subject = new.subject FROM records new JOIN records old
            ON old.dataset = new.dataset AND old.version = ? AND old.record = new.record
            WHERE new.dataset = ? AND new.version = ? AND new.label = '' AND old.label <> ''"""
        found = self._file.query(sql, (before, dataset, version))
        carried = {record: label for record, label, is_same_patient in found if is_same_patient}
        if carried:
            self.label(dataset, version, carried)
        return CarriedLabels(len(carried), len(found) - len(carried))

    # Reading

    def labels(self, dataset: str, version: int) -> dict[str, int]:
        """Records by label, in order; those without one are under an empty text."""
        sql = "SELECT label, count(*) FROM records WHERE dataset = ? AND version = ? GROUP BY label ORDER BY label"
        return dict(self._file.query(sql, (dataset, version)))

    def records(self, dataset: str, version: int) -> Iterator[RecordEntry]:
        """The records of a version in order of their ids; memory does not grow with their number."""
        chosen = "WHERE dataset = ? AND version = ? AND record > ? ORDER BY record LIMIT ?"
        sql = f"SELECT {_RECORD} FROM records {chosen}"  # noqa: S608 - ours
        last = ""
        # A page at a time: no writer waits for a reader.
        while found := self._file.query(sql, (dataset, version, last, _PAGE)):
            last = found[-1][0]
            yield from map(_entry, found)

    def count(self, dataset: str, version: int) -> int:
        """The number of records of a version."""
        sql = "SELECT count(*) FROM records WHERE dataset = ? AND version = ?"
        return int(self._file.query(sql, (dataset, version))[0][0])

    def record(self, dataset: str, version: int, record: str) -> RecordEntry | None:
        """One record, or None."""
        sql = f"SELECT {_RECORD} FROM records WHERE dataset = ? AND version = ? AND record = ?"  # noqa: S608
        found = self._file.query(sql, (dataset, version, record))
        return _entry(found[0]) if found else None

    def has_subject(self, subject: str) -> bool:
        """Tell whether any record is of the patient with this pseudonym."""
        return bool(self._file.query("SELECT 1 FROM records WHERE subject = ? LIMIT 1", (subject,)))

    def holding(
        self, dataset: str | None, *, record: str | None = None, subject: str | None = None
    ) -> list[tuple[str, int, str, int]]:
        """Count the entries of a record or of a patient, in one dataset or all: dataset, version, kind, how many."""
        sql = f"SELECT dataset, version, kind, count(*) FROM records {_CHOSEN} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"  # noqa: S608
        return [tuple(row) for row in self._file.query(sql, (dataset or "", record or "", subject or ""))]

    def edition(self, dataset: str, version: int, record: str) -> Edition | None:
        """Read which edition of a resource a record was made of; None if that is not known."""
        sql = "SELECT sealed FROM editions WHERE dataset = ? AND version = ? AND record = ?"
        found = self._file.query(sql, (dataset, version, record))
        return self._editions.open(dataset, version, record, found[0][0]) if found else None

    def media(self, dataset: str, version: int) -> list[tuple[str, str]]:
        """The kinds and media types of a version's records, in order."""
        sql = "SELECT DISTINCT kind, media_type FROM records WHERE dataset = ? AND version = ? ORDER BY 1, 2"
        return [(kind, media_type) for kind, media_type in self._file.query(sql, (dataset, version))]

    def search(self, text: str, limit: int = 50) -> list[tuple[str, int, str]]:
        """Records (dataset, version, record) whose label, type or attributes have all words of `text`, best first."""
        words = " ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        if not words:
            return []
        sql = "SELECT dataset, version, record FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
        return [(dataset, int(version), record) for dataset, version, record in self._file.query(sql, (words, limit))]

    def actions(self, dataset: str, version: int) -> list[ActionCount]:
        """List what de-identification did, in order of element."""
        sql = "SELECT element, done, count FROM actions WHERE dataset = ? AND version = ? ORDER BY element, done"
        return [ActionCount(*row) for row in self._file.query(sql, (dataset, version))]

    def duplicates(self, dataset: str, version: int) -> int:
        """Records that items gave a second time, byte for byte."""
        sql = "SELECT coalesce(sum(duplicates), 0) FROM items WHERE dataset = ? AND version = ?"
        (found,) = self._file.query(sql, (dataset, version))
        return int(found[0])

    def became(self, dataset: str, version: int, name: bytes) -> Became:
        """What became of the parts of an item; `name` is its `Projects.item_digest`."""
        sql = "SELECT became FROM items WHERE dataset = ? AND version = ? AND name = ? AND became <> ''"
        found = self._file.query(sql, (dataset, version, name))
        return decode(found[0][0]) if found else {}

    def records_of(self, dataset: str, version: int, name: bytes) -> list[tuple[Fate, int, str]]:
        """What became of parts of an item that went into records, how many, and the records' ids."""
        sql = """SELECT fate, parts, target FROM outcomes WHERE dataset = ? AND version = ? AND name = ?
            AND fate IN (?, ?, ?) ORDER BY target"""
        fates = (Fate.WRITTEN, Fate.UPDATED, Fate.RELEASED)
        return [(Fate(fate), parts, record)
                for fate, parts, record in self._file.query(sql, (dataset, version, name, *fates))]  # fmt: skip

    def account(self, dataset: str, version: int) -> Account:
        """What became of all files of a version; of those that an earlier edition of this program took, nothing."""
        sql = "SELECT file, became FROM items WHERE dataset = ? AND version = ? AND became <> '' ORDER BY file"
        return add_up(self._file.rows(sql, (dataset, version)))

    # Erasure

    def forget(
        self, dataset: str | None, now_ms: int, *, record: str | None = None, subject: str | None = None
    ) -> list[tuple[str, int]]:
        """Delete the entries of a record or of a patient, in one dataset or all.

        Returns the datasets and numbers of the versions that had some; of those that are fixed it is noted when. No
        byte of the entries is left in the file: the search index is made anew, since it keeps deleted words. Raises
        `CatalogueError` if another process keeps SQLite's log of them in use.
        """
        values = (dataset or "", record or "", subject or "")
        with self._file.transaction() as database:
            found = database.execute(f"SELECT dataset, version, record FROM records {_CHOSEN}", values).fetchall()  # noqa: S608
            database.execute(f"DELETE FROM records {_CHOSEN}", values)  # noqa: S608
            database.executemany("DELETE FROM words WHERE dataset = ? AND version = ? AND record = ?", found)
            for name, number, entry in found:
                outcomes.turn(database, name, number, entry, Fate.ERASED)
            if found:
                database.execute("INSERT INTO words (words) VALUES ('rebuild')")
            versions = sorted({(name, number) for name, number, _ in found})
            database.executemany(
                "UPDATE versions SET erased_ms = ? WHERE dataset = ? AND number = ? AND root IS NOT NULL",
                [(now_ms, *version) for version in versions],
            )
        self._file.shred()
        return versions

    def forget_datasets(self, names: Sequence[str], now_ms: int) -> int:
        """Delete all entries of datasets, as `forget` does; returns how many. Their names and versions stay."""
        with self._file.transaction() as database:
            count = 0
            for name in names:
                count += database.execute("DELETE FROM records WHERE dataset = ?", (name,)).rowcount
                for table in ("words", "items", "outcomes"):
                    database.execute(f"DELETE FROM {table} WHERE dataset = ?", (name,))  # noqa: S608 - ours
                database.execute("UPDATE versions SET erased_ms = ? WHERE dataset = ?", (now_ms, name))
                database.execute("UPDATE received SET erased_ms = ? WHERE dataset = ?", (now_ms, name))
            database.execute("INSERT INTO words (words) VALUES ('rebuild')")
        self._file.shred()
        return count

    def take_out(self, dataset: str, version: int, records: Sequence[str]) -> None:
        """Delete the entries of records of an open version, as of what is erased. Raises as `forget`."""
        with self._file.transaction() as database:
            for record in records:
                database.execute(_DELETE_RECORD, (dataset, version, record))
                database.execute(_DELETE_WORDS, (dataset, version, record))
                outcomes.turn(database, dataset, version, record, Fate.ERASED)
            database.execute("INSERT INTO words (words) VALUES ('rebuild')")
        self._file.shred()

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new file of mode 0600. Raises `CatalogueError`."""
        self._file.backup(path)

    def left_out(self, project: str) -> LeftOut:
        """List what an extraction for a project passes over."""
        return self.opt_outs.left_out(self.projects.pseudonyms(project), self.optout_lists)


def _unknown(what: str) -> UnknownVersionError:
    return UnknownVersionError(f"the catalogue has no {what}", "`hmchain data list` shows what there is")


def _index(database: sqlite3.Connection, dataset: str, version: int, entry: RecordEntry) -> None:
    """Make a record findable by its words."""
    body = " ".join((entry.label, entry.media_type, *entry.attributes.values()))
    database.execute("INSERT INTO words VALUES (?, ?, ?, ?)", (dataset, version, entry.record, body))


def _entry(row: tuple[Any, ...]) -> RecordEntry:
    record, subject, kind, media_type, size, label, attributes = row
    return RecordEntry(record, subject, kind, media_type, size, label, json.loads(attributes))
