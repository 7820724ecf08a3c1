"""Charts of lines over rounds, rates or anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import table
from hmchain.application.pages.plot import (
    BEHIND,
    LABEL_GAP,
    Frame,
    at,
    axes,
    colour,
    dash,
    figure,
    legend,
    level,
    padded,
    shortened,
    spread,
    svg,
    text,
    ticks,
)

DASH = 9
"""Length of a dash where lines that lie on each other take turns."""
NEAR = 2.0
"""Lines that are no further apart lie on each other."""
LOOKED_AT = 64
"""Points of two lines that are compared."""
MOST_DOTS = 40
"""A line of more points than this is drawn without dots."""
LABEL_LETTERS = 17
TAKING_TURNS = "lines that lie on each other take turns, dash by dash"


@dataclass(frozen=True)
class Series:
    """One line: points from left to right (a None leaves a gap), drawn in the palette's colour number `index`."""

    name: str
    points: Sequence[tuple[float, float | None]]
    index: int
    heavy: bool = False
    radii: Sequence[float] = ()
    """Radius of each point's dot; empty: small dots where few, none where many."""


@dataclass(frozen=True)
class Reference:
    """A level to compare with, drawn across the whole chart."""

    name: str
    value: float
    shade: str


@dataclass(frozen=True)
class Axis:
    """An axis: its name, its range (None: from the data), how its values and its ticks are written."""

    name: str
    span: tuple[float, float] | None = None
    write: Callable[[float], str] = figures.score
    tick: Callable[[float], str] = figures.decimal
    integers: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x: Axis,
    y: Axis,
    label: str,
    references: Sequence[Reference] = (),
    diagonal: bool = False,
    data: h.Node = None,
    height: float = 300,
    note: str = "",
    behind: str = BEHIND,
    taking_turns: str = TAKING_TURNS,
) -> h.Element:
    """Return a chart of lines; `label` says its message in words.

    The table behind holds one row for each x value (or is `data`); pointing at the chart shows the nearest row.
    """
    columns = sorted({point[0] for line in series for point in line.points})
    known = [value for line in series for _, value in line.points if value is not None]
    x_range = x.span or (columns[0], columns[-1])
    y_range = y.span or padded([*known, *(reference.value for reference in references)], least=0.1, ceiling=1.0)
    labels = bool(references)
    frame = Frame(480, height, 48, 126 if labels else 14, 12, 44, x_range, y_range)
    turns = _turns(frame, series)
    drawing = svg(
        frame.width,
        frame.height,
        label,
        axes(
            frame,
            [(value, x.tick(value)) for value in ticks(*x_range, 6, integers=x.integers)],
            [(value, y.tick(value)) for value in ticks(*y_range, 5, integers=y.integers)],
            x.name,
        ),
        _diagonal(frame) if diagonal else None,
        [level(frame, reference.value, f"level {reference.shade}") for reference in references],
        [_line(frame, line, number, turn) for number, (line, turn) in enumerate(zip(series, turns, strict=True))],
        _end_labels(frame, series, references) if labels else None,
        h.line(class_="cursor", x1=0, x2=0, y1=at(frame.top), y2=at(frame.y_end)),
        data_x=None if data is not None else " ".join(at(frame.x(value)) for value in columns),
    )
    key = None if labels else legend([(line.name, colour(line.index), dash(line.index)) for line in series])
    if any(of > 1 for _, of in turns):
        note = "; ".join(words for words in (note, taking_turns) if words)
    return figure(
        title, drawing, data or _line_table(title, series, columns, x, y), legend=key, note=note, behind=behind
    )


def _turns(frame: Frame, series: Sequence[Series]) -> list[tuple[int, int]]:
    """Each line's turn among those that lie on it, and how many these are: (0, 1) for a line by itself."""
    drawn = [{x: frame.y(y) for x, y in line.points if y is not None} for line in series]
    group = list(range(len(series)))
    for late in range(len(series)):
        for early in range(late):
            if _coincide(drawn[early], drawn[late]):
                group = [group[early] if each == group[late] else each for each in group]
    return [(group[:number].count(each), group.count(each)) for number, each in enumerate(group)]


def _coincide(one: Mapping[float, float], other: Mapping[float, float]) -> bool:
    """Tell whether two lines lie on each other along a quarter of their way or more."""
    shared = sorted(one.keys() & other.keys())
    looked_at = shared[:: max(1, len(shared) // LOOKED_AT)]
    near = sum(abs(one[x] - other[x]) < NEAR for x in looked_at)
    return len(looked_at) > 1 and 4 * near >= len(looked_at)


def _line(frame: Frame, line: Series, number: int, turn: tuple[int, int]) -> h.Element:
    path, pen = [], "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        path.append(f"{pen}{at(frame.x(x))} {at(frame.y(y))}")
        pen = "L"
    at_turn, of = turn
    pattern = dash(line.index) if of == 1 else f"{DASH} {DASH * (of - 1)}"
    offset = str(-DASH * at_turn) if at_turn else None
    stroke = h.path(class_="line", d="".join(path), stroke_dasharray=pattern or None, stroke_dashoffset=offset)
    return h.g(class_=[colour(line.index), line.heavy and "heavy"], data_series=number)[stroke, _dots(frame, line)]


def _dots(frame: Frame, line: Series) -> list[h.Element]:
    if not line.radii and len(line.points) > MOST_DOTS:
        return []
    radii = line.radii or [3.0] * len(line.points)
    return [
        h.circle(class_="dot", cx=at(frame.x(x)), cy=at(frame.y(y)), r=at(radius))
        for (x, y), radius in zip(line.points, radii, strict=True)
        if y is not None
    ]


def _diagonal(frame: Frame) -> h.Element:
    low = max(frame.x_range[0], frame.y_range[0])
    high = min(frame.x_range[1], frame.y_range[1])
    start, end = (frame.x(low), frame.y(low)), (frame.x(high), frame.y(high))
    return h.line(class_="level ink", x1=at(start[0]), y1=at(start[1]), x2=at(end[0]), y2=at(end[1]))


def _end_labels(frame: Frame, series: Sequence[Series], references: Sequence[Reference]) -> list[h.Element]:
    """Name every line at its right end; a short leader joins a label that had to move to its line."""
    ends = [(line.name, line.points[-1][1], colour(line.index)) for line in series]
    named = [(name, value, shade) for name, value, shade in ends if value is not None]
    named += [(reference.name, reference.value, reference.shade) for reference in references]
    lines = [frame.y(value) for _, value, _ in named]
    placed = spread(lines, LABEL_GAP, frame.top + 4, frame.y_end)
    x = frame.x_end
    return [
        h.g(class_=shade)[
            h.path(class_="leader", d=f"M{at(x)} {at(line)}L{at(x + 9)} {at(y)}"),
            text(x + 12, y + 4, shortened(name, LABEL_LETTERS), class_="label"),
        ]
        for (name, _, shade), line, y in zip(named, lines, placed, strict=True)
    ]


def _line_table(title: str, series: Sequence[Series], columns: Sequence[float], x: Axis, y: Axis) -> h.Element:
    values = [dict(line.points) for line in series]
    rows = []
    for column in columns:
        cells = [value.get(column) for value in values]
        rows.append([x.write(column), *(figures.NONE if cell is None else y.write(cell) for cell in cells)])
    return table([x.name, *(line.name for line in series)], rows, caption=title)
