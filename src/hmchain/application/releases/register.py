"""The cohorts of what a hospital let leave: keyed digests of its own people, in its own folder and nowhere else.

Whatever the hospital says yes to is written down before the yes is sent, so that no crash lets it forget one; and it is
held against all that is written down in the same transaction, so that two yeses at a time see each other. A yes that is
on its way has no height yet: no earlier word on the ledger is an answer to it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hmchain import decoding, sqlite
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
CREATE TABLE IF NOT EXISTS tables (
    release TEXT NOT NULL, dataset TEXT NOT NULL, at_ms INTEGER NOT NULL, height INTEGER NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (release)) WITHOUT ROWID;
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
class HeldAgainst:
    """What a release is held against."""

    is_over: IsOver
    least: int
    """The fewest people of whom something may tell."""


@dataclass(frozen=True)
class Cells:
    """A table of the hospital's that is to leave: how many people each cell is of."""

    release: str
    dataset: str
    persons: Mapping[str, int]
    """By the cell's name; of all of them under an empty one."""

    def differences(self, others: Iterable[Cells], least: int) -> Iterator[Difference]:
        """The cells that another table of the dataset, of whatever version, has too, of a few people more or fewer."""
        for other in others:
            for name in self.persons.keys() & other.persons.keys():
                few = abs(self.persons[name] - other.persons[name])
                if 0 < few < least:
                    yield Difference((other.release,), few)


@dataclass(frozen=True)
class People:
    """The hospital's people in what a study made."""

    study: str
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

        self._path, self._file = path, sqlite.open_store(path, named, _SCHEMA)

    def known(self) -> list[str]:
        """The releases that are written down, in order of name."""
        sql = "SELECT release FROM released UNION SELECT release FROM tables ORDER BY release"
        return [name for (name,) in self._file.query(sql)]

    def differences(self, offered: People | Cells, held: HeldAgainst) -> tuple[Difference, ...]:
        """What would tell of few people beside all that left, but for what is over.

        What a study made is one thing, so what left of this very study adds nothing to itself. Who is one person is
        read in both ways, and either may find something.
        """
        if isinstance(offered, Cells):
            return tuple(dict.fromkeys(offered.differences(self._tables(offered, held.is_over), held.least)))
        others = self._others(offered.study, held.is_over)
        names = offered.names | frozenset(self._file.query("SELECT person, name FROM names"))
        found: dict[Difference, None] = {}
        for whom in offered.known.readings(names):
            earlier = [Cohort(each.release, whom(each.persons)) for each in others]
            for each in offered.cohorts:
                found |= dict.fromkeys(differences(Cohort(each.release, whom(each.persons)), earlier, held.least))
        return tuple(found)

    def admit(self, offered: People | Cells, held: HeldAgainst, at_ms: int) -> tuple[Difference, ...]:
        """The same; where they tell of nobody they are written down, as what is on its way."""
        with self._file.transaction() as database:
            found = self.differences(offered, held)
            if not found:
                _write(database, offered, at_ms, 0)
            return found

    def arrived(self, release: str, height: int) -> None:
        """A yes came into a block."""
        with self._file.transaction() as database:
            database.execute("UPDATE released SET height = ? WHERE release = ?", (height, release))
            database.execute("UPDATE tables SET height = ? WHERE release = ?", (height, release))

    def drop(self, release: str) -> None:
        """Forget a release to which no yes was taken."""
        with self._file.transaction() as database:
            _forget(database, release)

    def put(self, offered: People | Cells, at_ms: int, height: int) -> None:
        """Write down what left, whatever it tells."""
        with self._file.transaction() as database:
            _write(database, offered, at_ms, height)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _others(self, study: str, is_over: IsOver) -> list[Cohort]:
        sql = "SELECT release, at_ms, height, persons FROM released WHERE study != ? ORDER BY release, part"
        rows = ((Left(name, at_ms, height), data) for name, at_ms, height, data in self._file.query(sql, (study,)))
        return [Cohort(left.release, _persons(data)) for left, data in rows if not is_over(left)]

    def _tables(self, offered: Cells, is_over: IsOver) -> list[Cells]:
        sql = "SELECT release, at_ms, height, cells FROM tables WHERE dataset = ? AND release != ? ORDER BY release"
        return [
            Cells(name, offered.dataset, decoding.from_json(cells, dict[str, int]))
            for name, at_ms, height, cells in self._file.query(sql, (offered.dataset, offered.release))
            if not is_over(Left(name, at_ms, height))
        ]


@contextmanager
def opened(path: Path) -> Iterator[ReleasedCohorts]:
    """The file, open. Raises `ReleasedCohortsError`."""
    with closing(ReleasedCohorts(path)) as found:
        yield found


def _write(database: sqlite3.Connection, offered: People | Cells, at_ms: int, height: int) -> None:
    if isinstance(offered, Cells):
        _forget(database, offered.release)
        values = (offered.release, offered.dataset, at_ms, height, msgspec.json.encode(offered.persons))
        database.execute("INSERT INTO tables VALUES (?, ?, ?, ?, ?)", values)
        return
    for release in {each.release for each in offered.cohorts}:
        _forget(database, release)
    rows = (
        (each.release, part, offered.study, at_ms, height, b"".join(sorted(each.persons)))
        for part, each in enumerate(offered.cohorts)
    )
    database.executemany("INSERT INTO released VALUES (?, ?, ?, ?, ?, ?)", rows)
    everybody = frozenset[bytes]().union(*(each.persons for each in offered.cohorts))
    named = (pair for pair in offered.names if pair[0] in everybody)
    database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", named)


def _forget(database: sqlite3.Connection, release: str) -> None:
    database.execute("DELETE FROM released WHERE release = ?", (release,))
    database.execute("DELETE FROM tables WHERE release = ?", (release,))


def _persons(data: bytes) -> frozenset[bytes]:
    return frozenset(data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES))
