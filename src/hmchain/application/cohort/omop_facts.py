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
_WANTED = (
    "gender_concept_id",
    "year_of_birth",
    "value_as_number",
    "unit_concept_id",
    *(name for event in _EVENTS for name in (event.concept, event.day)),
)


def omop_facts(data: bytes) -> Iterator[About | Fact]:
    """What a patient's rows of a table say, from their Parquet file."""
    import polars as pl  # a quarter of a second

    frame = pl.read_parquet(io.BytesIO(data))
    for row in frame.select(name for name in _WANTED if name in frame.columns).iter_rows(named=True):
        yield from _said(row)


def _said(row: Mapping[str, Any]) -> Iterator[About | Fact]:
    if "gender_concept_id" in row or "year_of_birth" in row:
        yield About(_SEXES.get(row.get("gender_concept_id", 0), ""), row.get("year_of_birth"))
    for kind, concept, day in _EVENTS:
        if row.get(concept) is not None:
            measured = row.get("value_as_number") if kind is Kind.MEASUREMENT else None
            unit = row.get("unit_concept_id") if kind is Kind.MEASUREMENT else None
            yield Fact(
                kind,
                (Code("OMOP", str(row[concept])),),
                _days(row.get(day)),
                value=None if measured is None else Decimal(str(measured)),
                unit=str(unit or ""),
            )


def _days(day: Any) -> Days | None:
    """A day, or all of a year where the profile left no more."""
    if isinstance(day, int):
        return day * 10_000 + 101, day * 10_000 + 1231
    if isinstance(day, date | datetime):
        number = day.year * 10_000 + day.month * 100 + day.day
        return number, number
    return None
