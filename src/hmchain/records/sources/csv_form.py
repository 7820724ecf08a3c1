"""How a CSV file is written: what stands between fields, its characters, its decimal point; as stated, else found out.

The declared columns tell which separator is the right one: with it the header has their names. The whole file is looked
at for its characters, since one letter in its last row decides.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252 (Latin-1)"}
_HEAD_BYTES = 1 << 18
_ROWS = 200
_PIECE_BYTES = 1 << 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})*,\d+|[+-]?\d+,\d+", re.ASCII)


class TableProblem(Exception):
    """A table is not what its schema says. The text names columns and rows, never what is in them."""


@dataclass(frozen=True)
class CsvForm:
    """The form of a CSV file."""

    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."

    @property
    def words(self) -> str:
        """Say it to people."""
        between = SEPARATORS.get(self.separator, repr(self.separator))
        characters = ENCODINGS.get(self.encoding, self.encoding)
        return f"{between} between fields, {characters}, decimal {'comma' if self.decimal == ',' else 'point'}"


@dataclass(frozen=True)
class Stated:
    """What a schema says of its CSV files; what is empty is found out."""

    separator: str = ""
    encoding: str = ""
    decimal: str = ""
    comment: str = ""


def find_form(content: Path | bytes, columns: Sequence[str], numbers: Iterable[str], stated: Stated) -> CsvForm:
    """The form of a file with these columns, `numbers` among them. Raises `TableProblem` if it is none that is read."""
    with _opened(content) as file:
        encoding = stated.encoding or _encoding(file)
        file.seek(0)
        try:
            head = codecs.getreader(encoding)(file, "replace").read(_HEAD_BYTES)
        except LookupError as error:
            raise TableProblem(f"encoding = {encoding!r} in the schema is none that is known") from error
    lines = [line for line in head.lstrip("\ufeff").splitlines() if not stated.comment or not _is_comment(line, stated)]
    form = CsvForm(_separator(lines, columns, stated), _plain(encoding), stated.decimal or ".")
    if not stated.decimal and form.separator != "," and _has_decimal_commas(lines, form.separator, set(numbers)):
        form = replace(form, decimal=",")
    return form


def as_utf8(content: Path | bytes, form: CsvForm) -> bytes:
    """The bytes of a file in UTF-8, for what reads nothing else."""
    data = content.read_bytes() if isinstance(content, Path) else content
    try:
        return data.decode(form.encoding).encode()
    except UnicodeDecodeError as error:
        name = ENCODINGS.get(form.encoding, form.encoding)
        raise TableProblem(f'it is not in {name}: state `encoding` in the schema, or save it as "CSV UTF-8"') from error


def _opened(content: Path | bytes) -> BinaryIO:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


def _plain(encoding: str) -> str:
    return {"utf_8": "utf-8", "utf-8-sig": "utf-8", "latin-1": "cp1252", "iso8859-1": "cp1252"}.get(
        codecs.lookup(encoding).name, codecs.lookup(encoding).name
    )


def _encoding(file: BinaryIO) -> str:
    head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1:2] == b"\0" or head[:1] == b"\0":
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        while piece := file.read(_PIECE_BYTES):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _is_comment(line: str, stated: Stated) -> bool:
    return line.startswith(stated.comment)


def _header(lines: Sequence[str], separator: str) -> set[str]:
    try:
        return {name.strip().casefold() for name in next(csv.reader(lines, delimiter=separator), [])}
    except csv.Error:
        return set()


def _separator(lines: Sequence[str], columns: Sequence[str], stated: Stated) -> str:
    """The separator with which the header has most declared columns. Raises `TableProblem` if not the stated one."""
    wanted = {name.casefold() for name in columns}
    found = {each: len(wanted & _header(lines, each)) for each in dict.fromkeys([stated.separator or ",", *SEPARATORS])}
    best = max(found, key=lambda each: found[each])
    if stated.separator and found[best] > found[stated.separator]:
        said, seen = (SEPARATORS.get(each, repr(each)) for each in (stated.separator, best))
        raise TableProblem(
            f"its fields seem to have {seen} between them, and the schema says {said}: "
            f"write `separator = {_toml(best)}`, or leave it out"
        )
    return stated.separator or best


def _toml(text: str) -> str:
    return '"\\t"' if text == "\t" else f'"{text}"'


def _has_decimal_commas(lines: Sequence[str], separator: str, numbers: set[str]) -> bool:
    """Tell whether a column of numbers has a comma where a point could be, and none has a point."""
    wanted = {name.casefold() for name in numbers}
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator), _ROWS))
    except csv.Error:
        return False
    places = [place for place, name in enumerate(rows[0] if rows else []) if name.strip().casefold() in wanted]
    values = [row[place].strip() for row in rows[1:] for place in places if place < len(row)]
    return any(_DECIMAL_COMMA.fullmatch(value) for value in values)
