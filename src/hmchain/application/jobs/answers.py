"""Answers that were given, by a key that whoever asked chose: who lost an answer asks again, and nothing is done twice.

Kept for a day in the portal's folder. A key is its person's own, and stands for one request: with another one it is
refused. What was under way when a process ended is forgotten: services go on where they were cut short.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hmchain import files, sqlite
from hmchain.clock import HOUR_MS, now_ms
from hmchain.errors import InputError, StorageError
from hmchain.sqlite import Trouble

KEPT_MS = 24 * HOUR_MS
EACH_MAX = 1000
"""Answers that are kept of one person; the oldest goes first."""
BYTES_MAX = 1 << 18
"""A larger answer is not kept."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    person TEXT NOT NULL, key TEXT NOT NULL, asked BLOB NOT NULL, at_ms INTEGER NOT NULL,
    status INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (person, key)) WITHOUT ROWID;
DELETE FROM answers WHERE status = 0;
"""


class AnswersFileError(StorageError):
    """The file of the answers cannot be read or written."""

    code = "answers_file"


class OtherRequestError(InputError):
    """A key stands for another request already."""

    code = "other_request"


class SameUnderWayError(InputError):
    """The same request is being answered."""

    code = "same_under_way"


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    content: bytes


class Answers:
    """The answers of one process; threads may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is the portal's own, where there is one. Raises `AnswersFileError`."""
        self._path = folder / "answers.db" if folder else None
        if folder is not None:
            files.make_folder(folder, mode=0o700)
        self._file, self._turn = sqlite.open_store(self._path, self._trouble, _SCHEMA, shreds=True), threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def once(self, person: str, key: str, asked: bytes, make: Callable[[], Answer]) -> Answer:
        """The answer to what was `asked`, the digest of a request: made now, or the one that was given before.

        What fails is not kept. Raises `OtherRequestError`, `SameUnderWayError`, and what `make` raises.
        """
        if (known := self._begun(person, key, asked)) is not None:
            return known
        try:
            made = make()
        except BaseException:
            self._forget(person, key)
            raise
        if len(made.content) > BYTES_MAX:
            self._forget(person, key)
            return made
        with self._turn, self._file.transaction() as file:
            change = "UPDATE answers SET status = ?, content = ? WHERE person = ? AND key = ?"
            file.execute(change, (made.status, made.content, person, key))
        return made

    def _begun(self, person: str, key: str, asked: bytes) -> Answer | None:
        now = now_ms()
        with self._turn, self._file.transaction() as file:
            file.execute("DELETE FROM answers WHERE at_ms < ?", (now - KEPT_MS,))
            wanted = "SELECT asked, status, content FROM answers WHERE person = ? AND key = ?"
            if (row := file.execute(wanted, (person, key)).fetchone()) is None:
                file.execute("INSERT INTO answers VALUES (?, ?, ?, ?, 0, x'')", (person, key, asked, now))
                file.execute(
                    "DELETE FROM answers WHERE person = ? AND status != 0 AND key IN (SELECT key FROM answers WHERE "
                    "person = ? ORDER BY at_ms DESC LIMIT -1 OFFSET ?)", (person, person, EACH_MAX)
                )  # fmt: skip
                return None
        if bytes(row[0]) != asked:
            raise OtherRequestError("this key stands for another request", "choose a new key for each request")
        if not row[1]:
            raise SameUnderWayError("the same is being done", "ask again in a moment, with the same key")
        return Answer(row[1], bytes(row[2]))

    def _forget(self, person: str, key: str) -> None:
        with self._turn, self._file.transaction() as file:
            file.execute("DELETE FROM answers WHERE person = ? AND key = ?", (person, key))

    def _trouble(self, trouble: Trouble) -> AnswersFileError:
        return AnswersFileError(f"{self._path}: {trouble.value}", "mend its owner and mode, or remove it")
