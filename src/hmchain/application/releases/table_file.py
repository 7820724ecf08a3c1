"""Tables of counts that a hospital made of its own people: read from CSV, kept inside, and released with a proof.

A table is CSV with columns that name its cells, a column `persons`, and perhaps one more, `value`: a sum or a mean. In
front of it stands a comment with what it is of and a random nonce, so that nobody finds its numbers by the digest that
the ledger has; once it is released the proof stands there too. It has one form, and its artefact is all of that form
but the proof.
"""

from __future__ import annotations

import csv
import io
import math
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hmchain import decoding, files
from hmchain.application.disclosure.thresholds import Cell
from hmchain.application.releases.proving import ReleaseProofError
from hmchain.canonical import digest
from hmchain.errors import InputError
from hmchain.ledger.readers.proof_files import ProofFile

PERSONS, VALUE = "persons", "value"
CELLS_MAX = 10_000
COLUMNS_MAX = 6
"""Columns that name cells: every sum over some of them is compared with what left before."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings by which a spreadsheet takes a text for a formula, and runs it."""
FILE_BYTES_MAX = 16 << 20
_NONCE_BYTES = 16
_COMMENT = "# "
_TAG = "hmchain table 1"
_ANOTHER = "ask whoever gave it for the released file: `hmchain release file NAME --to FILE` writes it"


class TableFileError(InputError):
    """A table cannot be read, or is no table of counts."""

    code = "table_file"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=_TAG):
    """What stands in front of a table."""

    organisation: str
    """Whose people it is of."""
    dataset: str
    version: int
    nonce: str
    """Random (hex)."""
    proof: ProofFile | None = None
    """That it was released."""


@dataclass(frozen=True)
class Row:
    """A cell: what names it, how many persons it is of, and what else it says of them."""

    names: tuple[str, ...]
    persons: int
    value: str = ""


@dataclass(frozen=True)
class Table:
    """A table, and what it is of."""

    head: Head
    columns: tuple[str, ...]
    """Those that name its cells."""
    rows: tuple[Row, ...]
    has_values: bool

    @property
    def artefact(self) -> bytes:
        """The digest by which a release names it."""
        return digest("hmchain released table", encoded(replace(self.head, proof=None), self))

    @property
    def cells(self) -> dict[str, int]:
        """Persons by the name of the cell, and of each sum over columns; of all of them under an empty name.

        A name has one spelling and its columns in order, so that the same cell of another table has the same one.
        """
        found: dict[str, int] = {}
        for row in self.rows:
            parts = sorted(
                f"{_spelt(column)}={_spelt(name)}" for column, name in zip(self.columns, row.names, strict=True)
            )
            for some in chain.from_iterable(combinations(parts, size) for size in range(len(parts) + 1)):
                key = ", ".join(some)
                found[key] = found.get(key, 0) + row.persons
        return found

    def __str__(self) -> str:
        persons = sum(row.persons for row in self.rows)
        return f"{len(self.rows):,} cells by {', '.join(self.columns)}, of {persons:,} persons"


def _spelt(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def name_of(columns: Sequence[str], names: Sequence[str]) -> str:
    """A cell's name, such as `sex=female, age=40-49`."""
    return ", ".join(f"{column}={name}" for column, name in zip(columns, names, strict=True))


def read(path: Path, organisation: str, dataset: str, version: int) -> Table:
    """Read a table that somebody made, with a nonce of its own. Raises `TableFileError`."""
    head = Head(organisation, dataset, version, secrets.token_hex(_NONCE_BYTES))
    return _table(head, list(_lines(path, _text(path))), path)


def load(path: Path) -> Table:
    """Read a table that is kept, or was released; nothing of it is believed yet. Raises `TableFileError`."""
    first, _, rest = _text(path).partition("\n")
    try:
        head = decoding.from_json(first.removeprefix(_COMMENT), Head)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TableFileError(f"{path} is no table that was kept or released", _ANOTHER) from error
    return _table(head, list(_lines(path, rest)), path)


def as_kept(table: Table, path: Path) -> Table:
    """The table as it is kept, with the nonce that it has there, if the very same one is; else as it was given."""
    with suppress(TableFileError):
        kept = load(path)
        if replace(table.head, nonce=kept.head.nonce) == kept.head and table == _with(kept, table.head):
            return kept
    return table


def _with(table: Table, head: Head) -> Table:
    return Table(head, table.columns, table.rows, table.has_values)


def is_one(path: Path) -> bool:
    """Whether a file says that it is a table, and not a count; what cannot be read says nothing."""
    with suppress(OSError), files.open_regular(path) as file:
        return f'"{_TAG}"'.encode() in file.read(len(_COMMENT) + len(_TAG) + len('{"type":""'))
    return False


def save(path: Path, table: Table) -> None:
    """Write a table. Raises `OSError`."""
    files.make_folder(path.parent, mode=0o700)
    files.write_whole(path, encoded(table.head, table), durable=True, mode=files.PRIVATE)


def encoded(head: Head, table: Table) -> bytes:
    """The one form of a table's file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*table.columns, PERSONS, *((VALUE,) if table.has_values else ())))
    for row in table.rows:
        writer.writerow((*row.names, row.persons, *((row.value,) if table.has_values else ())))
    return f"{_COMMENT}{msgspec.json.encode(head).decode()}\n{text.getvalue()}".encode()


def require_as_released(found: Table, artefact: bytes, path: Path) -> None:
    """Raise `ReleaseProofError` unless a file is what was released, byte for byte."""
    if found.artefact != artefact or encoded(found.head, found) != files.read(path, limit=FILE_BYTES_MAX):
        raise ReleaseProofError(f"{path} holds another table than was released", _ANOTHER)


def checked(table: Table, given: dict[tuple[str, ...], list[float]] | None = None) -> Iterator[Cell]:
    """Its cells for the rules, with what each person gave to them if that is known.

    All but a few of a group are in one cell only where the group's other cells are found too small themselves.
    """
    for row in table.rows:
        values = given[row.names] if given is not None else None
        yield Cell(name_of(table.columns, row.names), row.persons, values)


def contributions(path: Path, table: Table) -> dict[tuple[str, ...], list[float]]:
    """What each person gave to each cell: a line a person, with the cell's columns and `value`. It is not kept.

    Raises `TableFileError` if it does not fit the table.
    """
    lines = list(_lines(path, _text(path)))
    if not lines or lines[0] != [*table.columns, VALUE]:
        raise TableFileError(f"{path} has other columns than the table", f"{', '.join(table.columns)} and {VALUE}")
    found: dict[tuple[str, ...], list[float]] = {row.names: [] for row in table.rows}
    for number, line in enumerate(lines[1:], 2):
        *names, value = line
        if tuple(names) not in found:
            raise TableFileError(f"line {number} of {path} is of no cell of the table", "leave it out, or make it anew")
        found[tuple(names)].append(_number(value, path, number))
    for row in table.rows:
        if len(found[row.names]) != row.persons:
            what = f"{path} does not have as many persons in {name_of(table.columns, row.names)} as the table"
            raise TableFileError(what, "make both of the same records: a line a person")
    return found


def _text(path: Path) -> str:
    try:
        return files.read(path, limit=FILE_BYTES_MAX).decode()
    except (OSError, files.TooLargeError, UnicodeDecodeError) as error:
        raise TableFileError(
            f"{path} cannot be read as a table", "give a CSV file in UTF-8, of 16 MiB at most"
        ) from error


def _lines(path: Path, text: str) -> Iterator[list[str]]:
    try:
        yield from (line for line in csv.reader(io.StringIO(text), strict=True) if line)
    except csv.Error as error:
        raise TableFileError(f"{path} is no CSV", "write it anew, with a comma between columns") from error


def _table(head: Head, lines: list[list[str]], path: Path) -> Table:
    columns = lines[0] if lines else []
    has_values = columns[-1:] == [VALUE]
    names = columns[: -2 if has_values else -1]
    if columns != [*names, PERSONS, *([VALUE] if has_values else [])] or not names or len(set(names)) != len(names):
        what = f"{path} has not the columns of a table of counts"
        raise TableFileError(
            what, f"with commas between: columns that name cells, then {PERSONS}, and {VALUE} if it has sums or means"
        )
    if len(names) > COLUMNS_MAX:
        raise TableFileError(f"{path} names its cells by more than {COLUMNS_MAX} columns", "make several tables of it")
    rows = tuple(_row(line, len(names), len(columns), path, number) for number, line in enumerate(lines[1:], 2))
    if not rows or len(rows) > CELLS_MAX or len({row.names for row in rows}) != len(rows):
        raise TableFileError(f"{path} has no cell, one twice, or more than {CELLS_MAX:,}", "one line a cell")
    for text in chain(names, *(row.names for row in rows)):
        if text.startswith(_FORMULA) and len(text) > 1:
            what = f"{path} has the name {text!r}, which a spreadsheet would compute"
            raise TableFileError(what, "let it begin with a letter or a digit")
    return Table(head, tuple(names), rows, has_values)


def _row(line: list[str], names: int, width: int, path: Path, number: int) -> Row:
    said, *rest = line[names:] or [""]
    if len(line) != width or not said.isascii() or not said.isdigit() or len(said) > 9:
        what = f"line {number} of {path} does not say how many persons its cell is of"
        raise TableFileError(what, f"a whole number in the column {PERSONS}")
    for value in rest:
        _number(value, path, number)
    return Row(tuple(line[:names]), int(said), rest[0] if rest else "")


def _number(value: str, path: Path, number: int) -> float:
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise TableFileError(f"line {number} of {path} has no number in the column {VALUE}", "write it with a point")
    return found
