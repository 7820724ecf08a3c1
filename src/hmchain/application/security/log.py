"""The log of a hospital's security events: lines are only added, and each binds all before it.

A line's link is a digest of the link before it and of all that the line says, so what is cut out, put elsewhere or
written anew breaks the chain; that all of it was not made anew is shown by anchors on the members' ledger. What the
hospital alone may read (how many records, why) is bound by a salted digest, so a log can leave without it. One SQLite
file: a line is on the disk whole or not at all, and processes wait for each other.
"""

from __future__ import annotations

import os
import pwd
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec.structs import replace

from hmchain import canonical, correlation, decoding, files, sqlite
from hmchain.application.security.events import Event, Kind
from hmchain.clock import now_ms
from hmchain.errors import StorageError
from hmchain.sqlite import Synchronous

NOTHING = bytes(32)
"""What the first line's link binds."""
EARLIER = "earlier-lines"
"""What a chain begins with that binds lines of a version without chains."""
_SALT_BYTES = 16
_EARLIER = "SELECT number, at_ms, ends, body FROM lines ORDER BY number"
_LAST = "SELECT number, link FROM events ORDER BY number DESC LIMIT 1"
_EVENTS = "SELECT number, at_ms, event, link, salt, own FROM events WHERE number >= ? ORDER BY number"
_LEAST = -(1 << 63)
"""No line that a file holds has a lower number: one that somebody put in front is read, and found."""
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, event TEXT NOT NULL, link BLOB NOT NULL,
    salt BLOB NOT NULL, own TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'lines stay'); END;
CREATE TRIGGER IF NOT EXISTS events_are_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'lines stay'); END;
COMMIT;
"""


class ActivityLogError(StorageError):
    """The log of a hospital's activities cannot be read or written: nothing is done that it does not hold."""

    code = "activity_log"


@dataclass(frozen=True)
class Written:
    """One line, as it is in the file."""

    number: int
    at_ms: int
    event: str
    """JSON, as it was hashed."""
    link: bytes
    salt: bytes = field(default=b"", repr=False)
    own: str = field(default="", repr=False)
    """What the hospital alone may read, JSON; empty where there is nothing, or it stayed at home."""

    @property
    def typed(self) -> Event:
        """The event. Raises `msgspec.DecodeError`."""
        return decoding.from_json(self.event, Event)


def link(before: bytes, number: int, at_ms: int, event: str) -> bytes:
    """What a line binds: all lines before it, and all that it says itself."""
    return canonical.digest(
        "hmchain security event", before, number.to_bytes(8, "big"), at_ms.to_bytes(8, "big"), event.encode()
    )


def earlier(lines: Sequence[Any]) -> str:
    """What a log of a version without chains said, as the first line of the chain binds it."""
    return msgspec.json.encode(lines).decode()


def detail(salt: bytes, own: str) -> str:
    """The digest by which a line binds what only the hospital may read."""
    return canonical.digest("hmchain detail of a security event", salt, own.encode()).hex()


_watched: ContextVar[list[Event] | None] = ContextVar("watched", default=None)


@contextmanager
def watched() -> Iterator[list[Event]]:
    """All events that this thread writes in the block, into whatever log."""
    events: list[Event] = []
    token = _watched.set(events)
    try:
        yield events
    finally:
        _watched.reset(token)


class SecurityLog:
    """The open log of one hospital, made if there is none. Threads may share it; processes may write side by side."""

    def __init__(self, path: Path, whose: str = "", *, synchronous: Synchronous = "FULL") -> None:
        """A log that begins names the hospital `whose` it is, where that has a name.

        With `synchronous` NORMAL a power cut may take the last lines, a kill none. Raises `ActivityLogError`.
        """
        self._path, self._whose = path, whose
        self._file = sqlite.open_file(path, self._trouble, synchronous=synchronous, mode=files.PRIVATE)
        self._turn = threading.Lock()
        try:
            with sqlite.failures(self._trouble):
                if not _has(self._file, "events"):
                    self._file.executescript(_SCHEMA)
        except BaseException:
            self._file.close()
            raise

    def write(self, event: Event, own: str = "") -> int:
        """Add a line, with what `own` eyes alone may read beside it; returns its number. Raises `ActivityLogError`."""
        with self._turn, sqlite.failures(self._trouble), sqlite.transaction(self._file):
            last = self._file.execute(_LAST).fetchone()
            number, before = _sound(self._path, last) if last else self._begin()
            written = self._add(number + 1, before, _by(event), own)
        if (seen := _watched.get()) is not None:
            seen.append(event)
        return written

    def _begin(self) -> tuple[int, bytes]:
        """The first line: it makes the chain one of its kind, and binds the lines of a version without chains."""
        known = self._file.execute(_EARLIER).fetchall() if _has(self._file, "lines") else []
        number, salt = (known[-1][0] if known else 0) + 1, secrets.token_bytes(_SALT_BYTES)
        what = EARLIER if known else ""
        event = Event(Kind.LOG_BEGUN, what, self._whose, user=this_user(), digest=detail(salt, earlier(known)))
        self._add(number, NOTHING, event, "", salt)
        found: bytes = self._file.execute("SELECT link FROM events").fetchone()[0]
        return number, found

    def _add(self, number: int, before: bytes, event: Event, own: str, salt: bytes = b"") -> int:
        if own:
            salt = secrets.token_bytes(_SALT_BYTES)
            event = replace(event, detail=detail(salt, own))
        at_ms, text = now_ms(), msgspec.json.encode(event).decode()
        values = (number, at_ms, text, link(before, number, at_ms, text), salt, own)
        self._file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", values)
        return number

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new one of mode 0600. Raises `ActivityLogError`."""
        with sqlite.failures(self._trouble):
            sqlite.copy_to(self._file, path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _trouble(self, trouble: sqlite.Trouble) -> ActivityLogError:
        return trouble_with(self._path, trouble)


def _by(event: Event) -> Event:
    """An event with the user that this process acts for, and the request that it is done for."""
    return replace(event, user=event.user or this_user(), request=event.request or correlation.current())


def record(path: Path, event: Event, whose: str = "") -> int:
    """Write one event into the log of a hospital (`folder.activity`); returns its number. Raises `ActivityLogError`."""
    with closing(SecurityLog(path, whose)) as log:
        return log.write(event)


def read(path: Path, since: int = _LEAST) -> Iterator[Written]:
    """All lines from a number on, in their order, while others may add some. Raises `ActivityLogError`."""
    for rows in _rows(path, "events", _EVENTS, (since,)):
        yield Written(*rows)


@dataclass(frozen=True)
class Lines:
    """All lines of a log in their order, as often as they are asked for. Raises `ActivityLogError`."""

    path: Path

    def __iter__(self) -> Iterator[Written]:
        return read(self.path)


def head(path: Path) -> tuple[int, bytes]:
    """The number and the link of the last line; none of a log without lines. Raises `ActivityLogError`."""
    return _sound(path, next(_rows(path, "events", _LAST, ()), (0, NOTHING)))


def _sound(path: Path, last: tuple[Any, Any]) -> tuple[int, bytes]:
    """Number and link of a line as they are read from a file that may be damaged. Raises `ActivityLogError`."""
    number, link = last
    if type(number) is not int or type(link) is not bytes:
        raise trouble_with(path, sqlite.Trouble.BROKEN)
    return number, link


def whose(path: Path) -> str:
    """The hospital that a log names as its own; empty where it names none. Raises `ActivityLogError`."""
    try:
        return next((line.typed.about for line in read(path)), "")
    except msgspec.DecodeError as error:
        raise trouble_with(path, sqlite.Trouble.BROKEN) from error


def read_earlier(path: Path) -> Iterator[tuple[int, int, int | None, str]]:
    """The lines of a version without chains: number, time, the number of the line that it ends, body."""
    yield from _rows(path, "lines", _EARLIER, ())


def _rows(path: Path, table: str, statement: str, values: tuple[int, ...]) -> Iterator[Any]:
    def trouble(trouble: sqlite.Trouble) -> ActivityLogError:
        return trouble_with(path, trouble)

    if not path.exists():
        return
    with closing(sqlite.open_read_only(path, trouble)) as file, sqlite.failures(trouble):
        if _has(file, table):
            yield from file.execute(statement, values)


def _has(file: Connection, table: str) -> bool:
    """Whether there is such a table; a view in its place could give lines without end."""
    return bool(file.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchall())


def this_user() -> str:
    """The user of the operating system that this process acts for."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def trouble_with(path: Path, trouble: sqlite.Trouble) -> ActivityLogError:
    """The error for a log that cannot be used."""
    what = f"{path} cannot be read or written: {trouble.value}"
    return ActivityLogError(what, "free space, or mend it: nothing is done that it does not hold")
