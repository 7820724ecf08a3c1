"""The portal's own log: one JSON value a line, whose fields are defined here and hold nothing that somebody typed.

A line tells of a request its route's template and its status, of an error its class and where it arose: never a path
as it was asked for, a query, a body, a name, a token, or an error's words, which may quote any of them.
"""

from __future__ import annotations

import threading
import traceback
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TextIO

import msgspec

from hmchain import correlation, files
from hmchain.application.node.log_rotation import LOG_BYTES_MAX, rotate
from hmchain.clock import now_ms
from hmchain.errors import HMChainError

FRAMES_MAX = 8
"""Of where an error arose: the last ones."""


class Level(Enum):
    """How much a line matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Happened(Enum):
    """Everything that the log tells of."""

    STARTED = "started"
    STOPPED = "stopped"
    REQUEST = "request"
    FAILED = "failed"
    """Something that nobody thought of."""
    LEDGER = "ledger"
    """Whether the ledger is followed changed."""
    JOB = "job"
    NOTIFIED = "notified"


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line."""

    time_ms: int
    level: Level
    event: Happened
    request: str = ""
    """The correlation id: `X-Request-Id` of the answer."""
    method: str = ""
    route: str = ""
    """Its template: `/v1/transactions/{digest}`."""
    status: int = 0
    ms: int = 0
    code: str = ""
    """Of an error of ours, of a kind of work, or how it ended."""
    error: str = ""
    """The class of an error."""
    at: tuple[str, ...] = ()
    """Where an error arose: FILE:LINE FUNCTION, the innermost last."""
    channel: str = ""
    """By which something was told: `mail` or `webhook`."""
    count: int = 0


class LineLog:
    """A log in a file of mode 0600, which is rotated, and on a stream; either may be none. Threads may share it."""

    def __init__(self, file: Path | None, stream: TextIO | None = None, bytes_max: int = LOG_BYTES_MAX) -> None:
        self._file, self._stream, self._bytes_max = file, stream, bytes_max
        self._turn = threading.Lock()
        if file is not None:
            files.make_folder(file.parent, mode=0o700)
            file.touch(mode=files.PRIVATE)

    def write(self, event: Happened, level: Level = Level.INFO, **fields: object) -> None:
        """Add a line. A disk without room for it stops nobody."""
        line = Line(time_ms=now_ms(), level=level, event=event, request=correlation.current(), **fields)  # type: ignore[arg-type]
        text = msgspec.json.encode(line).decode() + "\n"
        with self._turn, suppress(OSError, ValueError):  # a stream may be closed by now
            if self._file is not None:
                rotate(self._file, self._bytes_max)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(text)
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()

    def failed(self, error: BaseException, event: Happened = Happened.FAILED, **fields: object) -> None:
        """Add a line on an error: of ours its code, of all others the class and where they arose, never their words."""
        code = error.code if isinstance(error, HMChainError) else ""
        self.write(event, Level.ERROR, error=type(error).__name__, code=code, at=_places(error), **fields)


def _places(error: BaseException) -> tuple[str, ...]:
    found = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return tuple(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in found)


def _short(file: str) -> str:
    """The end of a source's path: the part below its package, without the folders of this machine."""
    parts = Path(file).parts
    below = next((number for number, part in enumerate(parts) if part in ("site-packages", "src")), len(parts) - 2)
    return "/".join(parts[below + 1 :])
