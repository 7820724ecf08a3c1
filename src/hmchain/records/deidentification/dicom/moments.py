"""Dates moved by whole days, in the forms of DICOM (PS3.5 6.2)."""

from __future__ import annotations

import re
from datetime import date, timedelta

from hmchain.records.deidentification.safe_harbor import YEARS_AHEAD_MAX, birth_year_min

_MOMENT = re.compile(
    r"(\d{4})(\d\d)(\d\d)((?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?(?:[+-][01]\d[0-5]\d)?)"
)


def shifted(value: str, by: timedelta, as_of: date) -> str | None:
    """A DA or DT value moved by `by`, its time of day as it was; None if it is no date, or one that has no day.

    None too if by `as_of` it tells an age over 89, or is of a year that no record of a patient is of.
    """
    match = _MOMENT.fullmatch(value.strip(" \0"))
    if match is None or not birth_year_min(as_of) < int(match[1]) <= as_of.year + YEARS_AHEAD_MAX:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])) + by
    except (ValueError, OverflowError):
        return None
    return f"{day:%Y%m%d}{match[4]}" if day.year >= 1000 else None
