"""Counts and shares as bars with names, and as a histogram."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.plot import Frame, at, shortened, svg, text

NAME_LETTERS = 17
_WIDTH, _LEFT, _RIGHT, _ROW, _HEIGHT = 440.0, 132.0, 120.0, 26.0, 190.0


def bars(label: str, rows: Sequence[tuple[str, float, str]], *, longest: float | None = None) -> h.Element:
    """Return bars from left to right, one a row of (name, value, what is written behind it)."""
    top = longest or max((value for _, value, _ in rows), default=0.0) or 1.0
    frame = Frame(_WIDTH, _ROW * len(rows) + 2, _LEFT, _RIGHT, 0, 2, (0.0, top), (0.0, 1.0))
    drawn = []
    for index, (name, value, written) in enumerate(rows):
        y = index * _ROW
        length = max(frame.x(value) - frame.left, 1.0 if value else 0.0)
        drawn += [
            text(frame.left - 8, y + 17, shortened(name, NAME_LETTERS), anchor="end", class_="label"),
            h.rect(class_="fill k0", x=at(frame.left), y=at(y + 4), width=at(length), height=at(_ROW - 8), rx=2),
            text(frame.left + length + 6, y + 17, written, class_="label"),
        ]
    return svg(frame.width, frame.height, label, drawn)


def histogram(label: str, counts: Sequence[int], low: str, high: str) -> h.Element:
    """Return columns side by side over an axis from `low` to `high`."""
    total, top = sum(counts) or 1, max(counts, default=0) or 1
    frame = Frame(_WIDTH, _HEIGHT, 46, 8, 12, 28, (0.0, float(len(counts) or 1)), (0.0, float(top)))
    columns = [
        h.rect(
            class_="fill k0",
            x=at(frame.x(index)),
            y=at(frame.y(count)),
            width=at(frame.x(index + 1) - frame.x(index) - 1),
            height=at(frame.y_end - frame.y(count)),
        )[h.title[figures.percent(count / total)]]
        for index, count in enumerate(counts)
    ]
    base = h.line(class_="base", x1=at(frame.left), x2=at(frame.x_end), y1=at(frame.y_end), y2=at(frame.y_end))
    names = [
        text(frame.left, frame.height - 8, low),
        text(frame.x_end, frame.height - 8, high, anchor="end"),
        text(frame.left - 6, 20, figures.percent(top / total, decimals=0), anchor="end"),
        text(frame.left - 6, frame.y_end, figures.percent(0.0, decimals=0), anchor="end"),
    ]
    return svg(frame.width, frame.height, label, columns, h.g(".axes")[base, names])
