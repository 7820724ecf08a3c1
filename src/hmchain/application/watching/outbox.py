"""What people have seen, and what is on its way to them: one SQLite file, so that a crash neither loses nor repeats.

A message is written down together with the mark that its notifications were told of in this channel; whoever delivers
takes it away only once it is delivered.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from sqlite3 import Connection

import msgspec

from hmchain import decoding, files, sqlite
from hmchain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hmchain.errors import StorageError
from hmchain.ledger.contracts.members.people import PersonRef

PAUSE_MS, PAUSE_MS_MAX = MINUTE_MS, 6 * HOUR_MS
"""Before a message is tried again: at first, and at most."""
GIVEN_UP_MS = 3 * DAY_MS
KEPT_MS = 90 * DAY_MS
"""So long it is remembered that something was seen, or told of, that does not wait any more."""
_KEY_BYTES = 16
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS seen (
    organisation TEXT NOT NULL, person TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (organisation, person, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (
    channel TEXT NOT NULL, receiver TEXT NOT NULL, id TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, receiver, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    key TEXT PRIMARY KEY, channel TEXT NOT NULL, receiver TEXT NOT NULL, ids TEXT NOT NULL, made_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL) WITHOUT ROWID;
COMMIT;
"""


class OutboxError(StorageError):
    """The file of notifications cannot be read or written."""

    code = "outbox"


class Channel(Enum):
    """The ways by which something leaves."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class Message(msgspec.Struct, frozen=True):
    """Something on its way."""

    key: str
    """Random; the same at each attempt, so that a receiver knows one that came twice."""
    channel: Channel
    receiver: str
    """A person, or the hospital's webhook."""
    ids: tuple[str, ...]
    """Of notifications."""
    made_ms: int
    attempts: int
    next_ms: int
    """Before then it is not tried again."""


class Outbox:
    """The open file; made if there is none. Threads may share it, processes may write side by side."""

    def __init__(self, path: Path) -> None:
        """Raises `OutboxError`."""
        self._path = path
        files.make_folder(path.parent, mode=0o700)
        self._file, self._turn = sqlite.open_store(path, self._trouble, _SCHEMA), sqlite.one_at_a_time()

    def _trouble(self, trouble: sqlite.Trouble) -> OutboxError:
        hint = "free space; or delete it: people see again what they saw, and are told again"
        return OutboxError(f"{self._path} cannot be read or written: {trouble.value}", hint)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- what people have seen -

    def seen(self, who: PersonRef) -> frozenset[str]:
        """The notifications that a person has seen."""
        query = "SELECT id FROM seen WHERE organisation = ? AND person = ?"
        with self._turn:
            return frozenset(id for (id,) in self._file.query(query, (who.organisation, who.person)))

    def mark_seen(self, who: PersonRef, ids: Iterable[str], now_ms: int) -> None:
        """Remember that a person has seen these."""
        rows = [(who.organisation, who.person, id, now_ms) for id in ids]
        with self._turn, self._file.transaction() as file:
            file.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", rows)

    # -- what is on its way -

    def queue(
        self,
        channel: Channel,
        receiver: str,
        ids: Collection[str],
        now_ms: int,
        gathered_ms: int = 0,
        *,
        apart: bool = False,
    ) -> int:
        """Write down what a receiver was not told of in this channel; returns how much that is.

        It goes in one message, which waits `gathered_ms` for more, or each in one by itself.
        """
        known = "SELECT 1 FROM told WHERE channel = ? AND receiver = ? AND id = ?"
        with self._turn, self._file.transaction() as file:
            new = [id for id in ids if not file.execute(known, (channel.value, receiver, id)).fetchone()]
            told = [(channel.value, receiver, id, now_ms) for id in new]
            file.executemany("INSERT INTO told VALUES (?, ?, ?, ?)", told)
            if new and not apart and gathered_ms and _added(file, channel, receiver, new, now_ms):
                return len(new)
            for group in [[id] for id in new] if apart else [new] if new else []:
                key, next_ms = secrets.token_hex(_KEY_BYTES), now_ms + gathered_ms
                values = (key, channel.value, receiver, _written(group), now_ms, 0, next_ms)
                file.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return len(new)

    def due(self, now_ms: int) -> list[Message]:
        """The messages that are to be tried now, the oldest first."""
        query = "SELECT * FROM messages WHERE next_ms <= ? ORDER BY made_ms, channel, receiver, key"
        with self._turn:
            rows = self._file.query(query, (now_ms,))
        return [
            Message(key, Channel(channel), receiver, decoding.from_json(ids, tuple[str, ...]), *rest)
            for key, channel, receiver, ids, *rest in rows
        ]

    def waiting(self) -> int:
        """How many messages are on their way."""
        with self._turn:
            return int(self._file.query("SELECT count(*) FROM messages")[0][0])

    def done(self, message: Message) -> None:
        """Take a message away: it was delivered, or nobody needs it any more."""
        with self._turn, self._file.transaction() as file:
            file.execute("DELETE FROM messages WHERE key = ?", (message.key,))

    def failed(self, message: Message, now_ms: int) -> bool:
        """Try a message again later, ever more rarely; False where it is given up."""
        if now_ms - message.made_ms >= GIVEN_UP_MS:
            self.done(message)
            return False
        pause = min(PAUSE_MS << min(message.attempts, 20), PAUSE_MS_MAX)
        with self._turn, self._file.transaction() as file:
            change = "UPDATE messages SET attempts = attempts + 1, next_ms = ? WHERE key = ?"
            file.execute(change, (now_ms + pause, message.key))
        return True

    def forget(self, present: Collection[str], now_ms: int) -> None:
        """Forget marks of what does not wait any more, after a while."""
        with self._turn, self._file.transaction() as file:
            for table in ("seen", "told"):
                old = file.execute(f"SELECT DISTINCT id FROM {table} WHERE at_ms < ?", (now_ms - KEPT_MS,))  # noqa: S608
                gone = [(id,) for (id,) in old.fetchall() if id not in present]
                file.executemany(f"DELETE FROM {table} WHERE id = ?", gone)  # noqa: S608


def _added(file: Connection, channel: Channel, receiver: str, ids: list[str], now_ms: int) -> bool:
    """Add to a message that still waits for more, if there is one."""
    query = "SELECT key, ids FROM messages WHERE channel = ? AND receiver = ? AND attempts = 0 AND next_ms > ?"
    found = file.execute(query, (channel.value, receiver, now_ms)).fetchone()
    if found is None:
        return False
    told = [*decoding.from_json(found[1], tuple[str, ...]), *ids]
    file.execute("UPDATE messages SET ids = ? WHERE key = ?", (_written(told), found[0]))
    return True


def _written(ids: list[str]) -> str:
    return msgspec.json.encode(ids).decode()
