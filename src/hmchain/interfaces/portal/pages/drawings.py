"""Drawings that the portal's pages share: who took part in which round, and what a model was made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

import htpy as h

from hmchain.application.pages.charts import Axis, Series, line_chart
from hmchain.application.pages.markup import table
from hmchain.application.pages.plot import AVERAGE_LETTER, Frame, at, axes, figure, shortened, svg, text, ticks
from hmchain.interfaces.portal.texts import amount, say
from hmchain.ledger.readers.study_rounds import RoundView

POINTS_MAX = 100
"""A line of more points is drawn of so many of them."""
_LETTERS, _LANE = 22, 26.0
_BOX, _HIGH, _GAP = 208.0, 46.0, 14.0


def thinned(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """So many of a line's points as can be told apart; the last one is kept."""
    step = max(1, -(-len(points) // POINTS_MAX))
    kept = list(points[::step])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def curve(
    title: str, lines: Sequence[tuple[str, Sequence[tuple[float, float | None]]]], label: str, note: str = ""
) -> h.Node:
    """Scores by round, a line a study or a measure."""
    series = [Series(name, thinned(points), place) for place, (name, points) in enumerate(lines) if points]
    if not any(value is not None for line in series for _, value in line.points):
        return None
    return line_chart(
        title,
        series,
        x=Axis(say("Round"), integers=True, write=lambda value: f"{value:.0f}"),
        y=Axis(title),
        label=label,
        note=note,
        behind=say("Figures behind this chart"),
        taking_turns=say("lines that lie on each other take turns, dash by dash"),
    )


def lanes(title: str, names: Sequence[str], found: Sequence[RoundView], label: str) -> h.Element:
    """A lane a hospital: a bar where its update was summed, a mark where it led, a line where a round was rejected."""
    longest = min(_LETTERS, max(map(len, names), default=1))
    frame = Frame(
        980,
        54 + _LANE * len(names),
        20 + longest * AVERAGE_LETTER,
        10,
        8,
        44,
        (found[0].number - 0.5, found[-1].number + 0.5),
        (0, 1),
    )
    columns = [(value, str(int(value))) for value in ticks(found[0].number, found[-1].number, 12, integers=True)]
    drawing = svg(
        frame.width,
        frame.height,
        label,
        [_lane(frame, name, frame.top + _LANE * place, found) for place, name in enumerate(names)],
        [
            h.line(
                class_="level k1",
                x1=at(frame.x(each.number)),
                x2=at(frame.x(each.number)),
                y1=at(frame.top),
                y2=at(frame.y_end),
            )
            for each in found
            if each.outcome == "rejected"
        ],
        axes(frame, columns, [], say("Round")),
    )
    rows = [
        (
            name,
            amount(sum(name in each.took_part for each in found)),
            amount(sum(each.master == name for each in found)),
            amount(sum(each.drawn == name != each.master for each in found)),
        )
        for name in names
    ]
    head = (say("Hospital"), say("Rounds it took part in"), say("Rounds it led"), say("Drawn, and replaced"))
    note = say("a bar where its update was summed, a mark where it led, a line where the model was voted down")
    return figure(title, drawing, table(head, rows, caption=title), note=note, behind=say("Figures behind this chart"))


def _lane(frame: Frame, name: str, y: float, found: Sequence[RoundView]) -> h.Element:
    half = (frame.x_end - frame.left) / max(1, len(found)) / 2
    bars = []
    for took_part, group in groupby(found, lambda each: name in each.took_part):
        each = list(group)
        if took_part:
            start, end = frame.x(each[0].number) - half, frame.x(each[-1].number) + half
            bars.append(
                h.rect(class_="fill k0", x=at(start), y=at(y + 9), width=at(end - start), height=8, opacity="0.35")
            )
    led = "".join(f"M{at(frame.x(each.number))} {at(y + 4)}v18" for each in found if each.master == name)
    return h.g[
        text(frame.left - 10, y + 17, shortened(name, _LETTERS), anchor="end", class_="label"),
        bars,
        h.g(class_="k0")[h.path(class_="line", d=led)] if led else None,
    ]


# -- what a model was made of ------------------------------------------------------------------------------------------


def lineage(
    label: str,
    sources: Sequence[tuple[str, str, str]],
    middle: Sequence[tuple[str, str, str]],
    ends: Sequence[tuple[str, str, str]],
) -> h.Element:
    """Boxes of (name, more, path) in three columns: what went in, what was made of it in order, where that went."""
    rows = max(len(sources), len(ends), 1)
    height = max(rows * (_HIGH + _GAP), len(middle) * (_HIGH + 2 * _GAP)) + _GAP
    width = 3 * _BOX + 150
    left = [(0.0, y) for y in _spread(len(sources), height)]
    right = [(width - _BOX, y) for y in _spread(len(ends), height)]
    inner = [((width - _BOX) / 2, y) for y in _spread(len(middle), height)]
    bonds: list[h.Element] = []
    if inner:
        bonds += [_bond(x + _BOX, y, inner[0][0], inner[0][1]) for x, y in left]
        bonds += [_drop(x + _BOX / 2, y + _HIGH / 2, lower - _HIGH / 2) for (x, y), (_, lower) in pairwise(inner)]
        bonds += [_bond(inner[-1][0] + _BOX, inner[-1][1], x, y) for x, y in right]
    boxes = [
        *_boxes(left, sources, "k0"),
        *_boxes(inner, middle, "k2"),
        *_boxes(right, ends, "k1"),
    ]
    drawing = h.svg(viewBox=f"0 0 {at(width)} {at(height)}", role="group", aria_label=label)[
        h.g(".bonds")[bonds], boxes
    ]
    return h.div(".scroll.lineage", tabindex="0", role="region", aria_label=label)[drawing]


def _spread(count: int, height: float) -> list[float]:
    return [height * (place + 0.5) / count for place in range(count)]


def _boxes(places: Iterable[tuple[float, float]], named: Iterable[tuple[str, str, str]], shade: str) -> list[h.Element]:
    return [_box(x, y, *each, shade) for (x, y), each in zip(places, named, strict=True)]


def _box(x: float, y: float, name: str, more: str, path: str, shade: str) -> h.Element:
    drawn = h.g(class_=f"box {shade}")[
        h.rect(x=at(x + 1), y=at(y - _HIGH / 2), width=at(_BOX - 2), height=at(_HIGH), rx=6),
        text(x + 12, y - 3, shortened(name, 24), class_="label strong"),
        text(x + 12, y + 15, shortened(more, 28), class_="label"),
    ]
    return h.a(href=path)[drawn] if path else drawn


def _bond(x1: float, y1: float, x2: float, y2: float) -> h.Element:
    middle = (x1 + x2) / 2
    return h.path(class_="bond", d=f"M{at(x1)} {at(y1)}C{at(middle)} {at(y1)} {at(middle)} {at(y2)} {at(x2)} {at(y2)}")


def _drop(x: float, top: float, bottom: float) -> h.Element:
    return h.path(class_="bond", d=f"M{at(x)} {at(top)}V{at(bottom)}")
