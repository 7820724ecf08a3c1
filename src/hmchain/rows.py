"""Views in rows: they print as a table, and become a frame."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from hmchain.plain import plain, printable

if TYPE_CHECKING:
    import polars

V = TypeVar("V")

_CELL_LETTERS = 40


class Rows(tuple[V, ...]):
    """Views of one kind, in order: dataclasses, as the readers give them.

    `rows[0].name` is a value; `print(rows)` shows a table, and so does a notebook.
    """

    __slots__ = ()

    def dicts(self) -> list[dict[str, Any]]:
        """Each as a dict of plain values, bytes as hex, nested views as dicts: what `pandas.DataFrame` takes."""
        return [plain(view) for view in self]

    def to_polars(self) -> polars.DataFrame:
        """A frame with a column for each field. Needs the library polars."""
        import polars

        return polars.DataFrame(self.dicts(), infer_schema_length=None)

    def __str__(self) -> str:
        lines = self._cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = ([escape(cell) for cell in line] for line in self._cells())
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in body)
        names = "".join(f"<th>{cell}</th>" for cell in head)
        return f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self) -> list[list[str]]:
        """Names of fields, then every view's values, as short printable text."""
        if not self:
            return [["(nothing)"]]
        names = [field.name for field in dataclasses.fields(self[0])]  # type: ignore[arg-type]
        return [names, *([_cell(row[name]) for name in names] for row in self.dicts())]


def _cell(value: Any) -> str:
    text = printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if len(text) <= _CELL_LETTERS else f"{text[: _CELL_LETTERS - 1]}…"
