"""What an agent keeps between steps: a small key-value file, sealed entry by entry.

With the ledger it is all that an agent needs to be rebuilt at any moment. A process that is killed loses nothing of it.
A power cut takes what was noted since the last sync: docs/decisions/0028 says for what that is safe.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
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

SCRUB_SECONDS = 1.0
"""Between two times that erased records are taken off the disk, which costs three syncs."""

_NONCE_BYTES = 12
_LAST = "\U0010ffff"


class AgentStoreError(StorageError):
    """An agent's own file cannot be read or written."""

    code = "agent_store"


class AgentStore:
    """Records by name, under the agent's own key. `path` None keeps them in memory."""

    def __init__(self, path: Path | None, key: SecretKey, *, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is the clock by which erased records are scrubbed."""
        self._path = path
        self._seconds = seconds
        self.is_settled = True
        self._erased, self._scrubbed_at = True, -SCRUB_SECONDS  # a process that was killed left what it had erased
        self._cipher = AESGCM(key.derive("hmchain agent store").raw)
        self.lasting = key.derive("hmchain agent, whatever becomes of its file")
        """A secret that is the same where the file was lost: the key is backed up, and the file must not be."""
        self._db = sqlite.open_file(path, self._unopened, synchronous="NORMAL", shreds=True, mode=files.PRIVATE)
        with sqlite.failures(self._unopened):
            self._db.execute("CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY, sealed BLOB) WITHOUT ROWID")

    def put(self, name: str, record: Record) -> None:
        """Keep a record under `name`, replacing what was there; on disk when this returns."""
        self.note(name, record)
        self.settle()

    def note(self, name: str, record: Record) -> None:
        """As `put`, for what a power cut may take: it is on disk once the store is settled."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, encode(record), name.encode())
        self.is_settled = False
        self._execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", name, sealed)

    def settle(self) -> None:
        """Bring to the disk what was noted."""
        if self.is_settled or self._path is None:
            return
        try:
            files.sync(self._path.with_name(f"{self._path.name}-wal"))  # every change is in SQLite's log first
        except OSError as error:
            raise self._named(sqlite.Trouble.FULL) from error
        self.is_settled = True

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Note several changes together or not at all; what they erase or replace is taken off the disk soon after."""
        with sqlite.failures(self._named), sqlite.transaction(self._db):
            yield
        self.is_settled, self._erased = False, True
        self.tend()

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

    def names(self) -> list[str]:
        """The names of all records, in order."""
        return [name for (name,) in self._execute("SELECT name FROM entries ORDER BY name").fetchall()]

    def erase(self, prefix: str) -> None:
        """Remove every record whose name starts with `prefix`, in a batch."""
        self._execute("DELETE FROM entries WHERE name >= ? AND name < ?", prefix, prefix + _LAST)

    def scrub(self) -> None:
        """Take off the disk what was erased or replaced: SQLite's log holds it still. All else is on disk then."""
        with sqlite.failures(self._named):
            if sqlite.empty_log(self._db):
                self.is_settled, self._erased, self._scrubbed_at = True, False, self._seconds()

    def tend(self) -> None:
        """Scrub what is erased, but not more than once a second: to be called again and again."""
        if self._erased and self._seconds() >= self._scrubbed_at + SCRUB_SECONDS:
            self.scrub()

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
        hint = "put it aside to sit current studies out; an older copy would have forgotten what was revealed"
        return AgentStoreError(f"{self._path} cannot be opened", hint)

    def _named(self, trouble: sqlite.Trouble) -> AgentStoreError:
        return AgentStoreError(f"{self._path} cannot be read or written", "free disk space, then go on")
