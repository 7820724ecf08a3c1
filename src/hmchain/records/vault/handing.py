"""Records on their way between two vaults: what opens them leaves one, and comes into another.

Ciphertext is not touched. Who gives hands out the keys of chosen records, and of all others their leaves alone:
enough to compute the root that the version was published with. Who takes wraps the keys by its own key-encryption key.
Whether a record may go is asked by whoever calls this, before each page.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from hmchain import merkle
from hmchain.canonical import Record
from hmchain.keys import Redacted
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import commitment, erasure
from hmchain.records.vault.commitment import SALT_BYTES
from hmchain.records.vault.database import Database
from hmchain.records.vault.errors import VersionClosedError
from hmchain.records.vault.hierarchy import Hierarchy, record_context
from hmchain.records.vault.roots import Roots

_PAGE = """SELECT r.record, b.digest, b.context, r.subject, r.salt, r.description, r.kek, r.wrapped
    FROM records r JOIN blobs b ON b.id = r.blob
    WHERE r.dataset = ? AND r.version = ? AND r.record > ? ORDER BY r.record LIMIT ?"""


class HandedRecord(Redacted, Record, frozen=True):
    """A record with what opens it, and with what makes its leaf."""

    record: str
    subject: str
    ciphertext: bytes
    """BLAKE3 digest of its ciphertext, under which the object store has it."""
    context: bytes
    """What its envelope is bound to."""
    key: bytes
    """Opens the envelope, 32 bytes."""
    salt: bytes
    description: bytes
    """Keyed digest of what is said of the record, of which the receiver can tell nothing but that it made the leaf."""

    @property
    def leaf(self) -> bytes:
        """Its leaf in the tree of its version."""
        return commitment.leaf(self.record, self.ciphertext, self.salt, self.description)


@dataclass(frozen=True)
class Seat:
    """A record's place in its version's order."""

    record: str
    leaf: bytes
    handed: HandedRecord | None
    """None of one that was not chosen."""


class RootKey(Redacted, Record, frozen=True):
    """What makes a version's root of its leaves."""

    key: bytes
    size: int
    """How many records the version has."""
    about: bytes
    """Keyed digest of what is said of the version."""

    def root(self, dataset: str, version: int, leaves: merkle.RunningRoot) -> bytes:
        """The keyed root of a version whose leaves these are; of no version if they are fewer or more."""
        size = self.size if 0 <= self.size < 1 << 64 and leaves.size == self.size else 0
        return commitment.keyed_root(dataset, version, leaves.root, size, self.about, self.key)


class Handing:
    """The way of records out of an open vault, and into it."""

    def __init__(self, database: Database, store: ObjectStore, hierarchy: Hierarchy, roots: Roots) -> None:
        self._database = database
        self._store = store
        self._hierarchy = hierarchy
        self._roots = roots

    def root_key(self, dataset: str, version: int) -> RootKey:
        """What makes the root of a closed version.

        Raises `MissingRecordError` if it is not committed to, `VersionClosedError` if a record of it was erased, or it
        was committed to before roots bound descriptions.
        """
        key, about = self._roots.root_key(dataset, version)
        if not about:
            raise _of_before(dataset, version)
        return RootKey(key.raw, len(self._roots.leaves(dataset, version)), about)

    def ids(self, dataset: str, version: int, after: str, limit: int) -> list[str]:
        """The ids of the next records of a version, in order; no key is opened."""
        sql = "SELECT record FROM records WHERE dataset = ? AND version = ? AND record > ? ORDER BY record LIMIT ?"
        return [record for (record,) in self._database.query(sql, (dataset, version, after, limit))]

    def addresses(self, dataset: str, version: int, subject: str) -> list[bytes]:
        """The addresses of a patient's ciphertext in a version, in order of records; no key is opened."""
        sql = """SELECT b.digest FROM records r JOIN blobs b ON b.id = r.blob
            WHERE r.dataset = ? AND r.version = ? AND r.subject = ? ORDER BY r.record"""
        return [address for (address,) in self._database.query(sql, (dataset, version, subject))]

    def page(self, dataset: str, version: int, after: str, limit: int, chosen: Container[str]) -> list[Seat]:
        """The next records of a closed version in order of their ids, with the keys of those that are chosen.

        Raises `VersionClosedError` for a version of before descriptions were bound.
        """
        seats = []
        for row in self._database.query(_PAGE, (dataset, version, after, limit)):
            record, address, context, subject, salt, description, kek, wrapped = row
            if not (salt and description):
                raise _of_before(dataset, version)
            handed = None
            if record in chosen:
                bound = record_context(dataset, version, record, context, subject, salt)
                key = self._hierarchy.unwrap(kek, wrapped, bound)
                handed = HandedRecord(record, subject, address, context, key, salt, description)
            seats.append(Seat(record, commitment.leaf(record, address, salt, description), handed))
        return seats

    def take(self, dataset: str, version: int, records: Iterable[HandedRecord]) -> int:
        """Enter records whose ciphertext lies in this vault's store, those that it has already left out; all or none.

        Returns how many were new. Raises `VersionClosedError` if the version is committed to.
        """
        with self._database.transaction() as connection:
            if self._roots.is_fixed(dataset, version):
                raise VersionClosedError(f"{dataset} version {version} is closed", "take them into another dataset")
            kek, taken = self._hierarchy.newest(connection), 0
            for each in records:
                same = (dataset, version, each.record)
                sql = "SELECT 1 FROM records WHERE dataset = ? AND version = ? AND record = ?"
                if connection.execute(sql, same).fetchone():
                    continue
                # No digest of its content is kept: a record of one's own with this content is sealed by itself.
                connection.execute("INSERT OR IGNORE INTO blobs (digest, context) VALUES (?, ?)",
                                   (each.ciphertext, each.context))  # fmt: skip
                (blob,) = connection.execute("SELECT id FROM blobs WHERE digest = ?", (each.ciphertext,)).fetchone()
                connection.execute("DELETE FROM erased WHERE digest = ?", (each.ciphertext,))
                salt = secrets.token_bytes(SALT_BYTES)
                bound = record_context(*same, each.context, each.subject, salt)
                connection.execute(
                    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                    (*same, each.subject, blob, salt, kek.id, kek.wrap(each.key, bound)),
                )
                taken += 1
        return taken

    def erase(self, datasets: Sequence[str]) -> int:
        """Destroy the keys of all records of datasets, then their ciphertext; returns how many records there were.

        Raises as `Vault.erase`.
        """
        chosen = f"dataset IN ({', '.join('?' * len(datasets))})"
        values = tuple(datasets)
        return erasure.erase(self._database, self._store, chosen, values).records


def _of_before(dataset: str, version: int) -> VersionClosedError:
    what = f"{dataset} version {version} was registered by an earlier edition: its root does not say what it holds"
    return VersionClosedError(what, "register its next version, and ask for that one")
