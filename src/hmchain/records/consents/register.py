"""The hospital's register of consents: sealed, by keyed digests of persons and of the consents' names.

The file says how many consents there are, and nothing else to who lacks the hospital's local key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.clock import DAY_MS
from hmchain.errors import StorageError
from hmchain.keys import SecretKey
from hmchain.records.consents.consent import Consent, Status
from hmchain.sqlite import Database

SCHEMA = """
CREATE TABLE consents (
    name BLOB PRIMARY KEY, person BLOB NOT NULL, sealed BLOB NOT NULL, added_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX consents_by_person ON consents (person);
CREATE TABLE bases (dataset TEXT PRIMARY KEY, basis TEXT NOT NULL, purposes TEXT NOT NULL) WITHOUT ROWID;
"""
_NONCE_BYTES = 12
_PAGE = 1000
_AHEAD_MS = DAY_MS
"""A clock may be ahead by so much, or a time without a zone be meant in another; what is later is no time."""
_TO_COME = "it says that it was given, or changed, at a time that is still to come"
_WHICH = "two editions of it differ, and one does not say when it was made"


class ConsentRegisterError(StorageError):
    """An entry of the register of consents was altered, or is another hospital's."""

    code = "consent_register"


class Basis(Enum):
    """What a dataset is used by where a patient's consents say nothing."""

    OPT_OUT = "opt-out"
    """All may be used but those of patients who object."""
    CONSENT = "consent"
    """Those alone of patients who permit it."""


@dataclass(frozen=True)
class DatasetBasis:
    """What a dataset's steward said of its basis."""

    basis: Basis = Basis.OPT_OUT
    purposes: tuple[str, ...] = ()
    """What it is kept for, by codes of v3 ActReason; research in general where none is said."""


@dataclass(frozen=True)
class Entry:
    """A consent in the register."""

    name: bytes
    """Keyed digest: stable, and says nothing to others."""
    person: bytes
    """Keyed digest of the patient's number (`pseudonyms.person`)."""
    consent: Consent
    added_ms: int


class Added(Enum):
    """What became of a consent that was added."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    OLDER = "older"
    """An earlier edition of one that is known: passed over."""


class Consents:
    """The register, in the catalogue's file."""

    def __init__(self, file: Database, key: SecretKey) -> None:
        self._file, self._key = file, key
        self._cipher = AESGCM(key.derive("hmchain consents").raw)

    def add(self, given: Iterable[tuple[bytes, Consent]], now_ms: int) -> dict[Added, int]:
        """Write down consents by their persons, all or none; returns what became of how many.

        An edition that is older than the known one changes nothing, and one whose age cannot be told takes back neither
        a withdrawal nor what a dated one says: which of the two holds is in doubt then.
        """
        done = dict.fromkeys(Added, 0)
        with self._file.transaction() as database:
            for person, consent in ((person, _of_now(consent, now_ms)) for person, consent in given):
                name = self.name_of(consent.name, person)
                row = database.execute("SELECT person, sealed FROM consents WHERE name = ?", (name,)).fetchone()
                known = None if row is None else self._open(name, row[0], row[1])
                became, kept = _merged(known, consent)
                done[became] += 1
                if became in (Added.NEW, Added.CHANGED):
                    values = (name, person, self._sealed(name, person, kept), now_ms)
                    database.execute("INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?)", values)
        return done

    def withdraw(self, entries: Sequence[Entry], now_ms: int) -> int:
        """Note that consents are withdrawn from now on; returns how many were not yet."""
        count = 0
        with self._file.transaction() as database:
            for each in entries:
                row = database.execute("SELECT sealed FROM consents WHERE name = ?", (each.name,)).fetchone()
                known = self._open(each.name, each.person, row[0]) if row else None  # another edition may have come
                if known is not None and known.withdrawn_ms is None:
                    sealed = self._sealed(each.name, each.person, replace(known, withdrawn_ms=now_ms))
                    database.execute("UPDATE consents SET sealed = ? WHERE name = ?", (sealed, each.name))
                    count += 1
        return count

    def of(self, persons: Iterable[bytes]) -> list[Entry]:
        """The consents of a patient, by all digests that stand for the person, in order of their names."""
        sql = "SELECT name, person, sealed, added_ms FROM consents WHERE person = ? ORDER BY name"
        return [self._entry(*row) for person in persons for row in self._file.query(sql, (person,))]

    def entries(self) -> Iterator[Entry]:
        """All consents, a page at a time, so that nobody who writes waits."""
        sql = "SELECT name, person, sealed, added_ms FROM consents WHERE name > ? ORDER BY name LIMIT ?"
        last = b""
        while found := self._file.query(sql, (last, _PAGE)):
            last = found[-1][0]
            for row in found:
                yield self._entry(*row)

    def count(self) -> int:
        """The number of consents."""
        return int(self._file.query("SELECT count(*) FROM consents")[0][0])

    def forget(self, persons: Iterable[bytes]) -> int:
        """Delete the consents of persons who are erased; returns how many."""
        with self._file.transaction() as database:
            sql = "DELETE FROM consents WHERE person = ?"
            return sum(database.execute(sql, (person,)).rowcount for person in persons)

    def basis(self, dataset: str) -> DatasetBasis:
        """What was said of a dataset's basis."""
        found = self._file.query("SELECT basis, purposes FROM bases WHERE dataset = ?", (dataset,))
        return DatasetBasis(Basis(found[0][0]), tuple(found[0][1].split())) if found else DatasetBasis()

    def set_basis(self, dataset: str, basis: DatasetBasis) -> None:
        """Say by what a dataset is used from now on."""
        with self._file.transaction() as database:
            values = (dataset, basis.basis.value, " ".join(basis.purposes))
            database.execute("INSERT OR REPLACE INTO bases VALUES (?, ?, ?)", values)

    def name_of(self, name: str, person: bytes) -> bytes:
        """The name of a consent in the register: of two systems' consents of one id, each has its own by its person."""
        return hmac.digest(self._key.raw, digest("hmchain consent", name.encode(), person), "sha256")

    def _entry(self, name: bytes, person: bytes, sealed: bytes, added_ms: int) -> Entry:
        return Entry(name, person, self._open(name, person, sealed), added_ms)

    def _sealed(self, name: bytes, person: bytes, consent: Consent) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(consent), name + person)

    def _open(self, name: bytes, person: bytes, sealed: bytes) -> Consent:
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name + person)
            return decoding.from_msgpack(plain, Consent)
        except (InvalidTag, ValueError, msgspec.DecodeError) as error:
            hint = "restore the catalogue from a backup, then add the consents since"
            raise ConsentRegisterError("a consent in the register cannot be opened", hint) from error


def _of_now(consent: Consent, now_ms: int) -> Consent:
    """A consent without times that cannot be: by such a one it would come after all that the patient says later."""
    if max(consent.at_ms or 0, consent.edition_ms or 0) <= now_ms + _AHEAD_MS:
        return consent
    found = replace(consent, doubts=tuple(dict.fromkeys((*consent.doubts, _TO_COME))), edition_ms=None)
    return found if (consent.at_ms or 0) <= now_ms + _AHEAD_MS else replace(found, at_ms=None, at_last_ms=None)


def _merged(known: Consent | None, new: Consent) -> tuple[Added, Consent]:
    """What becomes of a consent where another edition of it may be known."""
    if known is None:
        return Added.NEW, new
    if new.edition_ms is not None and known.edition_ms is not None and new.edition_ms < known.edition_ms:
        return Added.OLDER, known
    kept = replace(new, withdrawn_ms=known.withdrawn_ms)
    if new.edition_ms is None or known.edition_ms is None:
        said_ms = new.at_ms if new.edition_ms is None else new.edition_ms
        if said_ms is not None and known.at_ms is not None and said_ms < known.at_ms:
            return Added.OLDER, known
        if known.edition_ms is not None and (said_ms is None or known.at_ms is None or said_ms == known.at_ms):
            return _beside_dated(known, kept)
    is_later = new.edition_ms is not None and (known.edition_ms is None or new.edition_ms > known.edition_ms)
    if known.status is not Status.ACTIVE and not is_later:
        kept = replace(kept, status=known.status)
    return (Added.SAME, known) if kept == known else (Added.CHANGED, kept)


def _beside_dated(known: Consent, new: Consent) -> tuple[Added, Consent]:
    """An edition of unknown age beside one whose age is known: the same, or a doubt until a dated one comes."""
    kept = replace(new, edition_ms=known.edition_ms, status=known.status)
    if replace(kept, doubts=known.doubts) == known and new.status is known.status:
        return Added.SAME, known
    kept = replace(kept, doubts=tuple(dict.fromkeys((*new.doubts, _WHICH))))
    return (Added.SAME, known) if kept == known else (Added.CHANGED, kept)
