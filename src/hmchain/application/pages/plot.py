"""The parts that charts share: a frame that maps values to the drawing, axes, colours, labels that keep apart.

Drawings are inline SVG in a fixed coordinate system that scales with the page. Colours are classes `k0`..`k7` of the
style sheet (Okabe and Ito's hues, safe for colour-blind readers), so that light, dark and print each get their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import htpy as h

PALETTE = 8
DASHES = ("", "7 3", "2 3", "8 3 2 3")
LABEL_GAP = 14.0
AVERAGE_LETTER = 7.6


@dataclass(frozen=True)
class Frame:
    """A plotting area inside a drawing of `width` x `height`, and the ranges that it shows."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    @property
    def x_end(self) -> float:
        """Right edge of the plotting area."""
        return self.width - self.right

    @property
    def y_end(self) -> float:
        """Lower edge of the plotting area."""
        return self.height - self.bottom

    def x(self, value: float) -> float:
        """Return the place of `value` from left to right."""
        return _between(value, self.x_range, self.left, self.x_end)

    def y(self, value: float) -> float:
        """Return the place of `value` from top to bottom."""
        return _between(value, self.y_range, self.y_end, self.top)


def _between(value: float, span: tuple[float, float], start: float, end: float) -> float:
    low, high = span
    share = 0.5 if high == low else (value - low) / (high - low)
    return start + share * (end - start)


def colour(index: int) -> str:
    """Return the colour class of series `index`."""
    return f"k{index % PALETTE}"


def dash(index: int) -> str:
    """Return the dash pattern that tells series `index` from others of its colour."""
    return DASHES[index // PALETTE % len(DASHES)]


def at(number: float) -> str:
    """Write a coordinate shortly."""
    return f"{number:.1f}".removesuffix(".0")


def ticks(low: float, high: float, count: int, *, integers: bool = False) -> list[float]:
    """Return about `count` round values in [low, high]."""
    if high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    if integers:
        step = max(1.0, math.ceil(step))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def padded(
    values: Iterable[float], *, least: float, floor: float = -math.inf, ceiling: float = math.inf
) -> tuple[float, float]:
    """Return a range around `values`, at least `least` wide, with room at both ends inside [floor, ceiling]."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return (0.0, 1.0)
    low, high = min(known), max(known)
    room = max(0.08 * (high - low), (least - (high - low)) / 2)
    return max(floor, low - room), min(ceiling, high + room)


def axes(
    frame: Frame, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], x_name: str
) -> h.Element:
    """Return grid lines, tick labels and the name of the horizontal axis."""
    rows = [
        (level(frame, value), text(frame.left - 8, frame.y(value) + 4, label, anchor="end")) for value, label in y_ticks
    ]
    columns = [text(frame.x(value), frame.y_end + 18, label, anchor="middle") for value, label in x_ticks]
    base = h.line(class_="base", x1=at(frame.left), x2=at(frame.x_end), y1=at(frame.y_end), y2=at(frame.y_end))
    name = text((frame.left + frame.x_end) / 2, frame.height - 4, x_name, anchor="middle", class_="axis-name")
    return h.g(".axes")[rows, columns, base, name]


def level(frame: Frame, value: float, class_: str = "") -> h.Element:
    """Return a line across the plotting area at height `value`."""
    y = at(frame.y(value))
    return h.line(class_=class_, x1=at(frame.left), x2=at(frame.x_end), y1=y, y2=y)


def upright(frame: Frame, value: float, class_: str = "") -> h.Element:
    """Return a line from top to bottom of the plotting area at `value`."""
    x = at(frame.x(value))
    return h.line(class_=class_, x1=x, x2=x, y1=at(frame.top), y2=at(frame.y_end))


def text(x: float, y: float, label: h.Node, *, anchor: str = "start", class_: str = "") -> h.Element:
    """Return a line of text in a drawing."""
    return h.text(x=at(x), y=at(y), text_anchor=anchor, class_=class_)[label]


def shortened(name: str, letters: int) -> h.Node:
    """Return a name that fits into `letters`; the whole one shows when pointed at."""
    if len(name) <= letters:
        return name
    return h.title[name], name[: letters - 1] + "…"


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart until neighbours are `gap` away, staying in [low, high] where they fit."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed = list(positions)
    floor = low
    for index in order:
        placed[index] = floor = max(placed[index], floor)
        floor += gap
    ceiling = high
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= gap
    return placed


def svg(width: float, height: float, label: str, *content: h.Node, data_x: str | None = None) -> h.Element:
    """Return a drawing that assistive technology reads as one picture called `label`."""
    # Inner titles are hover texts; for a screen reader the label and the table behind the chart say it all.
    return h.svg(viewBox=f"0 0 {at(width)} {at(height)}", role="img", aria_label=label, data_x=data_x)[content]


BEHIND = "Figures behind this chart"


def figure(
    title: str, drawing: h.Node, data: h.Node, *, legend: h.Node = None, note: str = "", behind: str = BEHIND
) -> h.Element:
    """Return a chart with its title, legend and, folded away as `behind` says, the table of the figures behind it."""
    return h.figure(".chart")[
        h.figcaption[h.strong[title], h.span[note] if note else None],
        legend,
        h.div(".drawing")[drawing],
        h.details(".data")[h.summary[behind], data],
    ]


def sample(width: float, height: float, mark: h.Node, class_: str = "") -> h.Element:
    """Return a small drawing for a legend, whose words say what it means."""
    return h.svg(viewBox=f"0 0 {at(width)} {at(height)}", aria_hidden="true", class_=class_)[mark]


def legend(entries: Sequence[tuple[str, str, str]]) -> h.Element:
    """Return the key of a chart from (name, colour class, dash pattern); pointing at one dims the others."""
    return h.ul(".legend")[
        [
            h.li(data_series=index)[
                sample(22, 10, h.line(class_="line", x1=0, x2=22, y1=5, y2=5, stroke_dasharray=pattern or None), shade),
                name,
            ]
            for index, (name, shade, pattern) in enumerate(entries)
        ]
    ]
