"""Patients in the catalogue: whose number is the hospital's own, who turned out to be another, and sealed numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from hmchain.keys import SecretKey
from hmchain.records.catalogue.database import Database
from hmchain.records.deidentification.patients import Patient, PatientNote, PatientRule, People, issuer_name
from hmchain.records.deidentification.pseudonyms import Pseudonyms, open_number, person

SCHEMA = """
CREATE TABLE IF NOT EXISTS own_issuers (kind TEXT PRIMARY KEY, issuer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS merges (
    person BLOB NOT NULL, same_as BLOB NOT NULL, PRIMARY KEY (person, same_as)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS other_numbers (
    other BLOB NOT NULL, person BLOB NOT NULL, PRIMARY KEY (other, person)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS patient_numbers (person BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
"""


class Patients:
    """The part of the catalogue's file that is about whom a number means."""

    def __init__(self, file: Database, rule: PatientRule, people: SecretKey) -> None:
        """`people` is the key by which the hospital's patients are known here."""
        self._file, self._rule, self._key = file, rule, people
        if not file.query("SELECT 1 FROM sqlite_master WHERE name = 'merges'"):  # of an earlier version
            with file.transaction() as database:
                for statement in SCHEMA.split(";"):
                    database.execute(statement)
        self._home: dict[str, str] = dict(file.query("SELECT kind, issuer FROM own_issuers ORDER BY kind"))

    def people(self) -> People:
        """All that is known of whom a number means, and of issuers also what becomes known yet."""
        return People(self._rule, self._home, frozenset(self._file.query("SELECT person, same_as FROM merges")))

    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms of no project, by a key that is forgotten: their digests of persons are those of all projects."""
        return Pseudonyms(SecretKey.generate(), "", self._key, self.people())

    @property
    def rule(self) -> PatientRule:
        """The hospital's rule."""
        return self._rule

    @property
    def own_issuers(self) -> Mapping[str, str]:
        """The issuer whose numbers count as the hospital's own, by kind of item, as far as one was seen."""
        return {} if self._rule.own else self._home

    def knows_own_issuer(self, kind: str) -> bool:
        """Tell whether it is known, by the rule or by items of a kind, whose numbers in them are the hospital's own."""
        return bool(self._rule.own) or kind in self._home

    def learn_own_issuer(self, kind: str, issuer: str) -> bool:
        """Let an issuer's numbers count as the hospital's own in items of a kind, unless another's do or a rule says.

        Nothing is learnt of an issuer without a name. Returns whether nothing is left to learn.
        """
        name = issuer_name(issuer)
        if name and not self.knows_own_issuer(kind):
            with self._file.transaction() as database:
                database.execute("INSERT OR IGNORE INTO own_issuers VALUES (?, ?)", (kind, name))
            self._home |= dict(self._file.query("SELECT kind, issuer FROM own_issuers"))
        return self.knows_own_issuer(kind)

    def persons_of(self, patient: Patient) -> list[bytes]:
        """The digests of a patient: of the number itself, then of those that turned out to be the same person's.

        Those who have the number among their others are among them.
        """
        people = self.people()
        named = person(self._key, people.name(patient))
        known = self._file.query("SELECT person FROM other_numbers WHERE other = ? ORDER BY person", (named,))
        found = (each for one in (named, *(row[0] for row in known)) for each in people.all_of(one))
        return list(dict.fromkeys(found))

    def merge(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Let persons be others from now on: the digest of each, and of whom it is."""
        with self._file.transaction() as database:
            write_merges(database, pairs)

    def part(self, one: bytes) -> int:
        """Let a person be no other any more, and no other be this one; returns how many pairs are forgotten."""
        with self._file.transaction() as database:
            return database.execute("DELETE FROM merges WHERE person = ? OR same_as = ?", (one, one)).rowcount

    def persons(self) -> Iterator[bytes]:
        """The digests of all patients whose numbers are kept."""
        for (known,) in self._file.query("SELECT person FROM patient_numbers ORDER BY person"):
            yield known

    def others(self) -> dict[bytes, list[bytes]]:
        """The persons who have a number among their others, by the digest of that number."""
        found: dict[bytes, list[bytes]] = {}
        for other, one in self._file.query("SELECT other, person FROM other_numbers ORDER BY other, person"):
            found.setdefault(other, []).append(one)
        return found

    def number(self, one: bytes) -> Patient | None:
        """A person's number; None if it is not kept."""
        found = self._file.query("SELECT sealed FROM patient_numbers WHERE person = ?", (one,))
        return open_number(self._key, one, found[0][0]) if found else None

    def forget(self, persons: Iterable[bytes]) -> None:
        """Delete the numbers of persons who are erased."""
        persons = list(persons)
        with self._file.transaction() as database:
            database.executemany("DELETE FROM other_numbers WHERE person = ?", [(one,) for one in persons])
            database.executemany("DELETE FROM patient_numbers WHERE person = ?", [(one,) for one in persons])


def write_merges(database: sqlite3.Connection, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Write down within a transaction that persons are others."""
    rows = [pair for pair in pairs if pair[0] != pair[1]]
    database.executemany("INSERT OR IGNORE INTO merges VALUES (?, ?)", rows)


def write_notes(database: sqlite3.Connection, notes: Iterable[PatientNote]) -> None:
    """Write down sealed numbers within a transaction; those that are known stay."""
    notes = list(notes)
    rows = [(note.person, note.sealed) for note in notes]
    others = [(other, note.person) for note in notes for other in note.others]
    database.executemany("INSERT OR IGNORE INTO other_numbers VALUES (?, ?)", others)
    database.executemany("INSERT OR IGNORE INTO patient_numbers VALUES (?, ?)", rows)
