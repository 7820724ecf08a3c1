"""What an agent keeps between steps: a small key-value file, sealed entry by entry and durable before `put` returns.

With the ledger it is all that an agent needs to be rebuilt at any moment.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hmchain import files, sqlite
from hmchain.canonical import Record, decode_trusted, encode
from hmchain.errors import StorageError
from hmchain.keys import SecretKey

R = TypeVar("R", bound=Record)

_NONCE_BYTES = 12
_LAST = "\U0010ffff"


class AgentStoreError(StorageError):
    """An agent's own file cannot be read or written."""

    code = "agent_store"


class AgentStore:
    """Records by name, under the agent's own key. `path` None keeps them in memory."""

    def __init__(self, path: Path | None, key: SecretKey) -> None:
        self._path = path
        self._cipher = AESGCM(key.derive("hmchain agent store").raw)
        self._db = sqlite.open_file(path, self._unopened, shreds=True, mode=files.PRIVATE)
        with sqlite.failures(self._unopened):
            self._db.execute("CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY, sealed BLOB) WITHOUT ROWID")

    def put(self, name: str, record: Record) -> None:
        """Keep a record under `name`, replacing what was there; on disk when this returns, or when the batch ends."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, encode(record), name.encode())
        self._execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", name, sealed)

    def note(self, name: str, record: Record) -> None:
        """As `put`, for what may be lost: it survives the end of the process, but not a power cut at once."""
        self._execute("PRAGMA synchronous = NORMAL")
        try:
            self.put(name, record)
        finally:
            self._execute("PRAGMA synchronous = FULL")

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Let several changes reach the disk together or not at all; what they erase or replace is taken off it."""
        with sqlite.failures(self._named), sqlite.transaction(self._db):
            yield
        self.scrub()

    def get(self, name: str, kind: type[R]) -> R | None:
        """The record under `name`, or None. Raises `AgentStoreError` if it was altered or has another key."""
        row = self._execute("SELECT sealed FROM entries WHERE name = ?", name).fetchone()
        return None if row is None else self._open(name, row[0], kind)

    def all(self, prefix: str, kind: type[R]) -> Iterator[tuple[str, R]]:
        """Every record whose name starts with `prefix`, in order of name."""
        rows = self._execute("SELECT name FROM entries WHERE name >= ? AND name < ?", prefix, prefix + _LAST)
        for (name,) in rows.fetchall():
            if (record := self.get(name, kind)) is not None:
                yield name, record

    def erase(self, prefix: str) -> None:
        """Remove every record whose name starts with `prefix`; `scrub` takes them off the disk."""
        self._execute("DELETE FROM entries WHERE name >= ? AND name < ?", prefix, prefix + _LAST)

    def scrub(self) -> None:
        """Take what was erased or replaced off the disk: the write-ahead log still holds the pages of before."""
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _open(self, name: str, sealed: bytes, kind: type[R]) -> R:
        try:
            data = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise AgentStoreError(
                f"{self._path} does not open with this key", "use the agent's own key file"
            ) from error
        return decode_trusted(data, kind)

    def _execute(self, sql: str, *values: str | bytes) -> sqlite3.Cursor:
        with sqlite.failures(self._named):
            return self._db.execute(sql, values)

    def _unopened(self, trouble: sqlite.Trouble) -> AgentStoreError:
        return AgentStoreError(f"{self._path} cannot be opened", "restore it; or remove it to sit current rounds out")

    def _named(self, trouble: sqlite.Trouble) -> AgentStoreError:
        return AgentStoreError(f"{self._path} cannot be read or written", "free disk space, then go on")
