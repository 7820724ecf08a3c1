"""Tables and fields on narrow terminals: whoever copies an id from one gets all of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.application.pages.figures import plural
from hmchain.interfaces.cli import layout, output

HASH = "c6505394c7be18f4" * 4
WORDS = st.text(st.sampled_from("ab7-/.:é影"), min_size=1, max_size=70)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


def printed(laid_out: layout.Layout) -> list[str]:
    return ["".join(text for text, _ in line) for line in laid_out.lines]


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), width=st.integers(20, 120))
def test_every_word_of_a_table_stands_whole_in_a_line_whatever_the_width(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    lines = printed(layout.table(("study", "records#", "hash"), rows, width))
    said = [word for line in lines for word in line.split()]
    for word in (word for row in rows for cell in row for word in cell.split()):
        assert word in said


@given(pairs=st.lists(st.tuples(WORDS, CELLS), max_size=4), width=st.integers(20, 120))
def test_every_word_of_a_field_stands_whole_in_a_line(pairs: list[tuple[str, str]], width: int) -> None:
    said = [word for line in printed(layout.fields(pairs, width)) for word in line.split()]
    assert not [word for _, text in pairs for word in text.split() if word not in said]


@pytest.mark.parametrize("width", [80, 60, 40])
def test_lines_fit_where_their_words_do(width: int) -> None:
    rows = [("br35h-resale", "finished", HASH[:12], "a few words of which there are many " * 4)] * 2
    lines = printed(layout.table(("study", "status", "hash", "why"), rows, width))
    assert max(map(len, lines)) <= width


def test_columns_go_in_the_order_that_the_table_names() -> None:
    row = ("br35h-resale", "finished", "2026-11-27 04:27:49", HASH[:12])
    columns, drop = ("study", "status", "until (UTC)", "code"), ("code", "until (UTC)")
    assert layout.table(columns, [row], 80, drop).left_out == ()
    assert layout.table(columns, [row], 45, drop).left_out == ("code",)
    assert layout.table(columns, [row], 30, drop).left_out == ("until (UTC)", "code")
    stacked = layout.table(columns, [row], 20, drop)
    assert stacked.left_out == () and printed(stacked)[0] == "study" and printed(stacked)[-1].endswith(HASH[:12])


def test_commands_and_times_are_not_taken_apart() -> None:
    text = "look: `hmchain data quarantine list --dir north`, until 2026-11-27 04:27:49 UTC"
    lines = printed(layout.fields([("next", text)], 50))
    assert any("`hmchain data quarantine list --dir north`," in line for line in lines)
    assert any("2026-11-27 04:27:49" in line for line in lines)


def test_files_and_pipes_get_a_row_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    output.table(("root", "why"), [(HASH, "long " * 60), (HASH, "short")])
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("columns", ["0", "1", "abc", "-5", "80.5", "²", "9" * 30, " "])
def test_an_odd_width_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    output.tame_terminal()
    output.table(("root", "why"), [(HASH, "some words")])
    assert HASH in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_wide_shows_all_columns_and_whole_digests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    columns, row = ("study", "status", "code"), ("br35h-resale", "finished")
    output.table(columns, [(*row, output.short(HASH))], drop=("code",))
    assert "No room for: code. --wide shows all." in capsys.readouterr().out
    output.widen(True)
    try:
        output.table(columns, [(*row, output.short(HASH))], drop=("code",))
    finally:
        output.widen(False)
    assert HASH in capsys.readouterr().out.splitlines()[-1]


def test_a_number_keeps_its_unit() -> None:
    found = layout.fields([("sent", "in all 34.6 MB to members, 25.0 % of 13.5 kB (3 min)")], 16)
    lines = ["".join(text for text, _ in line).strip() for line in found.lines]
    assert [line for line in lines if line.endswith(("34.6", "25.0", "13.5", "(3"))] == []


def test_thousands_that_pages_part_by_a_narrow_space_have_a_comma_here(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(plural(12345, "record"))
    output.fields([("of", plural(1000, "patient"))])
    assert capsys.readouterr().out == "12,345 records\nof  1,000 patients\n"
