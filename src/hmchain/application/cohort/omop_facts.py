"""What rows of OMOP tables say of a person, told by their columns: whatever table has them is read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from hmchain.application.cohort.persons import About, Days, Fact
from hmchain.ledger.contracts.data.queries import Code, Kind, Sex

_SEXES = {8507: Sex.MALE, 8532: Sex.FEMALE, 8521: Sex.OTHER}
"""Gender concepts of OMOP; others are of no sex that a query names."""


class _Event(NamedTuple):
    kind: Kind
    concept: str
    day: str


_EVENTS = (
    _Event(Kind.CONDITION, "condition_concept_id", "condition_start_date"),
    _Event(Kind.PROCEDURE, "procedure_concept_id", "procedure_date"),
    _Event(Kind.DRUG, "drug_concept_id", "drug_exposure_start_date"),
    _Event(Kind.MEASUREMENT, "measurement_concept_id", "measurement_date"),
)
_WHOLE_MAX = 10**10
_WANTED = (
    "gender_concept_id",
    "year_of_birth",
    "value_as_number",
    "unit_concept_id",
    *(name for event in _EVENTS for name in (event.concept, event.day)),
)


def omop_facts(data: bytes) -> Iterator[About | Fact]:
    """What a patient's rows of a table say, from their Parquet file; nothing if it cannot be read."""
    import polars as pl  # a quarter of a second

    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # a panic is no Exception: it ended the agent
        return
    for row in frame.select(name for name in _WANTED if name in frame.columns).iter_rows(named=True):
        yield from _said(row)


def _said(row: Mapping[str, Any]) -> Iterator[About | Fact]:
    if "gender_concept_id" in row or "year_of_birth" in row:
        yield About(_SEXES.get(_whole(row.get("gender_concept_id")) or 0, ""), _whole(row.get("year_of_birth")))
    for kind, concept, day in _EVENTS:
        if (code := _whole(row.get(concept))) is not None:
            is_measured = kind is Kind.MEASUREMENT
            unit = _whole(row.get("unit_concept_id")) if is_measured else None
            yield Fact(
                kind,
                (Code("OMOP", str(code)),),
                _days(row.get(day)),
                value=_number(row.get("value_as_number")) if is_measured else None,
                unit=str(unit or ""),
            )


def _number(value: Any) -> Decimal | None:
    """A number, whatever the type of its column; None where it is missing, which is NaN in some tables, or is none."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _whole(value: Any) -> int | None:
    """The same of a concept's number or a year: in a column with gaps they may be 201826.0."""
    number = _number(value)
    return int(number) if number is not None and abs(number) <= _WHOLE_MAX and number == int(number) else None


def _days(day: Any) -> Days | None:
    """A day, or all of a year where the profile left no more."""
    if isinstance(day, date | datetime):
        number = day.year * 10_000 + day.month * 100 + day.day
        return number, number
    year = _whole(day)
    return None if year is None else (year * 10_000 + 101, year * 10_000 + 1231)
