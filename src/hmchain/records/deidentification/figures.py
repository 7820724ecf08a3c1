"""Numbers and days as people write them: without prefixes and zeros, cut off, reordered, glued."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import lru_cache

DIGITS_MIN = 6
"""A number of at least so many digits that is met by itself is no coincidence."""
SHORT_DIGITS_MIN = 4
"""What is shorter still tells nobody from others."""
PART_DIGITS_MIN = 7
"""So many digits of a longer number, its first or its last ones, are as good as the number."""
PARTS_OF_DIGITS_MAX = 40

_DIGITS = re.compile(r"\d+", re.ASCII)
_MONTHS = (
    "jan ene gen", "feb fev", "mar mrz mae", "apr avr abr", "may mai mag maj", "jun jui giu", "jul jui lug",
    "aug aou ago", "sep set", "oct okt out ott", "nov", "dec dez dic",
)  # fmt: skip
"""First letters of the months in European languages."""


@lru_cache(maxsize=4096)
def number_forms(value: str) -> frozenset[str]:
    """The digits that tell an identifier or a telephone number: its runs, neighbours together, and long parts of it."""
    runs = _DIGITS.findall(value)
    digits = "".join(runs)
    found = set(runs) | {digits}
    for start in range(len(runs)):
        for end in range(start + 2, len(runs) + 1):
            together = "".join(runs[start:end])
            if len(together) >= DIGITS_MIN:
                found.add(together)
    found |= {run.lstrip("0") for run in found}
    if PART_DIGITS_MIN < len(digits) <= PARTS_OF_DIGITS_MAX:
        parts = {digits[start:] for start in range(len(digits) - PART_DIGITS_MIN + 1)}
        parts |= {digits[:end] for end in range(PART_DIGITS_MIN, len(digits))}
        without = {part.lstrip("0") for part in parts}
        found |= parts | {part for part in without if len(part) >= PART_DIGITS_MIN}  # 0171192 tells, 171-192 nobody
    found |= set(_days_within(digits))
    return frozenset(run for run in found if len(run) >= SHORT_DIGITS_MIN and len(set(run)) > 1)


@lru_cache(maxsize=4096)
def day_forms(value: str, digits_min: int = DIGITS_MIN) -> tuple[frozenset[str], frozenset[str]]:
    """A day (`19670318`, `1967-03-18`) in digits in any order, and with its month's name; nothing if it is none."""
    digits = "".join(_DIGITS.findall(value))[:8]
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return frozenset(), frozenset()
    years, months, days = (digits[:4], digits[2:4]), {digits[4:6], str(day.month)}, {digits[6:], str(day.day)}
    numeric = {
        "".join(parts)
        for year in years
        for month in months
        for number in days
        for parts in ((year, month, number), (number, month, year), (month, number, year), (year, number, month))
    }
    named = {
        "".join(parts)
        for year in years
        for month in _MONTHS[day.month - 1].split()
        for number in days
        for parts in ((number, month, year), (month, number, year), (year, month, number))
    }
    return frozenset(form for form in numeric if len(form) >= digits_min), frozenset(named)


def day_separated(value: str) -> frozenset[str]:
    """A day with its year, month and day apart, as they may stand among bytes."""
    digits = "".join(_DIGITS.findall(value))[:8]
    year, month, day = digits[:4], digits[4:6], digits[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year)) if len(digits) == 8 else ()
    return frozenset(mark.join(parts) for parts in orders for mark in "-./")


def _days_within(digits: str) -> Iterator[str]:
    """The day of birth with which many countries' personal numbers begin, or that they hold."""
    if len(digits) in (10, 11) and (_is_day(digits[:6], "dmy") or _is_day(digits[:6], "ymd")):  # DK, FI, NO, SE, PL
        yield digits[:6]
    if len(digits) == 13 and _is_day(digits[1:7], "ymd"):  # RO
        yield digits[1:7]
    if len(digits) in (12, 18):  # SE with its century, CN
        start = 0 if len(digits) == 12 else 6
        if _is_day(digits[start + 2 : start + 8], "ymd"):
            yield digits[start : start + 8]


def _is_day(digits: str, order: str) -> bool:
    parts = dict(zip(order, (digits[:2], digits[2:4], digits[4:6]), strict=True))
    with suppress(ValueError):
        return bool(date(2000 + int(parts["y"]), int(parts["m"]), int(parts["d"])))
    return False
