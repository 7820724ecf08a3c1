"""Lines that lie on each other are told apart."""

from __future__ import annotations

import re

from hmchain.application.pages.charts import DASH, Axis, Series, line_chart

RAMP = [(float(x), x / 100) for x in range(101)]
APART = [(float(x), 1 - x / 100) for x in range(101)]


def strokes(*lines: list[tuple[float, float]]) -> list[tuple[str, str]]:
    series = [Series(str(at), line, at) for at, line in enumerate(lines)]
    page = str(line_chart("t", series, x=Axis("x"), y=Axis("y", (0.0, 1.0)), label="l"))
    drawn = re.findall(r'<path class="line"[^>]*>', page)
    return [(_of(path, "stroke-dasharray"), _of(path, "stroke-dashoffset")) for path in drawn]


def _of(path: str, name: str) -> str:
    found = re.search(f'{name}="([^"]*)"', path)
    return found.group(1) if found else ""


def test_lines_by_themselves_are_whole() -> None:
    assert strokes(RAMP, APART) == [("", ""), ("", "")]


def test_lines_on_each_other_take_turns_dash_by_dash() -> None:
    third = [(x, y if x < 30 else y / 2) for x, y in RAMP]  # along a quarter of the way is enough
    pattern = f"{DASH} {2 * DASH}"
    found = strokes(RAMP, APART, list(RAMP), third)
    assert found == [(pattern, ""), ("", ""), (pattern, f"-{DASH}"), (pattern, f"-{2 * DASH}")]
