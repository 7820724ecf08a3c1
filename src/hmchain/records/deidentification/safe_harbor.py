"""Limits to dates, ages and postal codes, by HIPAA Safe Harbor (45 CFR 164.514(b)(2)(i)(B) and (C)).

Years may stay, but none that tells an age over 89; of a ZIP code the first three digits may, unless fewer than 20 000
people live there. A profile may shift dates by days instead, which is more than Safe Harbor knows: a limited data set
or an expert's determination has to allow it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from hmchain.records.deidentification.ages import AGE_TOP

# Fewer than 20 000 people in the census of 2000 (HHS, guidance on de-identification, 26 November 2012).
RESTRICTED_ZIP3 = frozenset({
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890",
    "893",
})  # fmt: skip

YEARS_BACK_MAX, YEARS_AHEAD_MAX = 150, 50

_ZIP = re.compile(r"(\d{3})\d{2}(?:-?\d{4})?")
_ISO = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)
_HL7 = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(\d\d(?:\d\d(?:\d\d(?:\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?", re.ASCII)


def zip3(code: str, country: str = "") -> str | None:
    """The first three digits of a ZIP code, 000 where too few people live, None if it is none of the United States."""
    found = _ZIP.fullmatch(code.strip())
    if found is None or country.strip().upper() not in ("", "US", "USA"):
        return None
    return "000" if found[1] in RESTRICTED_ZIP3 else found[1]


def birth_year_min(as_of: date) -> int:
    """The year that stands for all years up to itself: who was alive in it may be 90 or older."""
    return as_of.year - AGE_TOP


def is_year(year: int, as_of: date) -> bool:
    """Tell whether a patient's record may speak of a year; another number in its place may be anything."""
    return as_of.year - YEARS_BACK_MAX <= year <= as_of.year + YEARS_AHEAD_MAX


@dataclass(frozen=True)
class Dates:
    """The rules for the dates of one patient.

    Of a date that tells an age over 89, be it of birth or of anything since, one year is left, the same for all.
    """

    shift: timedelta | None
    """By how much they are moved; None if years alone stay."""
    as_of: date
    """The day at which ages are counted."""

    def iso(self, text: str) -> str | None:
        """A FHIR date or dateTime at the precision it has, if shifted; else its year. None if it is no date."""
        found = _ISO.fullmatch(text)
        if found is None or not is_year(int(found[1]), self.as_of):
            return None
        year, month, day, time = self._told(*found.groups())
        if self.shift is None:
            return str(year)
        moved = self._moved(int(year), month, day)
        return "-".join(moved) + (time or "") if moved else None

    def hl7(self, text: str) -> str | None:
        """As `iso`, for an HL7 v2 DT, TS or DTM."""
        found = _HL7.fullmatch(text)
        if found is None or not is_year(int(found[1]), self.as_of):
            return None
        year, month, day, time = self._told(*found.groups()[:4])
        zone = found[5]
        if self.shift is None:
            return str(year)
        moved = self._moved(int(year), month, day)
        return "".join(moved) + (time or "") + ((zone or "") if time else "") if moved else None

    def _told(
        self, year: str, month: str | None, day: str | None, time: str | None
    ) -> tuple[str, str | None, str | None, str | None]:
        """The parts of a date that may be told: of an old one, a year that is not its own."""
        oldest = birth_year_min(self.as_of)
        return (year, month, day, time) if int(year) > oldest else (str(oldest), None, None, None)

    def _moved(self, year: int, month: str | None, day: str | None) -> list[str] | None:
        """Year, month and day after the shift, as many as were given; None if there is no such day."""
        assert self.shift is not None
        try:  # what is known to the month or year moves as the middle of it does
            moved = date(year, int(month or 7), int(day or (15 if month else 1))) + self.shift
        except (ValueError, OverflowError):
            return None
        parts = [f"{moved.year:04}", f"{moved.month:02}", f"{moved.day:02}"]
        return parts[: 1 + (month is not None) + (day is not None)]
