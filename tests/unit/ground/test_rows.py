"""Views in rows: as a table in a terminal and a notebook, and as a frame."""

from __future__ import annotations

from dataclasses import dataclass

import polars

from hmchain.rows import Rows


@dataclass(frozen=True)
class View:
    name: str
    root: bytes
    powers: tuple[int, ...]


ROWS = Rows([View("north", b"\x01\xff", (1, 2)), View("south\x1b[31m", b"", ())])


def test_rows_are_their_views() -> None:
    assert ROWS[0].name == "north"
    assert [row.root for row in ROWS] == [b"\x01\xff", b""]


def test_rows_print_as_a_table_in_which_no_text_moves_the_terminal() -> None:
    assert str(ROWS).splitlines() == [
        "name           root  powers",
        "north          01ff  1, 2",
        "south\\x1b[31m",
    ]
    assert str(Rows([])) == "(nothing)"


def test_a_long_cell_is_cut() -> None:
    assert str(Rows([View("n" * 100, b"", ())])).splitlines()[1] == "n" * 39 + "…"


def test_a_notebook_shows_them_as_text() -> None:
    assert "<td>&lt;b&gt;</td>" in Rows([View("<b>", b"", ())])._repr_html_()


def test_they_become_a_frame() -> None:
    frame = ROWS.to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == ["name", "root", "powers"]
    assert frame["root"].to_list() == ["01ff", ""]
    assert frame["powers"].to_list() == [[1, 2], []]
