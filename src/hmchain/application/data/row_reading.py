"""Values of one patient, out of the de-identified records as they lie in the vault: Parquet of tables, FHIR's JSON."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hmchain.application.data.row_form import Field, RowForm, as_number

Values = Mapping[Field, Any]
"""Of one row, by where they come from."""
_DATES = ("effectiveDateTime", "issued", "onsetDateTime", "recordedDate", "performedDateTime", "authoredOn")


def rows_of_table(form: RowForm, data: bytes) -> Iterator[Values]:
    """The rows of a patient's Parquet file; none if it lacks a column that the form names."""
    import polars as pl  # takes a quarter of a second

    frame = pl.read_parquet(io.BytesIO(data))
    if not {field.column for field in form.fields} <= set(frame.columns):
        return
    for row in frame.iter_rows(named=True):
        yield {field: row[field.column] for field in form.fields}


def row_of_resources(form: RowForm, resources: Iterable[bytes]) -> Values:
    """The one row that a patient's FHIR resources give."""
    found = sorted((msgspec.json.decode(data) for data in resources), key=_when)
    return {field: _taken(field, found) for field in form.fields}


def _when(resource: Mapping[str, Any]) -> tuple[str, str]:
    """By date, then by id, so that the same resources give the same row."""
    return next((str(resource[name]) for name in _DATES if name in resource), ""), str(resource.get("id", ""))


def _taken(field: Field, resources: Sequence[Mapping[str, Any]]) -> Any:
    mine = [each for each in resources if each.get("resourceType") == field.resource and _has_code(each, field.code)]
    if field.take == "count":
        return len(mine)
    values = [value for each in mine for value in _at(each, field.path.split("."))]
    if not values:
        return None
    if field.take == "mean":
        counted = [as_number(value) or 0.0 for value in values if isinstance(value, int | float)]
        return sum(counted) / len(counted) if counted else None
    return values[-1] if field.take == "last" else values[0]


def _has_code(resource: Mapping[str, Any], code: str) -> bool:
    return not code or code in _at(resource, ["code", "coding", "code"])


def _at(value: Any, path: Sequence[str]) -> list[Any]:
    """All that lies at a path, through lists."""
    if isinstance(value, list):
        return [found for each in value for found in _at(each, path)]
    if not path:
        return [] if value is None or isinstance(value, dict) else [value]
    return _at(value.get(path[0]), path[1:]) if isinstance(value, dict) else []
