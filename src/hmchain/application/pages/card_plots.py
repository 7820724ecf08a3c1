"""Elements of a page, and the two drawings that a card needs: bars with names, and a histogram.

Elements are those of the standard library, so text is escaped when they are written. Drawings are inline SVG in a fixed
coordinate system that scales with the page; a table with the same figures stands beside each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree.ElementTree import Element

Child: TypeAlias = "str | Element | Iterable[Child] | None"

WIDTH = 440.0
_LEFT, _RIGHT, _ROW, _HEIGHT = 132.0, 120.0, 26.0, 190.0
_NAME_LETTERS = 17


def element(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """One element; `class_` is written `class`, `aria_label` `aria-label`, and what is None is left out."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), f"{value:g}" if isinstance(value, float) else str(value))
    _append(made, children)
    return made


def _append(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child
    else:
        for one in child:
            _append(parent, one)


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Child]]) -> Element:
    """A table whose first column names its rows; a wide one scrolls by itself, by keyboard too."""
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]]) for row in rows
    ]
    grid = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", [element("th", name, scope="col") for name in head])),
        element("tbody", body),
    )
    return element("div", grid, class_="scroll", tabindex="0", role="region", aria_label=caption)


def figure(title: str, note: str, drawing: Element, figures: Element) -> Element:
    """A drawing with its title, and, folded away, the table of its figures."""
    heading = element("figcaption", element("strong", title), element("span", note))
    return element("figure", heading, drawing, element("details", element("summary", "As a table"), figures))


def bars(label: str, rows: Sequence[tuple[str, float, str]], *, longest: float | None = None) -> Element:
    """Bars from left to right, one a row of (name, value, what is written behind it)."""
    top = longest or max((value for _, value, _ in rows), default=0.0) or 1.0
    room = WIDTH - _LEFT - _RIGHT
    drawn = []
    for index, (name, value, written) in enumerate(rows):
        y = index * _ROW
        length = max(room * value / top, 1.0 if value else 0.0)
        drawn += [
            _text(_LEFT - 8, y + 17, _shortened(name), anchor="end"),
            element("rect", class_="bar", x=_LEFT, y=y + 4, width=round(length, 1), height=_ROW - 8, rx=2.0),
            _text(_LEFT + length + 6, y + 17, written),
        ]
    return _svg(label, len(rows) * _ROW + 2, drawn)


def histogram(label: str, counts: Sequence[int], low: str, high: str) -> Element:
    """Columns side by side over an axis from `low` to `high`."""
    total, top = sum(counts) or 1, max(counts, default=0) or 1
    base, left, right = _HEIGHT - 28, 46.0, 8.0
    step = (WIDTH - left - right) / max(len(counts), 1)
    columns = []
    for index, count in enumerate(counts):
        height = (base - 12) * count / top
        hover = element("title", f"{count / total:.1%}")
        columns.append(
            element("rect", hover, class_="bar", x=round(left + index * step, 1), y=round(base - height, 1),
                    width=round(step - 1, 1), height=round(height, 1))
        )  # fmt: skip
    axis = element("line", class_="axis", x1=left, x2=WIDTH - right, y1=base, y2=base)
    names = [
        _text(left, _HEIGHT - 8, low),
        _text(WIDTH - right, _HEIGHT - 8, high, anchor="end"),
        _text(left - 6, 20, f"{top / total:.0%}", anchor="end"),
        _text(left - 6, base, "0%", anchor="end"),
    ]
    return _svg(label, _HEIGHT, [*columns, axis, *names])


def _svg(label: str, height: float, content: Iterable[Child]) -> Element:
    drawing = element("svg", content, role="img", aria_label=label)
    drawing.set("viewBox", f"0 0 {WIDTH:g} {height:g}")
    return drawing


def _text(x: float, y: float, text: Child, *, anchor: str = "start") -> Element:
    return element("text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor)


def _shortened(name: str) -> Child:
    """A name that fits; the whole one shows when it is pointed at."""
    if len(name) <= _NAME_LETTERS:
        return name
    return element("title", name), name[: _NAME_LETTERS - 1] + "…"
