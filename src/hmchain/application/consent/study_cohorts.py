"""Whose records a study used in which round, at this hospital alone: keyed digests of persons, a cohort once.

A hospital needs it to say which models learnt of a patient before a consent was withdrawn, and to see whether two
results that are to be released would tell of few patients by their difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from hmchain import sqlite
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import StorageError

_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS cohorts (
    stamp BLOB NOT NULL, person BLOB NOT NULL, PRIMARY KEY (stamp, person)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cohorts_by_person ON cohorts (person);
CREATE TABLE IF NOT EXISTS rounds (
    study TEXT NOT NULL, round INTEGER NOT NULL, stamp BLOB NOT NULL, dataset TEXT NOT NULL, version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (study, round, stamp)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
    person BLOB NOT NULL, name BLOB NOT NULL, PRIMARY KEY (person, name)) WITHOUT ROWID;
COMMIT;
"""


class StudyCohortsError(StorageError):
    """The file of whose records studies used cannot be read or written."""

    code = "study_cohorts"


@dataclass(frozen=True)
class RoundsUsed:
    """The rounds of a study for which records of a person were used, the first to the last."""

    study: str
    dataset: str
    version: int
    first: int
    last: int
    last_ms: int


class StudyCohorts:
    """The open file, made if there is none."""

    def __init__(self, path: Path) -> None:
        """Raises `StudyCohortsError`."""

        def named(trouble: sqlite.Trouble) -> StudyCohortsError:
            return StudyCohortsError(f"{path} cannot be used: {trouble.value}", "free space, or restore it")

        self._file = sqlite.open_store(path, named, _SCHEMA)

    def knows(self, stamp: bytes) -> bool:
        """Whether a cohort is written down."""
        return bool(self._file.query("SELECT 1 FROM cohorts WHERE stamp = ? LIMIT 1", (stamp,)))

    def note(
        self,
        study: str,
        round_: int,
        stamp: bytes,
        persons: Mapping[bytes, Iterable[bytes]],
        dataset: str,
        version: int,
        at_ms: int,
    ) -> None:
        """Write down whose records a round uses, before it does.

        `persons` are those of a cohort that is new, each with the other names by which the person may be met.
        """
        with self._file.transaction() as database:
            database.executemany("INSERT OR IGNORE INTO cohorts VALUES (?, ?)", ((stamp, each) for each in persons))
            named = ((person, name) for person, names in persons.items() for name in names)
            database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", named)
            values = (study, round_, stamp, dataset, version, at_ms)
            database.execute("INSERT OR IGNORE INTO rounds VALUES (?, ?, ?, ?, ?, ?)", values)

    def cohorts(self, study: str) -> frozenset[frozenset[bytes]]:
        """The cohorts of a study's rounds and attempts, each once."""
        sql = """SELECT DISTINCT r.stamp, c.person FROM rounds r JOIN cohorts c ON c.stamp = r.stamp
            WHERE r.study = ? ORDER BY r.stamp"""
        rows = groupby(self._file.query(sql, (study,)), key=itemgetter(0))
        return frozenset(frozenset(person for _, person in found) for _, found in rows)

    def rounds(self, study: str) -> frozenset[int]:
        """The rounds of a study that are written down."""
        return frozenset(
            number for (number,) in self._file.query("SELECT DISTINCT round FROM rounds WHERE study = ?", (study,))
        )

    def names(self) -> frozenset[tuple[bytes, bytes]]:
        """All persons with the other names by which they may be met."""
        return frozenset(self._file.query("SELECT person, name FROM names"))

    def sizes(self, study: str) -> dict[int, int]:
        """How many persons' records each round of a study used; of a round that was tried again the last time."""
        sql = """SELECT r.round, count(c.person) FROM rounds r LEFT JOIN cohorts c ON c.stamp = r.stamp
            WHERE r.study = ? GROUP BY r.round, r.stamp ORDER BY r.round, r.at_ms"""
        return dict(self._file.query(sql, (study,)))

    def rounds_of(self, persons: Iterable[bytes]) -> list[RoundsUsed]:
        """The studies that used records of a person, by all digests that stand for the person."""
        digests = tuple(persons)
        marks = ", ".join("?" * len(digests))
        sql = f"""SELECT r.study, r.dataset, r.version, min(r.round), max(r.round), max(r.at_ms)
            FROM rounds r JOIN cohorts c ON c.stamp = r.stamp WHERE c.person IN ({marks})
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608 - marks alone
        return [RoundsUsed(*row) for row in self._file.query(sql, digests)]

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new one of mode 0600. Raises `StudyCohortsError`."""
        self._file.copy_to(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class CohortsUsed:
    """Whom a study used at a hospital, by what each round and attempt used: who withdrew meanwhile is in some alone."""

    rounds: frozenset[int] = frozenset()
    cohorts: frozenset[frozenset[bytes]] = frozenset()
    names: frozenset[tuple[bytes, bytes]] = frozenset()
    """Persons, of any study, with the other names by which they may be met."""


def cohorts_used(place: HospitalFolder, study: str) -> CohortsUsed:
    """All that was written down of a study; nothing of one that used no record. Raises `StudyCohortsError`."""
    if not place.study_cohorts.exists():
        return CohortsUsed()
    with closing(StudyCohorts(place.study_cohorts)) as found:
        return CohortsUsed(found.rounds(study), found.cohorts(study), found.names())


def rounds_used(place: HospitalFolder, persons: Iterable[bytes]) -> list[RoundsUsed]:
    """As `StudyCohorts.rounds_of`; nothing at a hospital whose agent has used no record yet."""
    if not place.study_cohorts.exists():
        return []
    with closing(StudyCohorts(place.study_cohorts)) as found:
        return found.rounds_of(persons)
