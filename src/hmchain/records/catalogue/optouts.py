"""The list of who and what is not to be extracted again: patients who opted out, and records that were erased.

A patient is kept as a keyed digest that gives the pseudonyms of all projects, those to come too; a pseudonym or a
record as a keyed digest of it. Without the hospital's local key none of them says anything; none can be turned back.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from hmchain.keys import SecretKey
from hmchain.records.catalogue.database import Database
from hmchain.records.consents.optout_lists import OptOutLists
from hmchain.records.deidentification.pseudonyms import Pseudonyms

PATIENT, SUBJECT, RECORD = "patient", "subject", "record"
"""By what somebody or something is left out: the hospital's own patient identifier, a pseudonym, a record's id."""


def _on_no_list(_: Collection[bytes]) -> bool:
    return False


@dataclass(frozen=True)
class OptOut:
    """An entry for one patient, pseudonym or record: 32 bytes that identify nobody."""

    kind: str
    digest: bytes
    """Of a patient, the person's (`pseudonyms.person`)."""


@dataclass(frozen=True)
class LeftOut:
    """Tells an extraction what to pass over, in one project."""

    key: SecretKey
    subjects: frozenset[str]
    """Pseudonyms of patients who opted out."""
    persons: frozenset[bytes]
    """The same by the digests of their numbers."""
    digests: frozenset[bytes]
    listed: Callable[[Collection[bytes]], bool] = field(default=_on_no_list, repr=False)
    """Whether one of some persons is on a list that others keep."""

    def patient(self, subject: str) -> bool:
        """Tell whether a patient, by the pseudonym, is left out."""
        return subject in self.subjects or self._has(SUBJECT, subject)

    def record(self, record: str, subject: str, persons: Collection[bytes] = ()) -> bool:
        """Tell whether a record is left out, for itself or its patient; `persons` are all numbers of the patient's."""
        is_left_out = self.patient(subject) or self._has(RECORD, record) or not self.persons.isdisjoint(persons)
        return is_left_out or self.listed(persons)

    def _has(self, kind: str, name: str) -> bool:
        return bool(self.digests) and digest_of(self.key, kind, name) in self.digests


class OptOuts:
    """The list, in the catalogue's file."""

    def __init__(self, file: Database, key: SecretKey) -> None:
        """`key` is that of pseudonyms and records."""
        self._file, self._key = file, key

    def of_subject(self, subject: str) -> OptOut:
        """Make the entry of a patient by a pseudonym, and so in its project alone."""
        return OptOut(SUBJECT, digest_of(self._key, SUBJECT, subject))

    def of_record(self, record: str) -> OptOut:
        """Make the entry of one record, in all datasets of its project."""
        return OptOut(RECORD, digest_of(self._key, RECORD, record))

    def entries(self) -> list[OptOut]:
        """All that is passed over."""
        return [OptOut(*row) for row in self._file.query("SELECT kind, digest FROM opt_outs ORDER BY kind, digest")]

    def add(self, entries: Iterable[OptOut], now_ms: int) -> None:
        """Pass over these from now on."""
        with self._file.transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO opt_outs VALUES (?, ?, ?)",
                [(each.kind, each.digest, now_ms) for each in entries],
            )

    def lift(self, entries: Iterable[OptOut]) -> int:
        """Take these from the list; returns how many of them were on it."""
        with self._file.transaction() as database:
            sql = "DELETE FROM opt_outs WHERE kind = ? AND digest = ?"
            return sum(database.execute(sql, (each.kind, each.digest)).rowcount for each in entries)

    def left_out(self, pseudonyms: Pseudonyms, lists: OptOutLists) -> LeftOut:
        """List what an extraction of one project passes over, and no use of what is extracted takes."""
        known = self.entries()
        by_number = [entry.digest for entry in known if entry.kind == PATIENT] + lists.persons()
        subjects = {pseudonyms.alone(each) for one in by_number for each in pseudonyms.all_of(one)}
        by_pseudonym = frozenset(entry.digest for entry in known if entry.kind != PATIENT)
        for one in pseudonyms.merged_persons():  # who opted out by a pseudonym, and has another one since a merge
            if digest_of(self._key, SUBJECT, pseudonyms.alone(one)) in by_pseudonym:
                subjects.add(pseudonyms.subject_of(one))
        persons = {each for entry in known if entry.kind == PATIENT for each in pseudonyms.all_of(entry.digest)}
        return LeftOut(
            self._key, frozenset(subjects), frozenset(persons), by_pseudonym, lists.has if lists else _on_no_list
        )


def digest_of(key: SecretKey, kind: str, name: str) -> bytes:
    """32 bytes that stand for a pseudonym or a record, and for nothing to who lacks the key."""
    return hmac.digest(key.raw, f"{kind} {name}".encode(), "sha256")
