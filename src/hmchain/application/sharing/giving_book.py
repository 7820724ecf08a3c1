"""A giver's own record of its transfers: how far each is, and what lies in the members' store for it.

It lets a grant that was cut short go on, and tells later which objects may be deleted: ciphertext that another transfer
needs stays. It holds no key: that of a grant follows from the hospital's local key and a random *seed*, which is
forgotten once the grantee has the key.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hmchain import files, sqlite
from hmchain.application.sharing.manifest import PageRef, Sealed, Terms
from hmchain.errors import StorageError
from hmchain.keys import SecretKey
from hmchain.records.objects import DiskFullError, address_of

_SCHEMA = """
BEGIN;
CREATE TABLE grants (
    name TEXT PRIMARY KEY, chain TEXT NOT NULL, request TEXT NOT NULL, dataset TEXT NOT NULL, version INTEGER NOT NULL,
    grantee TEXT NOT NULL, purpose TEXT NOT NULL, until_ms INTEGER NOT NULL, permit BLOB NOT NULL, seed BLOB NOT NULL,
    manifest BLOB NOT NULL DEFAULT x'', envelope BLOB NOT NULL DEFAULT x'', done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE pages (
    name TEXT NOT NULL REFERENCES grants, number INTEGER NOT NULL, last TEXT NOT NULL, chosen BLOB NOT NULL,
    address BLOB NOT NULL, size INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (name, number));
-- What this hospital put into the members' store for a transfer, or may have, since it is written down first.
CREATE TABLE objects (
    address BLOB NOT NULL, name TEXT NOT NULL REFERENCES grants, PRIMARY KEY (address, name)) WITHOUT ROWID;
CREATE INDEX objects_of ON objects (name);
PRAGMA user_version = 1;
COMMIT;
"""
_SEED_BYTES = 32


class GivingBookError(StorageError):
    """The record of a hospital's transfers cannot be read or written."""

    code = "giving_book"


@dataclass(frozen=True)
class GivenPage:
    """A page that lies in the store."""

    number: int
    last: str
    """Id of its last record."""
    chosen: bytes
    """Digest of which of its records are given."""
    ref: PageRef
    records: int
    bytes: int
    """Of the ciphertext of the records that it gives."""


@dataclass(frozen=True)
class Entry:
    """One transfer."""

    name: str
    request: str
    until_ms: int
    manifest: bytes
    """Address of the head; empty before."""
    envelope: bytes
    """The envelope itself, which waits for the ledger's word; empty before and after."""
    done: bool
    """True once the grantee can open it."""


class GivingBook:
    """The open record, made if there is none."""

    def __init__(self, path: Path, local: SecretKey) -> None:
        """Raises `GivingBookError`."""
        self._path, self._local = path, local
        connection = sqlite.open_file(path, self._trouble, shreds=True, mode=files.PRIVATE)
        self._file = sqlite.Database(connection, self._trouble)
        if not self._file.query("PRAGMA user_version")[0][0]:
            with sqlite.failures(self._trouble):
                connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def begin(self, terms: Terms, request: str) -> None:
        """Write down a transfer that is to be."""
        with self._file.transaction() as database:
            database.execute(
                """INSERT INTO grants (name, chain, request, dataset, version, grantee, purpose, until_ms, permit, seed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (terms.name, terms.chain_id, request, terms.dataset, terms.version, terms.grantee, terms.purpose,
                 terms.until_ms, terms.permit, secrets.token_bytes(_SEED_BYTES)),
            )  # fmt: skip

    def renew(self, terms: Terms) -> None:
        """Let a transfer that the ledger was not told of begin anew, by other terms. What was sent for it stays."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM pages WHERE name = ?", (terms.name,))
            database.execute(
                "UPDATE grants SET until_ms = ?, seed = ?, manifest = x'', envelope = x'' WHERE name = ?",
                (terms.until_ms, secrets.token_bytes(_SEED_BYTES), terms.name),
            )

    def entries(self) -> list[Entry]:
        """All transfers, in order of name."""
        sql = "SELECT name, request, until_ms, manifest, envelope, done FROM grants ORDER BY name"
        rows = self._file.query(sql)
        return [Entry(name, request, until_ms, manifest, envelope, bool(done))
                for name, request, until_ms, manifest, envelope, done in rows]  # fmt: skip

    def entry(self, name: str) -> Entry | None:
        """A transfer, or None."""
        return next((each for each in self.entries() if each.name == name), None)

    def begun(self, terms: Terms, request: str, name: str) -> Entry | None:
        """A transfer of the same version under the same decision: that of a name, or one that is not done."""
        sql = """SELECT name FROM grants WHERE chain = ? AND request = ? AND dataset = ? AND version = ? AND grantee = ?
            AND purpose = ? AND permit = ? AND (name = ? OR done = 0 AND ? = '') ORDER BY name"""
        values = (terms.chain_id, request, terms.dataset, terms.version, terms.grantee, terms.purpose, terms.permit)
        found = self._file.query(sql, (*values, name, name))
        return self.entry(found[0][0]) if found else None

    def sent(self, name: str) -> list[bytes]:
        """The objects of a transfer that this hospital put into the store, in order."""
        rows = self._file.query("SELECT address FROM objects WHERE name = ? ORDER BY address", (name,))
        return [address for (address,) in rows]

    def key(self, terms: Terms) -> SecretKey:
        """The grant key of a transfer that is not done."""
        ((seed,),) = self._file.query("SELECT seed FROM grants WHERE name = ?", (terms.name,))
        return self._local.derive("hmchain grant", terms.digest, seed)

    def decoy_seed(self, dataset: str, sought: bytes) -> SecretKey:
        """What the decoys follow from where a dataset has nothing of who is sought."""
        return self._local.derive("hmchain decoys", dataset.encode(), sought)

    def pages(self, name: str) -> list[GivenPage]:
        """The pages that lie in the store, in order."""
        sql = """SELECT number, last, chosen, address, size, records, bytes FROM pages WHERE name = ? ORDER BY number"""
        rows = self._file.query(sql, (name,))
        return [GivenPage(number, last, chosen, PageRef(address, size), records, count)
                for number, last, chosen, address, size, records, count in rows]  # fmt: skip

    def send(self, name: str, needed: Iterable[bytes], sent: Collection[bytes]) -> None:
        """Write down objects that a transfer needs in the store, and that this hospital sends now or sent before.

        What lay there without its doing is not its own to delete: its records may lie in that very store.
        """
        known = "SELECT 1 FROM objects WHERE address = ?"
        with self._file.transaction() as database:
            for address in needed:
                if address in sent or database.execute(known, (address,)).fetchone():
                    database.execute("INSERT OR IGNORE INTO objects VALUES (?, ?)", (address, name))

    def keep_page(self, name: str, page: GivenPage) -> None:
        """Write down a page that lies there with all that it gives."""
        with self._file.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (name, page.number, page.last, page.chosen, page.ref.address, page.ref.size, page.records, page.bytes),
            )

    def cut(self, name: str, pages: int) -> None:
        """Forget pages beyond so many: the version has fewer now."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM pages WHERE name = ? AND number >= ?", (name, pages))

    def keep_envelope(self, name: str, head: Sealed, envelope: Sealed) -> None:
        """Write down an envelope that waits for the ledger."""
        with self._file.transaction() as database:
            values = (head.address, envelope.data, name)
            database.execute("UPDATE grants SET manifest = ?, envelope = ? WHERE name = ?", values)

    def finish(self, name: str) -> None:
        """Write down that the grantee can open it, and forget the seed of its key."""
        entry = self.entry(name)
        assert entry is not None, "what is finished was begun"
        with self._file.transaction() as database:
            values = (address_of(entry.envelope), name)
            database.execute("INSERT OR IGNORE INTO objects VALUES (?, ?)", values)
            database.execute("UPDATE grants SET envelope = x'', seed = x'', done = 1 WHERE name = ?", (name,))

    def spare(self, name: str) -> list[bytes]:
        """The objects of a transfer that no other one needs."""
        sql = """SELECT address FROM objects o WHERE name = ?
            AND NOT EXISTS (SELECT 1 FROM objects WHERE address = o.address AND name <> o.name) ORDER BY address"""
        return [address for (address,) in self._file.query(sql, (name,))]

    def forget(self, name: str) -> None:
        """Forget a transfer of which nothing lies in the store any more."""
        with self._file.transaction() as database:
            for table in ("objects", "pages", "grants"):
                database.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608 - ours

    def _trouble(self, trouble: sqlite.Trouble) -> StorageError:
        if trouble is sqlite.Trouble.FULL:
            return DiskFullError(f"there is no room to write {self._path}", "free some space, then run again")
        what = f"{self._path} cannot be read or written: {trouble.value}"
        return GivingBookError(what, "mend its owner and mode, or restore it from a backup")
