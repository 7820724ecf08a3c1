"""Tables that came as OMOP written back as OMOP: a Parquet file each, with the model's names and types, and a manifest.

The ids of the model are integers, and pseudonyms are none: each becomes its first 63 bits, the same everywhere.
Where the profile left years of dates, the first of July stands for a year, as the model wants dates.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hmchain.application.data.exports.job import ExportForm, ExportJob, Written, only
from hmchain.records.catalogue import RecordEntry

if TYPE_CHECKING:
    import polars as pl

MANIFEST = "manifest.json"
MEDIA_TYPE = "application/vnd.apache.parquet"
ROWS_AT_ONCE = 2_000_000
"""In a file, and in memory while it is made; what is more goes into further files."""

_WANTED: Mapping[str, tuple[str, ...]] = {
    "person": ("gender_concept_id", "race_concept_id", "ethnicity_concept_id"),
    "visit_occurrence": ("visit_type_concept_id",),
    "condition_occurrence": ("condition_type_concept_id",),
    "measurement": ("measurement_type_concept_id",),
    "drug_exposure": ("drug_type_concept_id",),
    "procedure_occurrence": ("procedure_type_concept_id",),
}
"""Concepts that the model wants in every row: 0 says that there is none."""
_YEARS = "Of dates the year is known: the first of July stands for each."
_LEFT = "Tables that are made of others (observation_period, eras) are not among them."


def write(job: ExportJob) -> Written:
    """Write `person.parquet`, `measurement.parquet` and so on, then the manifest."""
    for left in job.folder.glob("*.parquet"):  # of an earlier run: records may have been erased since
        left.unlink()
    tables: defaultdict[str, list[RecordEntry]] = defaultdict(list)
    for entry in job.entries:
        tables[entry.attributes["table"]].append(entry)
    told, done, years = [], 0, False
    for name, entries in sorted(tables.items()):
        files, rows = [], 0
        for number, frame in enumerate(_parts(job, entries, done), 1):
            files.append(f"{name}.parquet" if number == 1 else f"{name}-{number}.parquet")
            whole, of_years = _as_modelled(name, frame)
            years, rows = years or of_years, rows + whole.height
            job.write(files[-1], [_parquet(whole)])
        told.append({"table": name, "files": files, "rows": rows, "persons": len({each.subject for each in entries})})
        done += len(entries)
    notes = (*([_YEARS] if years else []), _LEFT)
    about = {"dataset": job.version.dataset, "version": job.version.number, "model": "OMOP CDM 5.4"}
    manifest = msgspec.json.encode({**about, "tables": told, "notes": notes})
    job.write(MANIFEST, [msgspec.json.format(manifest, indent=2) + b"\n"])
    return Written(MANIFEST, notes)


def _refuses(entries: Sequence[RecordEntry]) -> str:
    """Say why records are no OMOP."""
    from hmchain.records.sources.tables import load_schema  # polars takes a quarter of a second

    if reason := only(MEDIA_TYPE, "tables of the schema omop")(entries):
        return reason
    found = {entry.attributes.get("table", "") for entry in entries}
    if "" in found:
        return "of what tables the records are is not known: extract them again into a new version"
    others = sorted(found - set(load_schema("omop").tables))
    return f"OMOP has no table {others[0]}" if others else ""


FORM = ExportForm(write, _refuses)


def _parts(job: ExportJob, entries: Iterable[RecordEntry], done: int) -> Iterator[pl.DataFrame]:
    """The rows of a table, so many at once that they fit into memory."""
    import polars as pl

    frames: list[pl.DataFrame] = []
    for number, entry in enumerate(entries, done + 1):
        frames.append(pl.read_parquet(io.BytesIO(job.content(entry))))
        job.tell(number)
        if sum(frame.height for frame in frames) >= ROWS_AT_ONCE:
            yield pl.concat(frames)
            frames = []
    if frames:
        yield pl.concat(frames)


def _as_modelled(name: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """The rows in the model's types; and whether years stood for dates."""
    import polars as pl

    from hmchain.records.sources.tables import load_schema

    table = load_schema("omop").tables[name]
    ids = [each for each in (*table.of_role("subject"), *table.of_role("identifier")) if each in frame.columns]
    years = [each for each in table.of_role("date") if each in frame.columns and frame[each].dtype.is_integer()]
    if name == "person":  # numbers that turned out to mean one person
        frame = frame.group_by("person_id", maintain_order=True).agg(pl.all().drop_nulls().first())
    whole = frame.with_columns(
        *(_numbered(frame[each]) for each in ids), *(pl.date(pl.col(each), 7, 1).alias(each) for each in years)
    )
    wanted = [
        pl.col(each).fill_null(0) if each in whole.columns else pl.lit(0, pl.Int64).alias(each)
        for each in _WANTED.get(name, ())
    ]
    return whole.with_columns(wanted), bool(years)


def _numbered(pseudonyms: pl.Series) -> pl.Series:
    import polars as pl

    numbers: dict[Any, int | None] = {
        each: None if each is None else int(each[:16], 16) >> 1 for each in pseudonyms.unique()
    }
    return pl.Series(pseudonyms.name, [numbers[each] for each in pseudonyms], pl.Int64)


def _parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd")
    return file.getvalue()
