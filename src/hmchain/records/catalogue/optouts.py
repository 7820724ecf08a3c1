"""Who and what is not to be extracted again: patients who opted out, and records that were erased.

A patient is kept as a keyed digest that gives the pseudonyms of all projects, those to come too; a pseudonym or a
record as a keyed digest of it. Without the hospital's local key none of them says anything; none can be turned back.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from hmchain.keys import SecretKey
from hmchain.records.deidentification.pseudonyms import Pseudonyms

PATIENT, SUBJECT, RECORD = "patient", "subject", "record"
"""By what somebody or something is left out: the hospital's own patient identifier, a pseudonym, a record's id."""


@dataclass(frozen=True)
class OptOut:
    """What stands for one patient, pseudonym or record: 32 bytes that identify nobody."""

    kind: str
    digest: bytes


def of_subject(key: SecretKey, subject: str) -> OptOut:
    """A patient by a pseudonym, and so in its project alone."""
    return OptOut(SUBJECT, _digest(key, SUBJECT, subject))


def of_record(key: SecretKey, record: str) -> OptOut:
    """One record, in all datasets of its project."""
    return OptOut(RECORD, _digest(key, RECORD, record))


@dataclass(frozen=True)
class LeftOut:
    """Tells an extraction what to pass over, in one project."""

    key: SecretKey
    subjects: frozenset[str]
    """Pseudonyms of patients who opted out."""
    digests: frozenset[bytes]

    def patient(self, subject: str) -> bool:
        """Whether a patient, by the pseudonym, is left out."""
        return subject in self.subjects or self._has(SUBJECT, subject)

    def record(self, record: str, subject: str) -> bool:
        """Whether a record is left out: for itself, or for its patient."""
        return self.patient(subject) or self._has(RECORD, record)

    def _has(self, kind: str, name: str) -> bool:
        return bool(self.digests) and _digest(self.key, kind, name) in self.digests


def left_out(key: SecretKey, pseudonyms: Pseudonyms, entries: Iterable[OptOut]) -> LeftOut:
    """What of a list an extraction of one project passes over."""
    known = list(entries)
    subjects = frozenset(pseudonyms.subject_of(entry.digest) for entry in known if entry.kind == PATIENT)
    return LeftOut(key, subjects, frozenset(entry.digest for entry in known if entry.kind != PATIENT))


def _digest(key: SecretKey, kind: str, name: str) -> bytes:
    return hmac.digest(key.raw, f"{kind} {name}".encode(), "sha256")
