"""Numbers and times as the language of whoever reads writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

from babel import dates, numbers

from hmchain.interfaces.portal.texts.languages import ENGLISH, language

_KEPT = 4096


def amount(value: float) -> str:
    """A number: 12,000 or 12.000."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", _between_thousands(language()))
    return str(numbers.format_decimal(value, locale=language()))


@cache
def _between_thousands(code: str) -> str:
    return str(numbers.get_group_symbol(code))


def share(value: float | None, decimals: int = 1) -> str:
    """A fraction as a percentage: 4.7%, 4,7 %."""
    if value is None:
        return "–"
    return _share(value, decimals, language())


@lru_cache(_KEPT)
def _share(value: float, decimals: int, code: str) -> str:
    pattern = f"#,##0.{'0' * decimals}%" if decimals else "#,##0%"
    if code != ENGLISH:
        pattern = pattern.replace("%", "\u202f%")
    return str(numbers.format_percent(value, format=pattern, locale=code, decimal_quantization=True))


def moment(time_ms: int) -> str:
    """A time of the ledger, in UTC. One that no calendar holds stays the number that it is."""
    return _moment(time_ms // 1000 * 1000, language()) or f"{time_ms} ms"


@lru_cache(_KEPT)
def _moment(time_ms: int, code: str) -> str:
    known = _at(time_ms)
    return f"{dates.format_datetime(known, 'medium', locale=code)} UTC" if known else ""


def day(time_ms: int) -> str:
    """The day of a time, in UTC."""
    known = _at(time_ms)
    return str(dates.format_date(known, "medium", locale=language())) if known else f"{time_ms} ms"


def ago(milliseconds: int) -> str:
    """How long ago something was, or when it will be for less than nothing: 3 minutes ago, in 2 days."""
    return str(dates.format_timedelta(timedelta(milliseconds=-milliseconds), add_direction=True, locale=language()))


def _at(time_ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
