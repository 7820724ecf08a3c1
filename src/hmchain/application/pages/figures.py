"""Numbers as pages write them."""

from __future__ import annotations

import math
from datetime import datetime

NONE = "–"
NARROW_SPACE = "\u202f"


def score(value: float | None) -> str:
    """Write a fraction with three decimals: 0.975."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.3f}"


def decimal(value: float) -> str:
    """Write a round value, as on an axis, with the decimals that it needs: 0.95, 0.8, 12."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if value % 1 else whole(round(value))


def moment(time: str) -> str:
    """Write an ISO 8601 time for reading: 2025-01-31 12:00 UTC."""
    try:
        known = datetime.fromisoformat(time)
    except ValueError:
        return time
    zone = f" {known.tzname()}" if known.tzinfo is not None else ""
    return f"{known:%Y-%m-%d %H:%M}{zone}"


def interval(low: float | None, high: float | None) -> str:
    """Write an interval of fractions, e.g. "0.951–0.987", or nothing where there is none."""
    return "" if low is None or high is None else f"{score(low)}–{score(high)}"


def signed(value: float | None) -> str:
    """Write a difference of fractions with its sign: +0.043."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:+.3f}".replace("-", "−")


def percent(fraction: float | None, *, sign: bool = False, decimals: int = 1) -> str:
    """Write a fraction as a percentage: 4.7 %."""
    if fraction is None or not math.isfinite(fraction):
        return NONE
    text = f"{100 * fraction:{'+' if sign else ''}.{decimals}f}"
    return f"{text}{NARROW_SPACE}%".replace("-", "−")


def whole(count: int | None) -> str:
    """Write an integer in groups of three."""
    return NONE if count is None else f"{count:,}".replace(",", NARROW_SPACE)


def duration(seconds: float | None) -> str:
    """Write seconds: 0.42 s, 12.3 s, 2 min 05 s."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def plural(count: int, noun: str, plural_noun: str = "") -> str:
    """Write a count with its noun: 1 round, 12 rounds."""
    return f"{whole(count)} {noun if count == 1 else plural_noun or noun + 's'}"
