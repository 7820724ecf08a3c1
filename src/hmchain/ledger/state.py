"""The key-value state, its commitment, and typed tables over it.

One SQLite transaction a block: height, state and commitment move together or not at all. Within a block, writes go to
an overlay with an undo log, so a failed transaction (or a whole rejected block) leaves no trace.
"""

from __future__ import annotations

import heapq
import sqlite3
import struct
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from hmchain import sqlite
from hmchain.canonical import NotCanonicalError, Record, decode_trusted, encode
from hmchain.errors import LedgerError
from hmchain.ledger import lthash
from hmchain.ledger.unreadable import UnreadableError

V = TypeVar("V", bound=Record)
T = TypeVar("T")

_HEIGHT = struct.Struct(">q")  # as SQLite's integers are, in which heights are asked for

_COLUMNS = {
    "meta": "(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "state": "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
}
_SCHEMA = "".join(f"CREATE TABLE IF NOT EXISTS {name} {columns};" for name, columns in _COLUMNS.items())


class StateError(LedgerError):
    """The state database cannot be opened or is damaged."""

    code = "state"


class UnreadableStateError(StateError, UnreadableError):
    """The state database is not there, or may not be opened."""

    code = "unreadable"


class UnknownRecordError(LedgerError):
    """A record of the state has a form, or a word such as a phase, that this program does not know."""

    code = "unknown_record"


class SnapshotError(LedgerError):
    """A snapshot does not match the commitment it claims."""

    code = "snapshot"


class _Absent:
    """Marks a key that the overlay does not hold."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Writes:
    """Uncommitted writes that were taken off a state; they fit the state that they were made on and no other."""

    overlay: dict[bytes, bytes | None]
    touched: list[bytes]
    undo: list[tuple[bytes, bytes | _Absent | None]]
    lanes: lthash.Lanes | None


class State:
    """Key-value state of one validator, over SQLite (`None` as path: in memory, or `aside` in a file without a name).

    `durable=False` is for a scratch file that nobody opens again; `open_read_only` reads one that another process
    may be writing.
    """

    def __init__(self, path: Path | None = None, *, durable: bool = True, aside: bool = False) -> None:
        self._path = path
        # Agents read from their own threads, only between blocks.
        # Blocks are made durable by the block store; a state that lags behind it is replayed.
        if aside:
            self._db = sqlite.open_aside(self._unsound)
        else:
            self._db = sqlite.open_file(path, self._unsound, synchronous="NORMAL" if durable else "OFF")
        self._load(_SCHEMA)

    @classmethod
    def open_read_only(cls, path: Path) -> State:
        """The state as it is at this moment, until it is closed; it cannot be committed. Raises `StateError`."""
        if not path.is_file():
            raise UnreadableStateError(f"{path} cannot be opened", "give the directory of a run or a ledger")
        state = cls.__new__(cls)
        state._path = path
        state._db = sqlite.open_read_only(path, state._unsound)
        state._load("BEGIN")
        return state

    def _unsound(self, trouble: sqlite.Trouble) -> StateError:
        if trouble is sqlite.Trouble.CLOSED:
            return UnreadableStateError(f"{self._path} cannot be opened", "check its owner and its mode")
        if trouble is sqlite.Trouble.CUT_SHORT:
            return UnreadableStateError(f"a change of {self._path} was cut short", "delete it with its -journal")
        if trouble is sqlite.Trouble.READ_ONLY:
            return UnreadableStateError(f"{self._path} may not be written", "take a copy that may be")
        return StateError(f"{self._path} is not a sound state database", "delete it: it is replayed from blocks")

    def _load(self, preparation: str) -> None:
        try:
            self._db.executescript(preparation)
            meta = dict(self._db.execute("SELECT name, value FROM meta"))
            self.height: int = _HEIGHT.unpack(meta.get("height", bytes(_HEIGHT.size)))[0]
            self._lanes = lthash.from_bytes(meta["lanes"]) if "lanes" in meta else lthash.empty()
            self.is_new = "height" not in meta
        except (sqlite3.DatabaseError, struct.error, TypeError, ValueError) as error:
            self._db.close()
            raise self._unsound(sqlite.Trouble.BROKEN) from error
        self._lookup = self._db.cursor()
        self._looking = sqlite.one_at_a_time()  # agents read one state from their own threads
        self._overlay: dict[bytes, bytes | None] = {}
        self._touched: list[bytes] = []  # its keys in order: a scan must not sort what a whole block wrote
        self._undo: list[tuple[bytes, bytes | _Absent | None]] = []
        self._cache: dict[bytes, bytes | None] = {}
        # Records decoded lately, each with the very bytes it was decoded from: other bytes, another record.
        self._decoded: dict[bytes, tuple[bytes, Record]] = {}
        # Committed pairs by prefix, of each table apart: one write to a table lets all of its go.
        self._scanned: dict[bytes, dict[bytes, list[tuple[bytes, bytes]]]] = {}
        self._lanes_now: lthash.Lanes | None = None
        self._written: dict[bytes, int] = {}
        self._made: dict[Hashable, tuple[int, Any]] = {}

    # -- reading and writing -------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        if key in self._overlay:
            return self._overlay[key]
        return self._committed(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set `key`; None deletes it."""
        self._lanes_now = None
        before = self._overlay.get(key, _ABSENT)
        if isinstance(before, _Absent):
            insort(self._touched, key)
        self._undo.append((key, before))
        self._overlay[key] = value

    def read(self, key: bytes, kind: type[V]) -> V | None:
        """The value of `key` as a record, or None; a key always holds records of one kind."""
        data = self.get(key)
        return None if data is None else self.decoded(key, data, kind)

    def decoded(self, key: bytes, data: bytes, kind: type[V]) -> V:
        """The record that `key` holds as `data`; decoded again only if it was other bytes the last time.

        Raises `UnknownRecordError`.
        """
        known = self._decoded.get(key)
        if known is not None and known[0] == data:
            return known[1]  # type: ignore[return-value]
        try:
            record = decode_trusted(data, kind)
        except NotCanonicalError as error:
            hint = "the ledger was written by a newer version: install that"
            raise UnknownRecordError(f"{error.what}, as this version knows it", hint) from error
        if len(self._decoded) >= _CACHE_KEYS_MAX:
            self._decoded.clear()
        self._decoded[key] = (data, record)
        return record

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key starts with `prefix`, in order of key."""
        stored = self._stored(prefix)
        first, end = (bisect_left(self._touched, bound) for bound in (prefix, _after(prefix)))
        if first == end:
            return iter(stored)
        fresh = [(key, value) for key in self._touched[first:end] if (value := self._overlay[key]) is not None]
        old = ((k, v) for k, v in stored if k not in self._overlay)
        return heapq.merge(old, fresh)

    def _stored(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All committed pairs under a prefix, in order of key; a short list is kept."""
        found = self._scanned.get(_table(prefix), {}).get(prefix)
        if found is None:
            found = self._db.execute(
                "SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY key", (prefix, _after(prefix))
            ).fetchall()
            if len(found) <= _SCAN_PAIRS_MAX and b"\0" in prefix:  # else it may be of several tables
                known = self._scanned.setdefault(_table(prefix), {})
                if len(known) >= _SCANS_MAX:
                    known.clear()
                known[prefix] = found
        return found

    def keys_below(self, prefix: bytes, bound: bytes) -> list[bytes]:
        """Committed keys with `prefix` below the key `bound`, in order; for what is kept by time and pruned."""
        rows = self._db.execute("SELECT key FROM state WHERE key >= ? AND key < ? ORDER BY key", (prefix, bound))
        return [row[0] for row in rows]

    def keys(self, prefix: bytes) -> list[bytes]:
        """All keys that start with `prefix`, in order."""
        if self._overlay:
            return [key for key, _ in self.scan(prefix)]
        return self.keys_below(prefix, _after(prefix))

    def _committed(self, key: bytes) -> bytes | None:
        try:
            return self._cache[key]
        except KeyError:
            with self._looking:
                if not self._db.in_transaction:
                    self._db.execute("BEGIN")  # one read lock a block; else every look-up takes and leaves its own
                row = self._lookup.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
            value = row[0] if row else None
            if len(self._cache) >= _CACHE_KEYS_MAX:
                self._cache.clear()
            self._cache[key] = value
            return value

    # -- blocks ----------------------------------------------------------------------------------------------------

    def savepoint(self) -> int:
        """A mark to which `rollback` returns."""
        return len(self._undo)

    def rollback(self, mark: int = 0) -> None:
        """Undo every write since `mark` (default: since the last commit)."""
        self._lanes_now = None
        while len(self._undo) > mark:
            key, before = self._undo.pop()
            if isinstance(before, _Absent):
                del self._overlay[key]
                del self._touched[bisect_left(self._touched, key)]
            else:
                self._overlay[key] = before

    def detach(self) -> Writes:
        """Take all uncommitted writes off: the state is the committed one again."""
        writes = Writes(self._overlay, self._touched, self._undo, self._lanes_now)
        self._overlay, self._touched, self._undo, self._lanes_now = {}, [], [], None
        return writes

    def attach(self, writes: Writes) -> None:
        """Put detached writes back on, in the place of whatever is uncommitted."""
        self._overlay, self._touched = writes.overlay, writes.touched
        self._undo, self._lanes_now = writes.undo, writes.lanes

    def commitment(self) -> bytes:
        """The 32-byte commitment to the state as it is now, uncommitted writes included."""
        return lthash.commitment(self._advanced())

    def commit(self, height: int) -> None:
        """Make all writes, the new height and the new commitment durable in one SQLite transaction."""
        lanes = self._advanced()
        puts = [(key, value) for key, value in self._overlay.items() if value is not None]
        deletes = [(key,) for key, value in self._overlay.items() if value is None]
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", puts)
            self._db.executemany("DELETE FROM state WHERE key = ?", deletes)
            meta = [("height", _HEIGHT.pack(height)), ("lanes", lthash.to_bytes(lanes))]
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta)
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StateError(
                f"{self._path} cannot be written: {error}", "free disk space, then run the same again"
            ) from error
        if len(self._cache) + len(self._overlay) > _CACHE_KEYS_MAX:
            self._cache.clear()
            self._decoded.clear()
        self._cache.update(self._overlay)
        for key in self._overlay:
            table = _table(key)
            self._scanned.pop(table, None)
            self._written[table] = height
        self._overlay.clear()
        self._touched.clear()
        self._undo.clear()
        self.height, self._lanes, self.is_new = height, lanes, False

    def _advanced(self) -> lthash.Lanes:
        """The lanes with all uncommitted writes; they are asked for twice a block, and computed once."""
        if self._lanes_now is None:
            removed, added = [], []
            for key, value in self._overlay.items():
                before = self._committed(key)
                if before == value:
                    continue
                if before is not None:
                    removed.append((key, before))
                if value is not None:
                    added.append((key, value))
            self._lanes_now = lthash.updated(self._lanes, removed, added)
        return self._lanes_now

    def close(self) -> None:
        """Close the database; uncommitted writes are dropped."""
        self._db.close()

    def made(self, what: Hashable, of: Sequence[Table[Any]], make: Callable[[], T]) -> T:
        """What `make` gives, asked again only after a block that wrote to one of these tables, or to any; for readers.

        It must follow from them alone.
        """
        if self._overlay:
            return make()
        written = max(self._written.get(table.name, 0) for table in of) if of else self.height
        known = self._made.get(what)
        if known is None or known[0] != written:
            if len(self._made) >= _MADE_MAX:
                self._made.clear()
            self._made[what] = known = (written, make())
        return known[1]

    # -- snapshots ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[tuple[bytes, bytes]]:
        """All committed pairs in order of key."""
        yield from self._db.execute("SELECT key, value FROM state ORDER BY key")

    def page(self, after: bytes, count: int) -> list[tuple[bytes, bytes]]:
        """The first `count` committed pairs whose keys come after `after`. Raises `StateError` for what is damaged."""
        with sqlite.failures(self._unsound):
            return self._db.execute(
                "SELECT key, value FROM state WHERE key > ? ORDER BY key LIMIT ?", (after, count)
            ).fetchall()

    def copied(self, copy: State | None = None) -> State:
        """An own copy of the committed state: in memory, or `copy`, which is new. Raises `StateError` if it cannot."""
        copy = copy or State()
        with sqlite.failures(self._unsound):
            self._db.backup(copy._db)
        copy._load("")
        return copy

    def is_sound(self) -> bool:
        """Whether the committed records give the commitment that is kept beside them; reads them all.

        Nothing but the two tables may answer, and each key once: 65 536 copies of a record add up to nothing. Raises
        `StateError` if the database cannot be read through.
        """
        try:
            tables = self._db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
            if tables != [("table", name, f"CREATE TABLE {name} {columns}") for name, columns in _COLUMNS.items()]:
                return False
            lanes = lthash.of_all(self._db.execute("SELECT key, value FROM state"))
        except (sqlite3.DatabaseError, TypeError) as error:  # SQLite takes text for bytes
            raise StateError(f"{self._path} is damaged", "it is replayed from blocks") from error
        return np.array_equal(lanes, self._lanes)

    def restore(self, pairs: Iterable[tuple[bytes, bytes]], height: int, commitment: bytes) -> None:
        """Fill an empty state from a snapshot.

        Raises `SnapshotError`, changing nothing, if a key comes twice or out of order (LtHash is a set hash: copies
        can cancel) or the result does not have `commitment`.
        """
        last: bytes | None = None
        for key, value in pairs:
            if last is not None and key <= last:
                self.rollback()
                raise SnapshotError("the snapshot repeats a key or is not in order", "fetch it from another member")
            self.put(key, value)
            last = key
        if self.commitment() != commitment:
            self.rollback()
            raise SnapshotError("the snapshot does not match its commitment", "fetch it from another member")
        self.commit(height)


_CACHE_KEYS_MAX, _MADE_MAX = 4096, 64
_SCANS_MAX, _SCAN_PAIRS_MAX = 64, 64  # of one table
_INTEGER_OFFSET = 1 << 63


def _after(prefix: bytes) -> bytes:
    """The least key above every key with `prefix` (table names are ASCII, so the first byte never overflows)."""
    body = prefix.rstrip(b"\xff")
    return body[:-1] + bytes([body[-1] + 1])


def _table(key: bytes) -> bytes:
    """The name of the table that a key or prefix is of."""
    return key.partition(b"\0")[0]


class Table(Generic[V]):
    """Records of one kind under one prefix.

    A key is the table's name and parts: integers as 9 big-endian bytes, raised by 2^63 (so that they sort, and every
    integer that a transaction can carry has a key), strings ended by a zero byte, bytes as they are (of one length
    within a table).
    """

    def __init__(self, name: str, kind: type[V]) -> None:
        self.name, self._prefix = name.encode(), name.encode() + b"\0"
        self._kind = kind
        self.key = lru_cache(_CACHE_KEYS_MAX)(self._key)
        """The state key of a record, by its parts."""

    def _key(self, *parts: str | int | bytes) -> bytes:
        key = self._prefix
        for part in parts:
            if isinstance(part, str):
                key += part.encode() + b"\0"
            elif isinstance(part, bytes):
                key += part
            else:
                key += (part + _INTEGER_OFFSET).to_bytes(9, "big")
        return key

    def get(self, state: State, *parts: str | int | bytes) -> V | None:
        """The record, or None."""
        return state.read(self.key(*parts), self._kind)

    def put(self, state: State, record: V, *parts: str | int | bytes) -> None:
        """Write the record."""
        state.put(self.key(*parts), encode(record))

    def delete(self, state: State, *parts: str | int | bytes) -> None:
        """Remove the record."""
        state.put(self.key(*parts), None)

    def clear(self, state: State) -> None:
        """Remove all records."""
        for key, _ in list(state.scan(self._prefix)):
            state.put(key, None)

    def all(self, state: State, *parts: str | int | bytes) -> list[V]:
        """All records under the given first parts, in order of key."""
        return [state.decoded(key, value, self._kind) for key, value in state.scan(self.key(*parts))]

    def names(self, state: State) -> list[str]:
        """The keys of all records, in order, where a key is one text; no record is decoded."""
        begins = len(self._prefix)
        return [key[begins:-1].decode() for key in state.keys(self._prefix)]
