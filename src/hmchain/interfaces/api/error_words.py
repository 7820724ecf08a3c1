"""What the codes of problems mean, as docs/errors.md says it: the page that each problem's `type` leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import htpy as h
from markupsafe import Markup

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_CELL = re.compile(r"(?<!\\)\|")
_TITLE = "Errors and refusals"
_OF_REFUSALS = "refusal-"
"""A refusal of the ledger may have the code of an error: its anchor begins so."""


@dataclass(frozen=True)
class Explained:
    """A code, or several of one meaning."""

    codes: tuple[str, ...]
    meaning: str
    way_out: str


@dataclass(frozen=True)
class Part:
    """A part of the list, under its heading."""

    title: str
    rows: tuple[Explained, ...]

    @property
    def is_of_ledger(self) -> bool:
        """Whether its codes are a ledger's own, and no problem's."""
        return not self.title.startswith(("Errors", "The API"))


@cache
def parts() -> tuple[Part, ...]:
    """All parts of docs/errors.md that explain codes."""
    text = resources.files(__package__).joinpath("errors.md").read_text("utf-8")
    found = []
    for piece in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = piece.partition("\n")
        rows = tuple(_row(line) for line in rest.splitlines() if line.startswith("| `"))
        found += [Part(title, rows)] if rows else []
    return tuple(found)


@cache
def page() -> str:
    """The page of all codes, each with an anchor."""
    known: set[str] = set()
    tables = [[h.h2[part.title], _table(part, known)] for part in parts()]
    return str(
        h.html(lang="en")[
            h.head[h.meta(charset="utf-8"), h.meta(name="viewport", content="width=device-width, initial-scale=1"),
                   h.title[_TITLE]],
            h.body[h.main[h.h1[_TITLE], tables]],
        ]
    )  # fmt: skip


def _row(line: str) -> Explained:
    cells = [cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]]
    return Explained(tuple(_CODE.findall(cells[0])), cells[-2], cells[-1])


def _table(part: Part, known: set[str]) -> h.Element:
    rows = [
        h.tr[
            h.td[[_named(code, part, known) for code in row.codes]],
            h.td[_words(row.meaning)],
            h.td[_words(row.way_out)],
        ]
        for row in part.rows
    ]
    return h.table[h.thead[h.tr[h.th["Code"], h.th["What it means"], h.th["The way out"]]], h.tbody[rows]]


def _named(code: str, part: Part, known: set[str]) -> h.Node:
    anchor = f"{_OF_REFUSALS if part.is_of_ledger else ''}{code}"
    is_new = anchor not in known
    known.add(anchor)
    return [h.code(id=anchor)[code] if is_new else h.code[code], " "]


def _words(text: str) -> Markup:
    """A cell: what is code stays code, and of links the words; they lead to pages that are not here."""
    pieces = _CODE.split(_LINK.sub(r"\1", text))
    return Markup("").join(h.code[each] if number % 2 else each for number, each in enumerate(pieces))
