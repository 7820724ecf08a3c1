"""Tables in CSV or Parquet, by a declared schema: which columns there are, what may be in them, and what they mean.

A schema is TOML; `omop` (OMOP CDM 5.4) ships with the package. Columns that it does not declare are never read. The
number of rows does not matter for memory: polars streams them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
import polars as pl

from hmchain.errors import InputError
from hmchain.records import shipped
from hmchain.records.sources.containers import Container, ContainerEntry, counted, open_container
from hmchain.records.sources.csv_form import CsvForm, Stated, TableProblem, as_utf8, find_form
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import TABLE, Item, ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark_of_content

__all__ = [
    "LONG_NUMBER", "ROW", "Column", "OpenTable", "Table", "TableFiles", "TableProblem", "TableSchema",
    "TableSchemaError", "load_schema", "open_table", "schemas", "typed",
]  # fmt: skip

ROW = "\x00row"
"""The name of the row's number, counted from 1 without a header, while a table is at work."""

_SHIPPED = Path(__file__).parent / "schemas"
_SUFFIXES = (".csv", ".parquet")
_DAY_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y")
_TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    *_DAY_FORMATS,
)
AGE_YEARS_MAX = 90
LONG_NUMBER = 10**6
"""From here on a number has the length of a telephone or record number."""
_LONG_NUMBER = "as long as a telephone or record number: give the column min and max, or the role identifier or drop"
_WITH_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?$"
"""A number where commas stand for points, and points between thousands."""
_AGE_NAME = re.compile(r"(^|_)ages?(_|\Z)", re.IGNORECASE)
_TRUTH = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}


class TableSchemaError(InputError):
    """A table schema does not exist or cannot be used."""

    code = "table_schema"


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One column."""

    type: Literal["integer", "number", "text", "boolean", "date", "datetime"]
    role: Literal["subject", "identifier", "quasi", "sensitive", "value", "date", "drop"]
    """What becomes of it: `subject` (the patient) and `identifier` become pseudonyms, `quasi` is generalised and counts
    for k-anonymity, `sensitive` is kept and counts for l-diversity, `value` is kept, `date` follows the profile."""
    required: bool = False
    """Whether every row must have it."""
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    """All that may be in it."""
    pattern: str = ""
    """What each of its texts must look like as a whole."""
    domain: str = ""
    """Of an identifier that is kept: equal values get equal pseudonyms in all columns of a domain. Without: dropped."""
    generalise: Literal["", "band", "age", "year", "birth_year", "zip3"] = ""
    """Of a quasi-identifier: bands of `width` between `bottom` and `top`, an age in `unit` (in bands of `width`; one
    for all of 90 years and older), a date's year, a year of birth (likewise), or three digits of a ZIP code."""
    unit: Literal["a", "mo", "wk", "d", "h"] = "a"
    """Of an age: years, months, weeks, days or hours."""
    width: int = 1
    round: float = 0.0
    """Of a number: it is kept as a multiple of this, since exact ones could be matched with another copy of them."""
    bottom: int | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        if self.round < 0 or (self.round and self.type != "number"):
            raise ValueError("round is for the type number, and above 0")
        told = self.values or self.pattern or self.generalise == "zip3"
        if self.type == "text" and self.role in ("quasi", "sensitive", "value") and not told:
            raise ValueError("text that is kept needs `values` or a `pattern`, since free text may say anything")
        if self.role == "date" and self.type not in ("date", "datetime"):
            raise ValueError("the role date is for the types date and datetime")
        if self.type in ("date", "datetime") and self.role in ("value", "sensitive"):
            raise ValueError("a date has the role date, quasi or drop")
        if self.generalise and self.role != "quasi":
            raise ValueError("only a quasi-identifier is generalised")
        fits = {"": True, "zip3": self.type == "text", "band": self.type in ("integer", "number")}
        fits["age"] = fits["band"]
        dated = self.type in ("date", "datetime")
        if not fits.get(self.generalise, dated or (self.generalise == "birth_year" and self.type == "integer")):
            raise ValueError(f"a column of type {self.type} cannot be generalised to {self.generalise}")
        if self.role == "quasi" and dated and not self.generalise:
            raise ValueError("a date that is a quasi-identifier needs `generalise`")
        if self.width < 1:
            raise ValueError("width must be at least 1")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"the pattern is no regular expression: {error}") from error

    @property
    def is_unbounded(self) -> bool:
        """Tell whether it keeps numbers of any length, of which nobody said how large they can be."""
        stays = self.type in ("integer", "number") and self.role in ("value", "sensitive", "quasi")
        return stays and not self.generalise and not self.values and self.min is None and self.max is None

    @property
    def may_tell_old_age(self) -> bool:
        """Tell whether a number would stay as it is that, if it were an age in years, could be over 89."""
        stays = self.type in ("integer", "number") and self.role in ("quasi", "sensitive", "value")
        limits = [limit for limit in (self.max, self.top) if limit is not None]
        return stays and self.generalise != "age" and not any(limit <= AGE_YEARS_MAX for limit in limits)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table: its columns in the order in which they are kept."""

    columns: dict[str, Column]

    def __post_init__(self) -> None:
        if sum(column.role == "subject" for column in self.columns.values()) != 1:
            raise ValueError("a table needs exactly one column with the role subject")
        for name, column in self.columns.items():
            if _AGE_NAME.search(name) and column.may_tell_old_age:
                raise ValueError(f"column {name} may hold ages over 89: give it the role quasi and generalise = 'age'")

    @property
    def subject(self) -> str:
        """The column that says whose a row is."""
        return next(name for name, column in self.columns.items() if column.role == "subject")

    def of_role(self, role: str) -> list[str]:
        """The columns of a role."""
        return [name for name, column in self.columns.items() if column.role == role]


class TableSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tables of a source."""

    title: str
    tables: dict[str, Table]
    separator: str = ""
    """Between the fields of a CSV file; nothing: found out by the declared columns. Likewise the next two."""
    encoding: str = ""
    """The characters of a CSV file, such as `utf-8`, `cp1252` or `utf-16`."""
    decimal: Literal["", ".", ","] = ""
    """Between the whole part of a number in a CSV file and the rest."""
    comment: str = ""
    """What lines of a CSV file begin with that are not read."""

    def table(self, item: str) -> Table | None:
        """The table that a file belongs to: of the file's own name, or of its folder's."""
        return self.tables.get(self.name_of(item))

    def name_of(self, item: str) -> str:
        """The name of that table; nothing if there is none."""
        path = PurePosixPath(item)
        names = (path.name.split(".")[0].lower(), path.parent.name.lower())
        return next((name for name in names if name in self.tables), "")


def schemas() -> list[str]:
    """The names of the schemas that ship with the package."""
    return shipped.names(_SHIPPED)


def load_schema(name: str) -> TableSchema:
    """Read a schema: the name of a shipped one, or the path of a TOML file.

    Raises `TableSchemaError` if there is none, or saying which entry is wrong.
    """
    return shipped.load(name, _SHIPPED, TableSchema, "table schema", TableSchemaError)


@dataclass(frozen=True)
class TableFiles:
    """The CSV and Parquet files of a folder or an archive, or one file, that a schema has tables for."""

    path: Path
    schema: TableSchema
    finds: Finds = field(default_factory=Finds, compare=False, repr=False)
    """What the last run of `items` came upon."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """File after file in the order of their paths. Raises `SourceError` if none belongs to a table."""
        self.finds.clear()
        found = False
        for entry in self._entries(self.finds):
            found = True
            try:
                with entry.open() as file:
                    known = mark_of_content(entry.name, file)
            except (ItemUnavailableError, OSError):
                self.finds.passed("a file that cannot be read")
                continue
            if self.finds.wants(done, known):
                yield Item(entry.name, TABLE, entry.open, mark=known, within=self.finds.current)
        if not found:
            names = ", ".join(f"{name}.csv" for name in list(self.schema.tables)[:3])
            raise SourceError(f"{self.path} holds no table that the schema declares", f"files such as {names}")

    def count(self) -> int | None:
        """The number of files; None where archives would have to be opened first."""
        return counted(self._entries)

    @cached_property
    def _container(self) -> Container:
        return open_container(self.path)

    def _entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        for entry in self._container.entries(finds):
            if reason := self._why_not(entry.name):
                finds.passed(reason)
            else:
                yield entry

    def _why_not(self, name: str) -> str:
        if PurePosixPath(name).suffix.lower() not in _SUFFIXES and not self.path.is_file():
            return "neither CSV nor Parquet"
        return "" if self.schema.table(name) is not None else "of no table in the schema"


# -- reading and checking ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenTable:
    """A table as it is in a file, and how that is written; of CSV all is text."""

    frame: pl.LazyFrame
    form: CsvForm | None
    """None of Parquet."""

    @property
    def decimal(self) -> str:
        """What stands in numbers that are text."""
        return self.form.decimal if self.form else "."


def open_table(content: Path | bytes, schema: TableSchema, table: Table) -> OpenTable:
    """A table in a file: Parquet by its first bytes, else CSV. Its columns are called as they are declared.

    Raises `TableProblem` if it is written otherwise than the schema says.
    """
    if isinstance(content, Path):
        with content.open("rb") as file:
            head = file.read(4)
    else:
        head = content[:4]
    if head == b"PAR1":
        return OpenTable(_renamed(pl.scan_parquet(content), table), None)
    numbers = [name for name, column in table.columns.items() if column.type == "number"]
    stated = Stated(schema.separator, schema.encoding, schema.decimal, schema.comment)
    form = find_form(content, list(table.columns), numbers, stated)
    frame = pl.scan_csv(
        content if form.encoding == "utf-8" else as_utf8(content, form),
        separator=form.separator,
        comment_prefix=schema.comment or None,
        infer_schema=False,
        raise_if_empty=False,
    )
    return OpenTable(_renamed(frame, table), form)


def _renamed(frame: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Columns as they are declared where only case and blanks are other ones, and none is meant twice."""
    present = frame.collect_schema().names()
    meant = {name.strip().casefold(): name for name in present}
    if len(meant) < len(present):
        return frame
    found = {meant[name.casefold()]: name for name in table.columns if name not in present and name.casefold() in meant}
    return frame.rename(found) if found else frame


def typed(frame: pl.LazyFrame, table: Table, decimal: str = ".") -> pl.LazyFrame:
    """The declared columns in their types, and `ROW`. Raises `TableProblem` if one is wrong, saying where.

    Reads the table once.
    """
    present = frame.collect_schema()
    missing = [name for name in table.columns if name not in present]
    if missing:
        raise TableProblem(f"it has no column {', '.join(missing)}")
    declared = {name: column for name, column in table.columns.items() if column.role != "drop"}
    floats = [name for name in declared if present[name].is_float()]  # in them missing values may be NaN
    numbered = frame.select(list(declared)).with_columns(pl.col(floats).fill_nan(None)).with_row_index(ROW, offset=1)
    parsed = {name: _parsed(pl.col(name), column, present[name], name, decimal) for name, column in declared.items()}
    _check(numbered, declared, parsed)
    return numbered.select(ROW, *(expression.alias(name) for name, expression in parsed.items()))


def _check(frame: pl.LazyFrame, columns: Mapping[str, Column], parsed: Mapping[str, pl.Expr]) -> None:
    """Raise `TableProblem` with the first row of every kind of wrong value."""
    wrong = {(name, what): bad for name, column in columns.items() for what, bad in _faults(name, column, parsed[name])}
    measures = []
    for number, bad in enumerate(wrong.values()):
        measures.append(bad.sum().alias(f"{number}"))
        measures.append(pl.col(ROW).filter(bad).min().alias(f"{number} first"))
    found = frame.select(measures).collect(engine="streaming").row(0, named=True)
    problems = [
        f"column {name}, row {found[f'{number} first']}: {what} (rows in all: {found[str(number)]})"
        for number, (name, what) in enumerate(wrong)
        if found[str(number)]
    ]
    if problems:
        raise TableProblem("; ".join(problems))


def _faults(name: str, column: Column, value: pl.Expr) -> Iterator[tuple[str, pl.Expr]]:
    """List what can be wrong with a value of a column, and where it is."""
    raw = pl.col(name)
    yield f"not of type {column.type}", (raw.is_not_null() & value.is_null()).fill_null(False)
    if column.required or column.role == "subject":
        yield "empty", raw.is_null()
    if column.min is not None:
        yield f"below {column.min:g}", (value < column.min).fill_null(False)
    if column.is_unbounded:
        yield _LONG_NUMBER, (value.abs() >= LONG_NUMBER).fill_null(False)
    if column.max is not None:
        yield f"above {column.max:g}", (value > column.max).fill_null(False)
    if column.values:
        yield "not one of the values that it may have", (~value.cast(pl.String).is_in(column.values)).fill_null(False)
    if column.pattern:
        matches = value.cast(pl.String).str.contains(f"^(?:{column.pattern})$")
        yield "not of the pattern that it must have", (~matches).fill_null(False)


def _parsed(value: pl.Expr, column: Column, present: pl.DataType, name: str, decimal: str) -> pl.Expr:
    """A column's values in its declared type; null where they are of another one."""
    if not (present.is_numeric() or present.is_temporal() or present in (pl.String, pl.Boolean, pl.Null)):
        raise TableProblem(f"column {name} is of a type that is not read")
    text = value.cast(pl.String).str.strip_chars()
    if column.type == "text":
        return value.cast(pl.String)
    if column.type == "boolean":
        return value if present == pl.Boolean else text.str.to_lowercase().replace_strict(_TRUTH, default=None)
    if column.type in ("integer", "number"):
        if decimal == ",":
            point = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
            text = pl.when(text.str.contains(_WITH_COMMA)).then(point)
        source = text if present == pl.String else value
        number = source.cast(pl.Float64, strict=False)
        if column.type == "number":
            rounded = (number / column.round).round() * column.round if column.round else number
            return pl.when(number.is_finite()).then(rounded)
        if present.is_integer():
            return value.cast(pl.Int64, strict=False)
        exact = pl.when((number == number.round()) & (number.abs() < 2**53)).then(number).cast(pl.Int64)
        return pl.coalesce(source.cast(pl.Int64, strict=False), exact) if present == pl.String else exact
    day = column.type == "date"
    if present.is_temporal():
        return value.cast(pl.Date if day else pl.Datetime("us"), strict=False)
    formats = _DAY_FORMATS if day else _TIME_FORMATS
    read = text.str.to_date if day else text.str.to_datetime
    return pl.coalesce(*(read(form, strict=False) for form in formats))
