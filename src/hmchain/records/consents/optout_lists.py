"""Lists of patients who opted out that others keep, as a nation's: reconciled as a whole, and dated.

Of each number a keyed digest stays that stands for the person (`pseudonyms.person`). Who left the list may be used
again; so a list is replaced whole, and never by an older one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hmchain.errors import InputError
from hmchain.sqlite import Database

SCHEMA = """
CREATE TABLE optout_lists (
    name TEXT PRIMARY KEY, issuer TEXT NOT NULL, as_of_ms INTEGER NOT NULL, reconciled_ms INTEGER NOT NULL,
    numbers INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE listed (list TEXT NOT NULL, person BLOB NOT NULL, PRIMARY KEY (list, person)) WITHOUT ROWID;
CREATE INDEX listed_persons ON listed (person);
"""


class OlderListError(InputError):
    """A list of patients who opted out is older than the one that is known."""

    code = "older_list"


class OtherIssuerError(InputError):
    """The numbers on a list are said to be another issuer's than those of the list that is known."""

    code = "other_issuer"


@dataclass(frozen=True)
class OptOutList:
    """One list, as it was reconciled last."""

    name: str
    issuer: str
    """Who issued the numbers on it."""
    as_of_ms: int
    """Of when it is, as whoever keeps it says."""
    reconciled_ms: int
    numbers: int
    """The numbers on it, whoever's patients they are."""
    here: int
    """Those of them that are of this hospital's patients; this stays here."""


class OptOutLists:
    """The lists, in the catalogue's file."""

    def __init__(self, file: Database) -> None:
        self._file = file

    def reconcile(self, name: str, issuer: str, as_of_ms: int, persons: Iterable[bytes], now_ms: int) -> OptOutList:
        """Put a list in the place of the one of its name.

        Raises `OlderListError` or `OtherIssuerError`: nothing is changed then.
        """
        with self._file.transaction() as database:
            known = database.execute("SELECT as_of_ms, issuer FROM optout_lists WHERE name = ?", (name,)).fetchone()
            if known is not None and as_of_ms < known[0]:
                raise OlderListError(f"list {name} is known of a later day", "give the newest one that its keeper has")
            if known is not None and issuer != known[1]:
                whose = f"--issuer {known[1]}" if known[1] else "no --issuer"
                what = f"list {name} is of numbers that {known[1] or 'the hospital'} issued: no patient would be on it"
                raise OtherIssuerError(what, f"give {whose}, or forget the list first (--forget)")
            database.execute("DELETE FROM listed WHERE list = ?", (name,))
            database.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?)", ((name, one) for one in persons))
            (numbers,) = database.execute("SELECT count(*) FROM listed WHERE list = ?", (name,)).fetchone()
            values = (name, issuer, as_of_ms, now_ms, numbers)
            database.execute("INSERT OR REPLACE INTO optout_lists VALUES (?, ?, ?, ?, ?)", values)
        return OptOutList(*values, len(self.persons(name)))

    def lists(self) -> list[OptOutList]:
        """All lists, in order of name."""
        rows = self._file.query("SELECT * FROM optout_lists ORDER BY name")
        return [OptOutList(*(*row, len(self.persons(row[0])))) for row in rows]

    def drop(self, name: str) -> bool:
        """Forget a list; False if there is none of the name."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM listed WHERE list = ?", (name,))
            return bool(database.execute("DELETE FROM optout_lists WHERE name = ?", (name,)).rowcount)

    def persons(self, name: str = "") -> list[bytes]:
        """The digests of the hospital's own patients who are on a list, or on any, by one of their numbers."""
        sql = """WITH l AS (SELECT person FROM listed WHERE ? IN ('', list))
            SELECT n.person FROM patient_numbers n JOIN l ON l.person = n.person
            UNION SELECT o.person FROM other_numbers o JOIN l ON l.person = o.other
            UNION SELECT m.person FROM merges m JOIN l ON l.person = m.person
            UNION SELECT m.same_as FROM merges m JOIN l ON l.person = m.same_as ORDER BY 1"""
        return [person for (person,) in self._file.query(sql, (name,))]

    def has(self, persons: Collection[bytes]) -> bool:
        """Whether one of some persons is on any list."""
        marks = ", ".join("?" * len(persons))
        found = self._file.query(f"SELECT 1 FROM listed WHERE person IN ({marks}) LIMIT 1", tuple(persons))  # noqa: S608
        return bool(found)

    def __bool__(self) -> bool:
        """Whether there is any list."""
        return bool(self._file.query("SELECT 1 FROM optout_lists LIMIT 1"))
