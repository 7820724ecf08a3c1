"""De-identifies tables by the roles of their columns, then by k-anonymity and l-diversity.

One `Clean` comes of each patient in a table: the patient's rows as Parquet, so that erasing a patient erases whole
records. A table is read several times in a stream; memory grows with its patients (about 200 bytes each), not its rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from hmchain.records.deidentification.ages import AGE_TOP, in_a_year
from hmchain.records.deidentification.outcome import (
    GENERALISED,
    KEPT,
    READ,
    REMOVED,
    REPLACED,
    SHIFTED,
    Action,
    Clean,
    Finding,
    Held,
    Outcome,
    PassedOver,
)
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.safe_harbor import RESTRICTED_ZIP3, birth_year_min
from hmchain.records.deidentification.tables.anonymity import Anonymity, AnonymityError, Demand, suppress
from hmchain.records.sources.csv_form import CsvForm
from hmchain.records.sources.item import Item
from hmchain.records.sources.tables import ROW, Column, Table, TableProblem, TableSchema, open_table, typed

MEDIA_TYPE = "application/vnd.apache.parquet"
MEMORY_BYTES_MAX = 1 << 30
"""A table that is not a file of its own may have so many bytes."""
ROWS_AT_ONCE = 500_000
"""In memory while records are written; more only if one patient has more."""

# Damage within a Parquet file can bring polars to panic, which is none of its errors and no `Exception`.
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError)
_PERSON, _DAYS, _PART = "\x00person", "\x00days", "\x00part"


class TableDeidentifier:
    """De-identifies the tables of one schema."""

    def __init__(
        self, profile: Profile, pseudonyms: Pseudonyms, schema: TableSchema, as_of: date | None = None
    ) -> None:
        """`as_of` is the day at which ages are counted: today, if it is not given."""
        self._pseudonyms, self._schema = pseudonyms, schema
        self._as_of = as_of or date.today()
        self._shifts = profile.dates == "shift"
        rules = profile.table
        self._demand = Demand(rules.k_min, rules.l_min, rules.suppress_max)

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """None: what a column may hold is declared."""
        return ()

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """A `Clean` a patient; or one `Held` for a table that is not as declared, or not anonymous enough."""
        table = self._schema.table(item.name)
        if table is None:
            yield Held("schema", "the schema declares no table of this name", releasable=False)
            return
        rows, read = 0, ""
        try:
            content = _content(item)
            if content is None:
                yield Held("too_large", f"it is larger than {MEMORY_BYTES_MAX >> 20} MiB", releasable=False)
                return
            opened = open_table(content, self._schema, table)
            read = f" (read with {opened.form.words})" if opened.form else ""
            rows = int(opened.frame.select(pl.len()).collect(engine="streaming").item())
            frame = typed(opened.frame, table, opened.decimal)
            form, undeclared = opened.form, len(opened.frame.collect_schema()) - len(table.columns)
            written = (Action(f"(CSV: {form.words})", READ),) if form and form != CsvForm() else ()
            for outcome in self._records(item, table, frame, undeclared, rows):
                yield replace(outcome, actions=outcome.actions + written) if isinstance(outcome, Clean) else outcome
                written = ()
        except TableProblem as problem:
            yield Held("schema", f"{problem}{read}", releasable=False, parts=rows, of=rows)
        except AnonymityError as error:
            yield Held("anonymity", f"{error.what}: {error.hint}{read}", releasable=False, parts=rows, of=rows)
        except _UNREADABLE:  # their text may quote what is in the table
            what = "it is neither Parquet nor CSV that can be read: state separator and encoding in the schema"
            yield Held("damaged", what, releasable=False)

    def _records(self, item: Item, table: Table, frame: pl.LazyFrame, undeclared: int, total: int) -> Iterator[Outcome]:
        people = self._people(frame, table)
        if people.is_empty():
            yield Held("no_record", "it has no rows", releasable=False, parts=0, of=0)
            return
        known = frame.join(people.lazy(), on=table.subject, how="left", nulls_equal=True)
        changed = known.with_columns(self._changed(table))
        quasi, sensitive = table.of_role("quasi"), table.of_role("sensitive")
        weak, anonymity = pl.DataFrame(), None
        if quasi or sensitive:
            weak, anonymity = suppress(changed, _PERSON, quasi, sensitive, self._demand)
        notes = _notes(undeclared, anonymity)  # of the table as a whole: reported with its first record
        for part in range(int(people[_PART].max()) + 1):  # type: ignore[arg-type]
            rows = changed.filter(pl.col(_PART) == part).collect(engine="streaming").sort(_PERSON, ROW)
            if not weak.is_empty():
                rows = rows.join(weak, on=quasi, how="anti", nulls_equal=True, maintain_order="left")
            for clean in self._parted(item, table, self._linked(rows, table), anonymity):
                yield replace(clean, actions=clean.actions + notes, of=total)
                notes = ()
        if anonymity and anonymity.suppressed:
            yield PassedOver("rows of too small groups", anonymity.suppressed, total)

    def _people(self, frame: pl.LazyFrame, table: Table) -> pl.DataFrame:
        """A row a patient: the value in the table, the pseudonym, days of shift, and the part of the work."""
        counted = frame.group_by(table.subject).agg(pl.len().alias(ROW)).collect(engine="streaming")
        pseudonyms = [self._pseudonyms.subject(str(value)) for value in counted[table.subject]]
        days = [self._pseudonyms.shift(name).days if self._shifts else 0 for name in pseudonyms]
        named = counted.with_columns(pl.Series(_PERSON, pseudonyms), pl.Series(_DAYS, days, pl.Int64)).sort(_PERSON)
        return named.with_columns((pl.col(ROW).cum_sum() // ROWS_AT_ONCE).alias(_PART)).drop(ROW)

    def _changed(self, table: Table) -> list[pl.Expr]:
        """Dates and quasi-identifiers as they may be."""
        return [
            self._date(self._alive_in(pl.col(name), column)).alias(name)
            if column.role == "date"
            else self._generalised(name, column)
            for name, column in table.columns.items()
            if column.role in ("date", "quasi")
        ]

    def _alive_in(self, day: pl.Expr, column: Column) -> pl.Expr:
        """Dates, those that tell an age over 89 as one day, the same for all."""
        oldest = birth_year_min(self._as_of)
        one = pl.lit(date(oldest, 7, 1)).cast(pl.Date if column.type == "date" else pl.Datetime("us"))
        return pl.when(day.dt.year() <= oldest).then(one).otherwise(day)

    def _shifted(self, day: pl.Expr) -> pl.Expr:
        return day + pl.duration(days=pl.col(_DAYS)) if self._shifts else day

    def _date(self, day: pl.Expr) -> pl.Expr:
        return self._shifted(day) if self._shifts else day.dt.year()

    def _generalised(self, name: str, column: Column) -> pl.Expr:
        value = pl.col(name)
        if column.generalise == "zip3":
            value = zip3(value)
        elif column.generalise == "year":
            value = self._shifted(self._alive_in(value, column)).dt.year()
        elif column.generalise == "birth_year":
            value = self._birth_year(value, column)
        elif column.generalise == "age":
            top = int(AGE_TOP * (in_a_year(column.unit) or 1))
            value = value.clip(column.bottom, top).floordiv(column.width) * column.width
        elif column.generalise == "band":
            value = value.clip(column.bottom, column.top).floordiv(column.width) * column.width
        return value.alias(name)

    def _birth_year(self, value: pl.Expr, column: Column) -> pl.Expr:
        """The first year of a band; who may be 90 or older shares a year with all who are."""
        year = value if column.type == "integer" else value.dt.year()
        oldest = birth_year_min(self._as_of)
        moved = self._shifted(pl.date(year.clip(oldest, None), 7, 1)).dt.year().cast(pl.Int64)
        banded = moved.floordiv(column.width) * column.width
        return banded if self._shifts else banded.clip(oldest, None)

    def _linked(self, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
        """Rows with pseudonyms for the identifiers that are kept."""
        for name in table.of_role("identifier"):
            domain = table.columns[name].domain
            if domain:
                values = rows[name].unique().drop_nulls()
                codes = [self._pseudonyms.identifier(f"table {domain}", str(value)) for value in values]
                rows = rows.with_columns(
                    pl.col(name).replace_strict(values, pl.Series(codes, dtype=pl.String), default=None)
                )
        return rows

    def _parted(self, item: Item, table: Table, rows: pl.DataFrame, anonymity: Anonymity | None) -> Iterator[Clean]:
        """A record a patient."""
        dropped = {name for name in table.of_role("identifier") if not table.columns[name].domain}
        columns = [name for name, column in table.columns.items() if column.role != "drop" and name not in dropped]
        done = {name: self._done(column) for name, column in table.columns.items()}
        fulfilled = {"k": str(anonymity.k)} if anonymity else {}
        if anonymity and anonymity.l is not None:
            fulfilled["l"] = str(anonymity.l)
        for (person,), own in rows.group_by(_PERSON, maintain_order=True):
            kept = own.with_columns(pl.col(_PERSON).alias(table.subject)).select(columns)
            yield Clean(
                record=self._pseudonyms.identifier("table record", f"{item.name}|{person}"),
                subject=str(person),
                media_type=MEDIA_TYPE,
                pieces=partial(_parquet, kept),
                attributes={"rows": str(kept.height), "table": self._schema.name_of(item.name)} | fulfilled,
                actions=tuple(Action(name, what, kept.height) for name, what in done.items()),
                parts=kept.height,
            )

    def _done(self, column: Column) -> str:
        if column.role == "date":
            return SHIFTED if self._shifts else GENERALISED
        if column.role == "identifier":
            return REPLACED if column.domain else REMOVED
        if column.role == "quasi":
            return GENERALISED if column.generalise else KEPT
        if column.round:
            return GENERALISED
        return {"subject": REPLACED, "drop": REMOVED}.get(column.role, KEPT)


def _content(item: Item) -> Path | bytes | None:
    """The file that an item is, so that it can be read in a stream; else its bytes, None if they are too many."""
    with item.open() as file:
        name = getattr(file, "name", None)
        if isinstance(name, str | Path) and Path(name).is_file():
            return Path(name)
        data = file.read(MEMORY_BYTES_MAX + 1)
    return data if len(data) <= MEMORY_BYTES_MAX else None


def _parquet(rows: pl.DataFrame) -> tuple[bytes]:
    """The rows as a Parquet file; nothing of the table's own metadata is in it."""
    file = io.BytesIO()
    rows.write_parquet(file, compression="zstd", statistics=False)
    return (file.getvalue(),)


def _notes(undeclared: int, anonymity: Anonymity | None) -> tuple[Action, ...]:
    notes = [Action("(undeclared columns)", REMOVED, undeclared)] if undeclared else []
    if anonymity and anonymity.suppressed:
        notes.append(Action("(rows of too small groups)", REMOVED, anonymity.suppressed))
    return tuple(notes)


def zip3(value: pl.Expr) -> pl.Expr:
    """As `safe_harbor.zip3`."""
    short = pl.when(value.str.contains(r"^\d{5}(-?\d{4})?$")).then(value.str.slice(0, 3))
    return pl.when(short.is_in(sorted(RESTRICTED_ZIP3))).then(pl.lit("000")).otherwise(short)
