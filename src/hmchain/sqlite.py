"""SQLite files: opened in one way, changed in transactions, their failures named by whoever they belong to.

SQLite's own words may quote the values of a statement, so they are in no message of ours.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hmchain import files
from hmchain.errors import HMChainError

BUSY_SECONDS = 10.0
"""For so long a writer waits for another one."""

CHANGE_SECONDS = 1.0
"""A change that is under way may take so long until a reader takes it for cut short."""

LOG_SUFFIXES = ("-wal", "-shm", "-journal")

_PAUSE_SECONDS = 0.02
_ASIDE_KILOBYTES = 16 << 10
_COPIED_PAGES = 4096  # at a time, so that writers get their turn
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CODE_BITS = 0xFF  # an extended result code's low byte is the code that it refines


class Trouble(Enum):
    """What may be wrong with a file."""

    FULL = "the disk takes no more"
    BUSY = "another process has it"
    READ_ONLY = "it may be read, and not written"
    CUT_SHORT = "a change of it was cut short: its -journal lies beside it"
    CLOSED = "it is not there, or may not be opened: nothing is known of what is in it"
    BROKEN = "it is damaged or of another kind"


_TROUBLES = {
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_IOERR: Trouble.FULL,  # what SQLite makes of a full disk where it maps memory
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.CLOSED,
    sqlite3.SQLITE_PERM: Trouble.CLOSED,
}

Named = Callable[[Trouble], HMChainError]
"""Says in a store's own words what is wrong, and the way out."""

Values: TypeAlias = Sequence[str | int | bytes | None]

Synchronous = Literal["FULL", "NORMAL", "OFF"]
"""What a power cut takes: FULL nothing that was committed; NORMAL the last commits, and it leaves a sound file; OFF
perhaps all."""


def one_at_a_time() -> threading.Lock:
    """A lock for threads that share a cursor: SQLite serialises a connection's calls, not what a cursor holds."""
    return threading.Lock()


def open_file(
    path: Path | None, named: Named, *, synchronous: Synchronous = "FULL", shreds: bool = False, mode: int = 0o666
) -> sqlite3.Connection:
    """Open a file to read and write, made with `mode` if it is not there; None is memory. Raises what `named` gives.

    What may not be written is opened to be read, and each change of it fails. With `shreds` what is deleted is
    overwritten; SQLite's log holds it until `empty_log`. Threads may share the connection: SQLite serialises their
    calls.
    """
    try:
        if path is not None and not path.exists():
            files.make_folder(path.parent)
            path.touch(mode=mode)
    except OSError as error:
        raise named(Trouble.CLOSED) from error
    if path is not None and not _is_writable(path):
        return open_read_only(path, named)
    with failures(named):
        return _prepared(
            _connect(str(path or ":memory:")),
            "PRAGMA journal_mode = WAL",
            f"PRAGMA synchronous = {synchronous}",
            "PRAGMA fullfsync = ON",  # macOS: its fsync leaves the data in the disk's own cache
            "PRAGMA checkpoint_fullfsync = ON",
            f"PRAGMA secure_delete = {'ON' if shreds else 'OFF'}",
        )


def open_aside(named: Named) -> sqlite3.Connection:
    """Open a new file that nobody else can open: it has no name, holds what memory need not, and goes when closed."""
    with failures(named):
        return _prepared(
            _connect(""),
            "PRAGMA journal_mode = MEMORY",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_ASIDE_KILOBYTES}",
        )


def open_read_only(path: Path, named: Named) -> sqlite3.Connection:
    """Open a file that another process may be writing, or that nobody may: it stays as it is, and nothing beside it.

    What lies in SQLite's log beside it is read with it; a link is followed first, to where that is. A change that was
    cut short is not undone here: that would write. Raises what `named` gives.
    """
    path = path.resolve()
    if _is_changing(path.with_name(f"{path.name}-journal")):
        raise named(Trouble.CUT_SHORT)
    with failures(named):
        try:
            database = _connect_to_read(path)
        except OSError as error:
            raise named(Trouble.FULL if error.errno in _FULL else Trouble.CLOSED) from error
        return _prepared(database, "PRAGMA query_only = ON", "SELECT count(*) FROM sqlite_master")


def _connect_to_read(path: Path) -> sqlite3.Connection:
    log, index = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if log.exists() and index.exists():  # whoever writes has both; SQLite reads them, and makes neither
        return _connect(_address(path, "mode=ro"))
    if log.exists() and log.stat().st_size:
        return _merged(path, log)
    if _is_writable(path):
        # One that begins to write meanwhile is heeded, and who closes last takes the logs away; `mode=ro` leaves them.
        return _connect(_address(path, "mode=rw"))
    return _connect(_address(path, "mode=ro&immutable=1"))


def _is_changing(journal: Path) -> bool:
    """Whether there is what undoes a change, and stays: one that is made just now ends in a moment."""
    deadline = time.monotonic() + CHANGE_SECONDS
    while journal.exists():
        if time.monotonic() > deadline:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _merged(path: Path, log: Path) -> sqlite3.Connection:
    """A copy that was taken together with its log, while somebody wrote: one with the other, in a file that is gone."""
    with tempfile.TemporaryDirectory(prefix="hmchain-") as scratch:
        copy = Path(scratch) / path.name
        for source in (path, log):
            shutil.copyfile(source, copy.with_name(source.name))
        with closing(_connect(str(copy))) as database:
            _prepared(database, "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")
        return _prepared(_connect(_address(copy, "mode=ro&immutable=1")), "SELECT count(*) FROM sqlite_master")


def _is_writable(path: Path) -> bool:
    """Whether SQLite could write a file, and its logs beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _address(path: Path, mode: str) -> str:
    return f"{path.resolve().as_uri()}?{mode}"


def _connect(place: str) -> sqlite3.Connection:
    return sqlite3.connect(
        place, uri=place.startswith("file:"), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _prepared(database: sqlite3.Connection, *statements: str) -> sqlite3.Connection:
    try:
        for statement in statements:
            database.execute(statement).fetchall()
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def failures(named: Named) -> Iterator[None]:
    """Let what fails in the block be raised as `named` says it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        raise named(_TROUBLES.get(code & _CODE_BITS, Trouble.BROKEN)) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes a name in a damaged file that is no text
        raise named(Trouble.BROKEN) from error


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Everything in the block, or nothing; other writers wait."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has rolled back by itself
            database.execute("ROLLBACK")
        raise


class Database:
    """An open file whose failures its owner names. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, named: Named) -> None:
        self._connection, self._named = connection, named

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def query(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with failures(self._named):
            return self._connection.execute(statement, values).fetchall()

    def rows(self, statement: str, values: Values = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement one by one, however many; change nothing meanwhile."""
        with failures(self._named):
            yield from self._connection.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block, or nothing; other writers wait."""
        with failures(self._named), transaction(self._connection):
            yield self._connection

    def empty_log(self) -> bool:
        """Empty SQLite's log, which keeps deleted rows until then; False if another process keeps it in use."""
        with failures(self._named):
            return empty_log(self._connection)

    def copy_to(self, path: Path) -> None:
        """Copy the file, while it is in use, to a new one of mode 0600. Raises `OSError` if there is one."""
        with failures(self._named):
            copy_to(self._connection, path)


def open_store(path: Path | None, named: Named, schema: str, *, shreds: bool = False) -> Database:
    """Open a file that is this user's alone, and make its tables where they are not there; as `open_file`."""
    connection = open_file(path, named, shreds=shreds, mode=files.PRIVATE)
    try:
        with failures(named):
            connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return Database(connection, named)


def empty_log(database: sqlite3.Connection, seconds: float | None = None) -> bool:
    """Empty SQLite's log, which keeps deleted rows until then; False if another process reads it for so long."""
    deadline = time.monotonic() + (BUSY_SECONDS if seconds is None else seconds)
    while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def remove_logs(path: Path) -> None:
    """Remove SQLite's logs beside a file that is put aside: they belong to that one, and to no other."""
    for suffix in LOG_SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def copy_to(database: sqlite3.Connection, path: Path, *statements: str) -> None:
    """Copy an open file, while it is in use, to a new one of mode 0600, which needs no log beside it to be read.

    `statements` are executed on the copy. Raises `OSError` if there is one.
    """
    path.touch(mode=files.PRIVATE, exist_ok=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        database.backup(copy, pages=_COPIED_PAGES)
        for statement in ("PRAGMA journal_mode = DELETE", *statements):
            copy.execute(statement).fetchall()
