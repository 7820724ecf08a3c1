"""The log of what was done with a hospital's data: who did what, when, and what left the hospital.

Lines are only ever added, and numbered. What a person asks for has two: one before it begins, on the disk before
anything else happens, and one when it ends; so what was killed in between shows. What an agent sends has one, written
before the bytes leave. No line names a patient, a record or a file; counts are the hospital's own, and stay here.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

from hmchain import decoding, files, sqlite
from hmchain.clock import now_ms
from hmchain.errors import HMChainError, StorageError
from hmchain.sqlite import Synchronous

DONE = "done"
INTERRUPTED = "interrupted"
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS lines (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, ends INTEGER REFERENCES lines,
    body TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS lines_stay BEFORE UPDATE ON lines BEGIN SELECT RAISE(ABORT, 'lines stay'); END;
CREATE TRIGGER IF NOT EXISTS lines_are_kept BEFORE DELETE ON lines BEGIN SELECT RAISE(ABORT, 'lines stay'); END;
COMMIT;
"""


FILE = "activity.db"


class ActivityLogError(StorageError):
    """The log of a hospital's activities cannot be read or written: nothing is done that it does not hold."""

    code = "activity_log"


class What(Enum):
    """Everything that is written down, by the word that commands use for it."""

    EXTRACT = "extract"
    LABEL = "label"
    LOOK = "look"
    RELEASE = "release"
    REJECT = "reject"
    REVIEW = "review"
    TAKE_BACK = "take-back"
    PREPARE = "prepare"
    REGISTER = "register"
    WITHDRAW = "withdraw"
    ERASE = "erase"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    EXPORT = "export"
    DEIDENTIFY = "deidentify"
    PROVE = "prove"
    BACKUP = "backup"
    MIRROR = "mirror"
    REPAIR = "repair"
    RESTORE = "restore"
    ROTATE = "rotate"
    CONVERT = "convert"
    MODEL_EXPORT = "model-export"
    STUDY_KEYS = "study-keys"
    UPDATE = "update"
    MODEL = "model"
    EVIDENCE = "evidence"
    COPY = "copy"
    PERSON = "person"
    MERGE = "merge"
    REIDENTIFY = "reidentify"
    SEND = "send"
    TELL = "tell"
    COUNT = "count"


SENT_BY_AGENTS = (What.STUDY_KEYS, What.UPDATE, What.MODEL, What.EVIDENCE, What.COPY)
"""What an agent sends, sealed: halves of keys; masked updates; and as a master the joint model, what proves it, and
objects that the store had lost."""
LEAVES = frozenset(
    (
        *SENT_BY_AGENTS,
        What.EXPORT,
        What.SEND,
        What.DEIDENTIFY,
        What.LOOK,
        What.PROVE,
        What.BACKUP,
        What.MIRROR,
        What.MODEL_EXPORT,
    )
)
"""What goes to others, or lies outside the vault afterwards."""
SIGNED_FOR = frozenset((What.REIDENTIFY, What.TELL))
"""What takes two people: the way from a pseudonym to a patient, and what a patient's data were used for."""


class Signature(msgspec.Struct, frozen=True):
    """A person's signature under what is done: whoever has the log can verify it."""

    person: str
    public: str
    """The public half of the person's key, hexadecimal."""
    signature: str


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is done, as far as it is known: a second line adds how it ended."""

    what: What | None = None
    """None in the line of its end."""
    user: str = ""
    """Of the operating system."""
    role: str = ""
    """Whose key acts: steward, agent."""
    person: str = ""
    """Who decides, as that person said."""
    dataset: str = ""
    version: int = 0
    study: str = ""
    round: int | None = None
    kind: str = ""
    """Kind of data, or by what something is named: patient, subject or record."""
    where: str = ""
    """Kind of place that it goes to: folder, file, s3."""
    records: int = 0
    items: int = 0
    """Held items that somebody decided about."""
    held: int = 0
    """Items that wait in quarantine."""
    bytes: int = 0
    subject: str = ""
    """The pseudonym that was turned back into a patient, or of the patient who was told."""
    reason: str = ""
    """Why, in the words of those who asked."""
    public: str = ""
    """The public half of the key of a person who was added, hexadecimal."""
    signed_ms: int = 0
    """When what takes several people was signed; that is signed as well, so that no signature serves twice."""
    signatures: tuple[Signature, ...] = ()
    outcome: str = ""
    """`done`, or the code of what went wrong."""


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    number: int
    at_ms: int
    ends: int | None
    """The number of the line whose deed ended."""
    deed: Deed


class ActivityLog:
    """The open log of one hospital, made if there is none. Threads may share it; processes may write side by side."""

    def __init__(self, path: Path, *, synchronous: Synchronous = "FULL") -> None:
        """Raises `ActivityLogError`. With `synchronous` NORMAL a power cut may take the last lines, a kill none."""
        self._path = path
        self._file = sqlite.open_file(path, self._trouble, synchronous=synchronous, mode=files.PRIVATE)
        with sqlite.failures(self._trouble):
            if not self._file.execute("SELECT 1 FROM sqlite_master WHERE name = 'lines'").fetchall():
                self._file.executescript(_SCHEMA)

    def write(self, deed: Deed, *, ends: int | None = None) -> int:
        """Add a line; returns its number. Raises `ActivityLogError`."""
        values = (now_ms(), ends, msgspec.json.encode(deed).decode())
        with sqlite.failures(self._trouble):
            return self._file.execute("INSERT INTO lines (at_ms, ends, body) VALUES (?, ?, ?)", values).lastrowid or 0

    def backup(self, path: Path) -> None:
        """Copy the file while it is in use, to a new one of mode 0600. Raises `ActivityLogError`."""
        with sqlite.failures(self._trouble):
            sqlite.copy_to(self._file, path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _trouble(self, trouble: sqlite.Trouble) -> ActivityLogError:
        return _trouble(self._path, trouble)


class Recording:
    """The deed that is under way; whoever does it adds what is known in the end."""

    def __init__(self) -> None:
        self.result = Deed()

    def add(self, **known: str | int) -> None:
        """Add facts: fields of `Deed`."""
        self.result = msgspec.structs.replace(self.result, **known)


@contextmanager
def recorded(path: Path, deed: Deed) -> Iterator[Recording]:
    """Write down that something begins, and how it ended, whatever happens in between. Raises `ActivityLogError`."""
    recording = Recording()
    log = ActivityLog(path)
    try:
        number = log.write(msgspec.structs.replace(deed, user=deed.user or this_user()))
        try:
            yield recording
        except BaseException as error:
            with suppress(ActivityLogError):  # what went wrong first is told
                log.write(msgspec.structs.replace(recording.result, outcome=_code(error)), ends=number)
            raise
        log.write(msgspec.structs.replace(recording.result, outcome=recording.result.outcome or DONE), ends=number)
    finally:
        log.close()


def read_lines(path: Path) -> Iterator[Line]:
    """All lines in their order, while others may add some. Raises `ActivityLogError`."""

    def trouble(trouble: sqlite.Trouble) -> ActivityLogError:
        return _trouble(path, trouble)

    if not path.exists():
        return
    file = sqlite.open_read_only(path, trouble)
    try:
        with sqlite.failures(trouble):
            for number, at_ms, ends, body in file.execute(
                "SELECT number, at_ms, ends, body FROM lines ORDER BY number"
            ):
                yield Line(number, at_ms, ends, decoding.from_json(body, Deed))
    except msgspec.DecodeError as error:
        raise trouble(sqlite.Trouble.BROKEN) from error
    finally:
        file.close()


def this_user() -> str:
    """The user of the operating system that this process acts for."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _code(error: BaseException) -> str:
    """What went wrong, by a name that quotes nothing."""
    if isinstance(error, HMChainError):
        return error.code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else type(error).__name__


def _trouble(path: Path, trouble: sqlite.Trouble) -> ActivityLogError:
    what = f"{path} cannot be read or written: {trouble.value}"
    return ActivityLogError(what, "free space, or mend it: nothing is done that it does not hold")
