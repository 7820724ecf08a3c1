"""Canaries in tables: identifier columns, free text, columns that nobody declared, and a file's own metadata."""

from __future__ import annotations

import io
from datetime import date, timedelta

import polars as pl

from hmchain.records.deidentification.canary.planting import Canaries, PlantedItem
from hmchain.records.sources.item import TABLE
from hmchain.records.sources.tables import Column, Table, TableSchema

PATIENTS = 40

SCHEMA = TableSchema(
    title="Canaries",
    comment="#",
    tables={
        "patients": Table(
            columns={
                "mrn": Column(type="text", role="subject"),
                "ssn": Column(type="text", role="identifier"),
                "visit": Column(type="text", role="identifier", domain="visit"),
                "born": Column(type="date", role="quasi", generalise="birth_year", width=25),
                "zip": Column(type="text", role="quasi", generalise="zip3"),
                "seen": Column(type="date", role="date"),
                "name": Column(type="text", role="drop"),
                "diagnosis": Column(type="text", role="sensitive", pattern=r"[A-Z]\d\d(\.\d)?"),
                "glucose": Column(type="number", role="value", min=0, max=100),
            }
        ),
    },
)
"""The schema that the planted tables are de-identified by."""


def plant() -> list[PlantedItem]:
    """A CSV with comments, a Parquet with metadata, and tables that must be held."""
    return [_csv(), _parquet(), _wrong_value(), _too_rare()]


def _rows(at: Canaries, diagnoses: tuple[str, ...] = ("I10", "E11.9")) -> pl.DataFrame:
    rows = [_row(at, number, diagnoses[number % len(diagnoses)]) for number in range(PATIENTS)]
    return pl.DataFrame(rows)


def _row(at: Canaries, number: int, diagnosis: str) -> dict[str, object]:
    """One patient; the first one is full of canaries."""
    row: dict[str, object] = {
        "mrn": f"MRN{number}",
        "ssn": f"{number}",
        "visit": f"V{number}",
        "born": date(1960, 1, 1) + timedelta(days=97 * number),
        "zip": f"0213{number % 10}",
        "seen": date(2024, 1, 1) + timedelta(days=number),
        "name": "",
        "diagnosis": diagnosis,
        "glucose": 4.0 + number / 10,
        "remark": "",
    }
    if number == 0:
        row |= {
            "mrn": at.number("the column of the patient's number"),
            "ssn": at.number("a column of identifiers that are dropped", 9),
            "visit": at.number("a column of identifiers that get pseudonyms"),
            "name": at.word("a column that is dropped"),
            "remark": at.text("a column that is not declared", "{} wants to be called"),
        }
    return row


def _csv() -> PlantedItem:
    at = Canaries("canary/patients.csv")
    text = _rows(at).write_csv()
    comment = at.text("a comment in a CSV", "# exported by {} for the study")
    column = at.word("the name of a column that is not declared")
    data = f"{comment}\n{text}".replace("remark", column, 1)
    return at.planted(TABLE, data.encode())


def _parquet() -> PlantedItem:
    at = Canaries("canary/patients.parquet")
    rows = _rows(at).with_columns(pl.lit(at.word("a category that no row has")).alias("category").cast(pl.Categorical))
    metadata = {
        "author": at.word("key-value metadata of a Parquet file"),
        at.word("a key of a Parquet file's metadata"): "1",
        "pandas": at.text("metadata that pandas writes", '{{"index_columns": ["{}"]}}'),
    }
    file = io.BytesIO()
    rows.write_parquet(file, metadata=metadata)
    return at.planted(TABLE, file.getvalue())


def _wrong_value() -> PlantedItem:
    at = Canaries("canary/wrong/patients.csv")
    rows = _rows(at).with_columns(diagnosis=pl.lit(at.word("a value that does not fit its column")))
    return at.planted(TABLE, rows.write_csv().encode(), held="schema")


def _too_rare() -> PlantedItem:
    at = Canaries("canary/rare/patients.csv")
    rows = _rows(at, diagnoses=("I10",))
    return at.planted(TABLE, rows.write_csv().encode(), held="anonymity")
