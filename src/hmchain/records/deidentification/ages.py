"""Ages and other times in any unit, in years: by Safe Harbor all ages over 89 are one (45 CFR 164.514(b)(2)(i)(C)).

No time of 90 years is measured of a patient but an age, so times are capped wherever they stand, and whatever they are
said to be. A month counts as a twelfth of a year, a week as a 52nd, a day as a 365th: sooner rather than later.
"""

from __future__ import annotations

import re
from decimal import Decimal

AGE_TOP = 90
"""All who are as old as this, or older, count as this old."""

_A_YEAR = {"a": 1, "mo": 12, "wk": 52, "d": 365, "h": 365 * 24, "min": 365 * 24 * 60, "s": 365 * 24 * 3600}
"""How many of a UCUM unit are a year."""
_PREFIXED_SECONDS = {"ks": 10**3, "Ms": 10**6, "Gs": 10**9, "das": 10, "hs": 100}
_WORDS = {
    "a": "a a_j a_t a_g y yr yrs yr(s) year years year(s) yo y/o y.o année années jahr jahre año años",
    "mo": "mo mo_j mo_s mos mon month months month(s) mth mths monat monate mois mes meses m",
    "wk": "wk wks w week weeks week(s) woche wochen semaine semaines",
    "d": "d day days day(s) tag tage jour jours dia dias",
    "h": "h hr hrs hour hours hour(s) stunde stunden",
    "min": "min mins minute minutes",
    "s": "s sec secs second seconds",
}  # fmt: skip
_UNITS = {word: unit for unit, words in _WORDS.items() for word in words.split()}
_AS = re.compile(r"(\d{3})([DWMY])", re.ASCII)
_AS_UNITS = {"D": "d", "W": "wk", "M": "mo", "Y": "a"}


def in_a_year(unit: str) -> float | None:
    """The number of a unit of time in a year: of UCUM, of HL7 or in words; None if it is no unit of time."""
    text = unit.strip()
    if text in _A_YEAR:
        return _A_YEAR[text]
    if text in _PREFIXED_SECONDS:
        return _A_YEAR["s"] / _PREFIXED_SECONDS[text]
    word = _UNITS.get(text.casefold().rstrip("."))
    return _A_YEAR[word] if word else None


def years(value: float | Decimal, unit: str) -> float | None:
    """A time in years; None if `unit` is none of time."""
    number = in_a_year(unit)
    return None if number is None else float(value) / number


def capped(value: int | Decimal, unit: str) -> int | Decimal:
    """A time in its unit, what is more than 90 years as 90 years; unchanged if `unit` is none of time."""
    number = in_a_year(unit)
    if number is None or value <= (top := AGE_TOP * number):
        return value
    return int(top)


def as_years(age: str) -> float | None:
    """A DICOM AS value (`093Y`, `006W`) in years; None if it is none."""
    found = _AS.fullmatch(age)
    return years(int(found[1]), _AS_UNITS[found[2]]) if found else None


def capped_as(age: str) -> str:
    """A DICOM AS value, with 90 years and over as `090Y`."""
    old = as_years(age)
    return f"{AGE_TOP:03}Y" if old is not None and old > AGE_TOP else age
