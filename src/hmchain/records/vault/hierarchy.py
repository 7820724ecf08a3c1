"""The key hierarchy: a provider wraps a key-encryption key (KEK), and that wraps the keys of records.

A KEK is 32 random bytes for AES-256-GCM with random nonces, far below the 2^32 uses that NIST SP 800-38D allows one
key; what it wraps is bound to its place in the vault, so that rows cannot be swapped. KEKs are numbered. The newest
wraps, and every wrapped key names its own, so the KEK can be replaced while the vault is in use.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hmchain.canonical import digest
from hmchain.keys import Redacted, UnwrapError
from hmchain.plain import Progress, tell
from hmchain.records.vault.database import Database
from hmchain.records.vault.errors import VaultError
from hmchain.records.vault.providers import KeyProvider

_NONCE_BYTES = 12
WRAPPED_AT_ONCE = 5000
"""Keys in one transaction: about 50 ms during which other writers wait."""
_RECORD_KEYS = """SELECT r.rowid, r.kek, r.wrapped, r.dataset, r.version, r.record, b.context, r.subject, r.salt
    FROM records r JOIN blobs b ON b.id = r.blob"""


@dataclass(frozen=True, repr=False)
class Kek(Redacted):
    """One key-encryption key."""

    id: int
    raw: bytes

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cipher", AESGCM(self.raw))

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Seal a secret to a place in the vault: 28 bytes more than it has."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context)  # type: ignore[attr-defined, no-any-return]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Open it again. Raises `UnwrapError` if it was altered or belongs elsewhere."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)  # type: ignore[attr-defined, no-any-return]
        except (InvalidTag, ValueError) as error:
            hint = "have the vault verified; restore its file, or erase the record that is named"
            raise UnwrapError("a wrapped key of the vault is damaged", hint) from error


class RecordKey(NamedTuple):
    """The place of a record's copy of its blob's key, as `record_context` takes it."""

    dataset: str
    version: int
    record: str
    blob_context: bytes
    subject: str
    salt: bytes


def record_context(dataset: str, version: int, record: str, blob_context: bytes, subject: str, salt: bytes) -> bytes:
    """Digest what a record's copy of its blob's key is bound to: no row is moved to another patient unnoticed."""
    place = (dataset.encode(), version.to_bytes(8, "big"), record.encode())
    return digest("hmchain vault record key", *place, blob_context, subject.encode(), salt)


def root_context(dataset: str, version: int) -> bytes:
    """Digest what the key of a version's root is bound to."""
    return digest("hmchain vault root key", dataset.encode(), version.to_bytes(8, "big"))


def secret_context(name: str) -> bytes:
    """Digest what a secret of the whole vault is bound to."""
    return digest("hmchain vault secret", name.encode())


class Hierarchy:
    """The KEKs of an open vault."""

    def __init__(self, database: Database, provider: KeyProvider) -> None:
        self._database = database
        self._provider = provider
        self._keks: dict[int, Kek] = {}

    def add(self, connection: sqlite3.Connection) -> Kek:
        """A new KEK, the newest. It is not remembered here, since the transaction may still fail."""
        raw, name = secrets.token_bytes(32), self._provider.key_id
        wrapped = self._provider.wrap(name, raw)
        number = connection.execute("INSERT INTO keks (provider, wrapped) VALUES (?, ?)", (name, wrapped)).lastrowid
        return Kek(number or 0, raw)

    def load(self) -> None:
        """Unwrap all KEKs. Raises what the provider raises: most often `VaultKeyError`."""
        for number, name, wrapped in self._database.query("SELECT id, provider, wrapped FROM keks"):
            if number not in self._keks:
                self._keks[number] = Kek(number, self._provider.unwrap(name, wrapped))

    def add_secret(self, connection: sqlite3.Connection, kek: Kek, name: str) -> None:
        """Make a secret of the whole vault."""
        wrapped = kek.wrap(secrets.token_bytes(32), secret_context(name))
        connection.execute("INSERT INTO secrets VALUES (?, ?, ?)", (name, kek.id, wrapped))

    def secret(self, name: str) -> bytes:
        """A secret of the whole vault, 32 bytes."""
        ((kek, wrapped),) = self._database.query("SELECT kek, wrapped FROM secrets WHERE name = ?", (name,))
        return self.unwrap(kek, wrapped, secret_context(name))

    def newest(self, connection: sqlite3.Connection) -> Kek:
        """The KEK that wraps. Asked within the transaction that uses it, since another process may replace it."""
        ((number,),) = connection.execute("SELECT max(id) FROM keks").fetchall()
        return self._numbered(number)

    def unwrap(self, kek: int, wrapped: bytes, context: bytes) -> bytes:
        """Open a wrapped key of the vault. Raises `UnwrapError`."""
        return self._numbered(kek).unwrap(wrapped, context)

    def _numbered(self, number: int) -> Kek:
        if number not in self._keks:
            self.load()
        if number not in self._keks:
            raise VaultError("the vault's file names a key that it does not hold", "restore it from its backup")
        return self._keks[number]

    def rotate(self, provider: KeyProvider | None, progress: Progress | None) -> int:
        """Replace the KEK, and under another provider if one is given; returns the number of records' keys re-wrapped.

        Ciphertext is not touched. Keys are moved in transactions of a few thousand and the old KEK is destroyed with
        the last of them: records can be read and put throughout, and a rotation that was cut short goes on where it
        was when it is asked for again.
        """
        self._begin(provider)
        ((left,),) = self._database.query("SELECT count(*) FROM records WHERE kek < (SELECT max(id) FROM keks)")
        done = 0
        while moved := self._move_some():
            done += moved
            tell(progress, done, max(left, done))
        self._finish()
        return done

    def _begin(self, provider: KeyProvider | None) -> None:
        if provider is not None:
            self._hand_over(provider)
        with self._database.transaction() as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM keks").fetchall()
            if count == 1:  # else one was cut short
                self.add(connection)

    def _hand_over(self, provider: KeyProvider) -> None:
        """Let another provider wrap the KEKs that are there, so that it alone opens the vault from here on."""
        with self._database.transaction() as connection:
            self.load()
            self._rewrap(connection, provider)
        self._provider = provider

    def _rewrap(self, connection: sqlite3.Connection, provider: KeyProvider) -> None:
        for (number,) in connection.execute("SELECT id FROM keks").fetchall():
            wrapped = provider.wrap(provider.key_id, self._keks[number].raw)
            connection.execute(
                "UPDATE keks SET provider = ?, wrapped = ? WHERE id = ?", (provider.key_id, wrapped, number)
            )
        connection.execute("INSERT INTO shreds DEFAULT VALUES")

    def _move_some(self) -> int:
        with self._database.transaction() as connection:
            return len(self.wrap_anew(connection, "r.kek < (SELECT max(id) FROM keks)"))

    def wrap_anew(
        self, connection: sqlite3.Connection, chosen: str, bound_to: Callable[[RecordKey], bytes] | None = None
    ) -> list[int]:
        """Wrap some of the chosen records' keys by the newest KEK; returns the rows of these records.

        `bound_to` gives what a key is bound to as it stands, if it is in an earlier format.
        """
        kek = self.newest(connection)
        rows = connection.execute(f"{_RECORD_KEYS} WHERE {chosen} LIMIT ?", (WRAPPED_AT_ONCE,)).fetchall()
        moved = []
        for row, old, wrapped, *place in rows:
            key = RecordKey(*place)
            context = record_context(*key)
            raw = self.unwrap(old, wrapped, bound_to(key) if bound_to else context)
            moved.append((kek.id, kek.wrap(raw, context), row))
        connection.executemany("UPDATE records SET kek = ?, wrapped = ? WHERE rowid = ?", moved)
        return [row for row, *_ in rows]

    def _finish(self) -> None:
        with self._database.transaction() as connection:
            kek = self.newest(connection)
            named = connection.execute("SELECT name, kek, wrapped FROM secrets WHERE kek < ?", (kek.id,)).fetchall()
            for name, old, wrapped in named:
                moved = kek.wrap(self.unwrap(old, wrapped, secret_context(name)), secret_context(name))
                connection.execute("UPDATE secrets SET kek = ?, wrapped = ? WHERE name = ?", (kek.id, moved, name))
            roots = "SELECT rowid, dataset, version, kek, wrapped FROM versions WHERE kek < ?"
            for row, dataset, version, old, wrapped in connection.execute(roots, (kek.id,)).fetchall():
                context = root_context(dataset, version)
                moved = kek.wrap(self.unwrap(old, wrapped, context), context)
                connection.execute("UPDATE versions SET kek = ?, wrapped = ? WHERE rowid = ?", (kek.id, moved, row))
            connection.execute("DELETE FROM keks WHERE id < ?", (kek.id,))
            connection.execute("INSERT INTO shreds DEFAULT VALUES")
        self._keks = {kek.id: kek}
        self._database.shred()
