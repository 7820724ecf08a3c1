"""The cohorts of what a hospital let leave: keyed digests of its own people, in its own folder and nowhere else.

Whatever the hospital says yes to is written down before the yes is sent, so that no crash lets it forget one; and it is
held against all that is written down in the same transaction, so that two yeses at a time see each other. A yes that is
on its way has no height yet: no earlier word on the ledger is an answer to it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hmchain import files, sqlite
from hmchain.application.consent.persons import Known, Pairs
from hmchain.application.disclosure.differencing import Cohort, Difference, differences
from hmchain.errors import StorageError

_DIGEST_BYTES = 32
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS released (
    release TEXT NOT NULL, part INTEGER NOT NULL, study TEXT NOT NULL, at_ms INTEGER NOT NULL, height INTEGER NOT NULL,
    persons BLOB NOT NULL, PRIMARY KEY (release, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
    person BLOB NOT NULL, name BLOB NOT NULL, PRIMARY KEY (person, name)) WITHOUT ROWID;
COMMIT;
"""


class ReleasedCohortsError(StorageError):
    """The file of the cohorts of what a hospital let leave cannot be read or written."""

    code = "released_cohorts"


@dataclass(frozen=True)
class Left:
    """What the hospital said yes to."""

    release: str
    at_ms: int
    """When that was written down."""
    height: int
    """At which it came into a block; 0 while it is on its way."""


IsOver = Callable[[Left], bool]
"""Whether something did not leave after all, and cannot any more."""


@dataclass(frozen=True)
class People:
    """The hospital's people in what is to leave."""

    cohorts: tuple[Cohort, ...]
    """One of each round and attempt that may be in it."""
    names: Pairs = frozenset()
    """Persons with the other names by which they may be met."""
    known: Known = field(default_factory=Known)
    """Who is one person, as the hospital knows today."""


class ReleasedCohorts:
    """The open file, made if there is none."""

    def __init__(self, path: Path) -> None:
        """Raises `ReleasedCohortsError`."""

        def named(trouble: sqlite.Trouble) -> ReleasedCohortsError:
            return ReleasedCohortsError(f"{path} cannot be used: {trouble.value}", "free space, or restore it")

        connection = sqlite.open_file(path, named, mode=files.PRIVATE)
        self._path, self._file = path, sqlite.Database(connection, named)
        with sqlite.failures(named):
            connection.executescript(_SCHEMA)

    def known(self) -> list[str]:
        """The releases that are written down, in order of name."""
        return [name for (name,) in self._file.query("SELECT DISTINCT release FROM released ORDER BY release")]

    def differences(self, people: People, study: str, is_over: IsOver, least: int) -> tuple[Difference, ...]:
        """What each cohort of a study would tell of few people beside all that left, but for what is over.

        What a study made is one thing, so what left of this very study adds nothing to itself. Who is one person is
        read in both ways, and either may find something.
        """
        others = self._others(study, is_over)
        names = people.names | frozenset(self._file.query("SELECT person, name FROM names"))
        found: dict[Difference, None] = {}
        for whom in people.known.readings(names):
            earlier = [Cohort(each.release, whom(each.persons)) for each in others]
            for each in people.cohorts:
                found |= dict.fromkeys(differences(Cohort(each.release, whom(each.persons)), earlier, least))
        return tuple(found)

    def admit(self, people: People, study: str, is_over: IsOver, least: int, at_ms: int) -> tuple[Difference, ...]:
        """The same; where they tell of nobody they are written down, as what is on its way."""
        with self._file.transaction() as database:
            found = self.differences(people, study, is_over, least)
            if not found:
                _write(database, people, study, at_ms, 0)
            return found

    def arrived(self, release: str, height: int) -> None:
        """A yes came into a block."""
        with self._file.transaction() as database:
            database.execute("UPDATE released SET height = ? WHERE release = ?", (height, release))

    def drop(self, release: str) -> None:
        """Forget a release to which no yes was taken."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM released WHERE release = ?", (release,))

    def put(self, people: People, study: str, at_ms: int, height: int) -> None:
        """Write down what left, whatever it tells."""
        with self._file.transaction() as database:
            _write(database, people, study, at_ms, height)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _others(self, study: str, is_over: IsOver) -> list[Cohort]:
        sql = "SELECT release, at_ms, height, persons FROM released WHERE study != ? ORDER BY release, part"
        rows = ((Left(name, at_ms, height), data) for name, at_ms, height, data in self._file.query(sql, (study,)))
        return [Cohort(left.release, _persons(data)) for left, data in rows if not is_over(left)]


@contextmanager
def opened(path: Path) -> Iterator[ReleasedCohorts]:
    """The file, open. Raises `ReleasedCohortsError`."""
    with closing(ReleasedCohorts(path)) as found:
        yield found


def _write(database: sqlite3.Connection, people: People, study: str, at_ms: int, height: int) -> None:
    for release in {each.release for each in people.cohorts}:
        database.execute("DELETE FROM released WHERE release = ?", (release,))
    rows = (
        (each.release, part, study, at_ms, height, b"".join(sorted(each.persons)))
        for part, each in enumerate(people.cohorts)
    )
    database.executemany("INSERT INTO released VALUES (?, ?, ?, ?, ?, ?)", rows)
    everybody = frozenset[bytes]().union(*(each.persons for each in people.cohorts))
    named = (pair for pair in people.names if pair[0] in everybody)
    database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", named)


def _persons(data: bytes) -> frozenset[bytes]:
    return frozenset(data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES))
