"""The one clock. Engines and those who talk to people read it; the state machine knows no time but its blocks'."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
