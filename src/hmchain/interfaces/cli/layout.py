"""Tables and fields laid out for a width, with no word broken: ids, names, digests and commands can be copied.

Lines break at spaces alone, and not within `commands` or times, nor between a number and its unit. A table that does
not fit loses the columns that it can do without, in the order that it names; if it still does not fit, each row becomes
a stack of fields. A word that is longer than the width stands whole on a line of its own, which the terminal wraps as
it likes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Line = tuple[tuple[str, str], ...]
"""Texts with their styles, side by side."""

_WORD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?\S*"  # a time
    r"|[(~≤≥]*[-+\d.,]+ (?:%|B|kB|MB|GB|TB|ms|s|min)(?![^\s,;.)])\S*"  # a number and its unit
    r"|(?:[^\s`]|`[^`\n]*`)+|\S+"  # a word, a command
)
_GAP = 2
_CELL_LINES_MAX = 3
"""A cell of more lines is no table any more that anybody reads."""

HEADER, NAME, PLAIN = "bold", "dim", ""


@dataclass(frozen=True)
class Layout:
    """Lines to print, and the columns that had no room."""

    lines: tuple[Line, ...]
    left_out: tuple[str, ...] = ()


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, drop: Sequence[str] = ()) -> Layout:
    """Rows below the names of their columns; numbers, whose columns end in #, to the right. No width is any width."""
    for dropped in range(len(drop) + 1):
        kept = [at for at, column in enumerate(columns) if column not in drop[:dropped]]
        part = [[row[at] for at in kept] for row in rows]
        if (lines := _grid([columns[at] for at in kept], part, width)) is not None:
            return Layout(lines, tuple(column.removesuffix("#") for column in columns if column in drop[:dropped]))
    names = [column.removesuffix("#") for column in columns]
    stacks = [_fields([(n, cell) for n, cell in zip(names, row, strict=True) if cell], width) for row in rows]
    return Layout(tuple(line for stack in stacks for line in ((), *stack))[1:])


def fields(pairs: Sequence[tuple[str, str]], width: int | None) -> Layout:
    """Names and what they are, one a line."""
    return Layout(_fields(pairs, width))


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> tuple[Line, ...] | None:
    """The lines of a table; None if it does not fit."""
    names = [column.removesuffix("#") for column in columns]
    right = [column.endswith("#") for column in columns]
    stand = [[name, *(row[at] for row in rows)] for at, name in enumerate(names)]
    widths = [max(_cells(line) for cell in cells for line in cell.split("\n")) for cells in stand]
    if width is not None:
        room = width - _GAP * (len(names) - 1)
        least = [max((_cells(word) for cell in cells for word in _words(cell)), default=0) for cells in stand]
        widths = _shared(widths, least, room)
        if sum(widths) > room:
            return None
    wrapped = [[_wrap(cell, wide) for cell, wide in zip(row, widths, strict=True)] for row in (names, *rows)]
    if width is not None and any(_too_many(text, cell) for row in zip(rows, wrapped[1:], strict=True)
                                 for text, cell in zip(*row, strict=True)):  # fmt: skip
        return None
    header, *body = (tuple(_beside(row, widths, right)) for row in wrapped)
    rule = "─" * (sum(widths) + _GAP * (len(widths) - 1))
    heads = [((line, HEADER),) for line in header]
    return (*heads, ((rule, NAME),), *(((line, PLAIN),) for row in body for line in row))


def _too_many(text: str, lines: Sequence[str]) -> bool:
    return len(lines) > _CELL_LINES_MAX + text.count("\n")


def _shared(most: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths between `least` and `most` that fill `room`: what is left goes to whoever lacks most."""
    widths = list(least)
    if sum(most) <= room:
        return list(most)
    for _ in range(room - sum(widths)):
        at = max(range(len(widths)), key=lambda at: most[at] / max(widths[at], 1))
        widths[at] += widths[at] < most[at]
    return widths


def _beside(cells: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> Iterable[str]:
    """The lines of a row."""
    for at in range(max(map(len, cells), default=0)):
        line = (cell[at] if at < len(cell) else "" for cell in cells)
        parts = [_pad(text, width, end) for text, width, end in zip(line, widths, right, strict=True)]
        yield (" " * _GAP).join(parts).rstrip()


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space


def _fields(pairs: Sequence[tuple[str, str]], width: int | None) -> tuple[Line, ...]:
    indent = max((_cells(name) for name, _ in pairs), default=0) + _GAP
    return tuple(line for name, text in pairs for line in _field(name, text, indent, width))


def _field(name: str, text: str, indent: int, width: int | None) -> Iterable[Line]:
    """A name and its text beside it, or below it where a word needs the room."""
    longest = max(map(_cells, _words(text)), default=0)
    if width is not None and indent + longest > width:
        yield ((name, NAME),)
        below = " " * _GAP if _GAP + longest <= width else ""
        for line in _wrap(text, width - len(below)):
            yield ((below, PLAIN), (line, PLAIN))
        return
    for at, line in enumerate(_wrap(text, None if width is None else width - indent)):
        yield ((_pad("" if at else name, indent, False), NAME), (line, PLAIN))


def _wrap(text: str, width: int | None) -> list[str]:
    """Lines of whole words, each as full as `width` allows."""
    if width is None or all(_cells(line) <= width for line in text.split("\n")):
        return text.split("\n")
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.append("")
        for word in _words(paragraph):
            if lines[-1] and _cells(lines[-1]) + 1 + _cells(word) > width:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
