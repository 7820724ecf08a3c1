"""The one clock. Engines and those who talk to people read it; the state machine knows no time but its blocks'."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def utc(time_ms: int) -> str:
    """A time, UTC. One that no calendar holds stays the number that it is."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
