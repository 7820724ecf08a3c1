"""The agent's log: every line with its time, on the terminal and in a file; nothing said over and over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hmchain.application.node.log_rotation import rotate
from hmchain.clock import Backoff, now_ms, span, utc
from hmchain.plain import Say, printable

REMINDER_SECONDS = (60.0, 6 * 3600.0)
"""Between two reminders of what lasts, the first time and at most."""
_CHANGED_SECONDS = 5.0
"""What lasts and reads otherwise each time is told again after so long."""


@dataclass
class _Lasting:
    """One thing that lasts."""

    began: float
    text: str
    told_at: float | None = None
    """When it was told last; None while it may pass by itself."""
    remind_at: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(*REMINDER_SECONDS))


class AgentLog:
    """Tells what happens, and of what lasts its beginning, its end and reminders at growing intervals."""

    def __init__(
        self,
        file: Path,
        say: Say,
        *,
        clock_ms: Callable[[], int] = now_ms,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._say, self._clock_ms, self._seconds = file, say, clock_ms, seconds
        self._lasting: dict[str, _Lasting] = {}

    def tell(self, text: str) -> None:
        """Say a line. A disk without room for it stops nobody: it is on the terminal still."""
        line = f"{utc(self._clock_ms())} UTC  {printable(text)}"
        with suppress(OSError):
            rotate(self._file)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        self._say(line)

    def lasts(self, subject: str, text: str, patience_seconds: float = 0.0) -> None:
        """Say that something holds: once, when it reads otherwise, and ever more rarely as long as this is called.

        What is over within `patience_seconds` is not mentioned.
        """
        now = self._seconds()
        found = self._lasting.setdefault(subject, _Lasting(now, text))
        if found.told_at is None:
            if now >= found.began + patience_seconds:
                self._tell_lasting(found, text, now, "")
        elif now >= found.remind_at:
            self._tell_lasting(found, text, now, f" (for {span(now - found.began)} now)")
        elif text != found.text and now >= found.told_at + _CHANGED_SECONDS:
            found.text, found.told_at = text, now
            self.tell(text)

    def _tell_lasting(self, found: _Lasting, text: str, now: float, so_long: str) -> None:
        found.text, found.told_at, found.remind_at = text, now, now + found.pauses.pause()
        self.tell(text + so_long)

    def ended(self, subject: str, text: str = "") -> None:
        """Something is over that lasted: `text` says so, with the time that it took; without it nothing is said."""
        found = self._lasting.pop(subject, None)
        if found is not None and found.told_at is not None and text:
            self.tell(f"{text} after {span(self._seconds() - found.began)}")

    def subjects(self) -> frozenset[str]:
        """All that lasts."""
        return frozenset(self._lasting)
