"""Numbers and days that somebody typed into a form, as a service takes them."""

from __future__ import annotations

import datetime
import math

from hmchain.errors import InputError

_DIGITS, _MOST = 9, 1e9


class FieldError(InputError):
    """A field of a form has something that cannot be used."""

    code = "bad_field"


def whole(name: str, text: str, least: int = 0, most: int = 10**9) -> int:
    """A whole number. Raises `FieldError`."""
    kept = text.strip()
    if not (kept.isascii() and kept.isdigit() and len(kept) <= _DIGITS and least <= int(kept) <= most):
        raise FieldError(f"{name} is no whole number that can be used", f"give digits alone, {least} to {most}")
    return int(kept)


def number(name: str, text: str) -> float:
    """A number. Raises `FieldError`."""
    try:
        found = float(text)
    except ValueError as error:
        raise FieldError(f"{name} is no number", "as 4.0") from error
    if not math.isfinite(found) or abs(found) > _MOST:
        raise FieldError(f"{name} is out of range", "give a number that somebody can mean")
    return found


def day(name: str, text: str) -> datetime.date:
    """A day. Raises `FieldError`."""
    try:
        return datetime.date.fromisoformat(text.strip())
    except ValueError as error:
        raise FieldError(f"{name} is no day", "as 2028-06-30") from error
