"""The cohorts of what a hospital let leave: keyed digests of its own people, in its own folder and nowhere else.

Whatever the hospital says yes to is written down before the yes is sent, so that no crash lets it forget one; and it is
held against all that is written down in the same transaction, so that two yeses at a time see each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from hmchain import files, sqlite
from hmchain.application.disclosure.differencing import Cohort, Difference, differences
from hmchain.errors import StorageError

_DIGEST_BYTES = 32
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS released (
    release TEXT NOT NULL, part INTEGER NOT NULL, study TEXT NOT NULL, at_ms INTEGER NOT NULL, persons BLOB NOT NULL,
    PRIMARY KEY (release, part)) WITHOUT ROWID;
COMMIT;
"""


class ReleasedCohortsError(StorageError):
    """The file of the cohorts of what a hospital let leave cannot be read or written."""

    code = "released_cohorts"


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

    def differences(
        self, cohorts: Sequence[Cohort], study: str, over: Collection[str], least: int
    ) -> tuple[Difference, ...]:
        """What each cohort of a study would tell of few people beside all that left, but for those that are `over`.

        What a study made is one thing, so what left of this very study adds nothing to itself.
        """
        others = self._others(study, over)
        return tuple(dict.fromkeys(found for each in cohorts for found in differences(each, others, least)))

    def admit(
        self, cohorts: Sequence[Cohort], study: str, over: Collection[str], least: int, at_ms: int
    ) -> tuple[Difference, ...]:
        """The same; where they tell of nobody they are written down, as what leaves."""
        with self._file.transaction() as database:
            found = self.differences(cohorts, study, over, least)
            if not found:
                _write(database, cohorts, study, at_ms)
            return found

    def drop(self, release: str) -> None:
        """Forget a release to which no yes was taken."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM released WHERE release = ?", (release,))

    def put(self, cohorts: Sequence[Cohort], study: str, at_ms: int) -> None:
        """Write down what left, whatever it tells."""
        with self._file.transaction() as database:
            _write(database, cohorts, study, at_ms)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _others(self, study: str, over: Collection[str]) -> list[Cohort]:
        sql = "SELECT release, persons FROM released WHERE study != ? ORDER BY release, part"
        rows = self._file.query(sql, (study,))
        return [Cohort(name, _persons(data)) for name, data in rows if name not in over]


@contextmanager
def opened(path: Path) -> Iterator[ReleasedCohorts]:
    """The file, open. Raises `ReleasedCohortsError`."""
    with closing(ReleasedCohorts(path)) as found:
        yield found


def _write(database: sqlite3.Connection, cohorts: Sequence[Cohort], study: str, at_ms: int) -> None:
    for release in {each.release for each in cohorts}:
        database.execute("DELETE FROM released WHERE release = ?", (release,))
    rows = ((each.release, part, study, at_ms, b"".join(sorted(each.persons))) for part, each in enumerate(cohorts))
    database.executemany("INSERT INTO released VALUES (?, ?, ?, ?, ?)", rows)


def _persons(data: bytes) -> frozenset[bytes]:
    return frozenset(data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES))
