"""The one clock. Engines and those who talk to people read it; the state machine knows no time but its blocks'."""

from __future__ import annotations

import time
from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def utc(time_ms: int) -> str:
    """A time, UTC. One that no calendar holds stays the number that it is."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"


def span(seconds: float) -> str:
    """A length of time as people say it: 3.2 s, 35 s, 2 min 05 s, 3 h 07 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Backoff:
    """Pauses between attempts: doubled from the first to the last, and the first again after a success."""

    def __init__(self, first_seconds: float, last_seconds: float) -> None:
        self._first, self._last = first_seconds, last_seconds
        self._next = first_seconds

    def pause(self) -> float:
        """How long to wait before the next attempt, in seconds."""
        now, self._next = self._next, min(2 * self._next, self._last)
        return now

    def succeeded(self) -> None:
        """Begin with the first pause again."""
        self._next = self._first
