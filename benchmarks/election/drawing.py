"""A picture of what the simulation of proposers found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import htpy as h
from markupsafe import Markup

from election.proposers import FAULTS, RULES, Outcome
from hmchain.application.pages.plot import Frame, at, axes, text, ticks

STYLE = """
.page { fill: #ffffff; stroke: #d6dce4; } text { fill: #1d2733; } .axis-name, .axes text { fill: #55636f; }
.axes line { stroke: #d6dce4; } .axes .base { stroke: #9aa8b8; } .name { font-weight: 600; }
.line { fill: none; stroke-width: 2; } .k0 { stroke: #8a6d00; } .k1 { stroke: #0072b2; } .k2 { stroke: #2c8066; }
@media (prefers-color-scheme: dark) {
  .page { fill: #12181f; stroke: #2d3844; } text { fill: #e5ebf1; } .axis-name, .axes text { fill: #a5b2bf; }
  .axes line { stroke: #2d3844; } .k0 { stroke: #e0b94a; } .k1 { stroke: #56b4e9; } .k2 { stroke: #57b698; }
}
"""
PANEL_WIDTH, PANEL_HEIGHT, HEAD = 240.0, 200.0, 56.0
MEASURES: tuple[tuple[str, Callable[[Outcome], float]], ...] = (
    ("failed rounds in 100 blocks", lambda found: found.failed_per_100),
    ("mean block time, ms", lambda found: found.block_ms),
)


def drawing(found: Sequence[Outcome]) -> str:
    """A picture of all outcomes: a column for each kind of fault, a row for each measure."""
    width, height = PANEL_WIDTH * len(FAULTS), PANEL_HEIGHT * len(MEASURES) + HEAD
    panels = [
        h.g(transform=f"translate({at(column * PANEL_WIDTH)} {at(HEAD + row * PANEL_HEIGHT)})")[
            _panel(name, [o for o in found if o.faults == faults], measure, _top(found, measure))
        ]
        for row, (name, measure) in enumerate(MEASURES)
        for column, faults in enumerate(FAULTS)
    ]
    keys = [
        (
            h.line(class_=f"line k{k}", x1=at(20 + 150 * k), x2=at(44 + 150 * k), y1="24", y2="24"),
            text(50 + 150 * k, 28, rule),
        )
        for k, rule in enumerate(RULES)
    ]
    heads = [text(48 + column * PANEL_WIDTH, HEAD + 6, faults, class_="name") for column, faults in enumerate(FAULTS)]
    page = h.rect(class_="page", x="0.5", y="0.5", width=at(width - 1), height=at(height - 1), rx="8")
    title = "Failed rounds and mean block time under three ways to choose proposers, with one or a third faulty"
    drawn = h.svg(
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {at(width)} {at(height)}", role="img", font_size="11",
        font_family="system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif",
    )[h.title[title], h.style[Markup(STYLE)], page, keys, heads, panels]  # fmt: skip
    return str(drawn)


def _top(found: Sequence[Outcome], measure: Callable[[Outcome], float]) -> float:
    return 1.08 * max(map(measure, found))


def _panel(name: str, found: Sequence[Outcome], measure: Callable[[Outcome], float], top: float) -> h.Element:
    sizes = sorted({outcome.n for outcome in found})
    span = math.log10(sizes[0]), math.log10(sizes[-1])
    frame = Frame(PANEL_WIDTH, PANEL_HEIGHT, 48, 20, 40, 40, span, (0, top))
    marks = [(math.log10(n), str(n)) for n in sizes if n not in (7, 13, 301)]
    lines = []
    for k, rule in enumerate(RULES):
        points = [(math.log10(o.n), measure(o)) for o in found if o.rule == rule]
        path = " ".join(f"{at(frame.x(x))},{at(frame.y(y))}" for x, y in points)
        lines.append(h.polyline(class_=f"line k{k}", points=path))
    grid = axes(frame, marks, [(value, f"{value:,.0f}") for value in ticks(0, top, 4)], "validators")
    return h.g[text(frame.left, 26, name), grid, lines]
