"""The charts of the report: lines over rounds or rates, own-against-federated dumbbells, the masters' timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hmchain.application.pages import figures
from hmchain.application.pages.markup import NOTHING, Markup, element, table
from hmchain.application.pages.plot import (
    AVERAGE_LETTER,
    LABEL_GAP,
    Frame,
    at,
    axes,
    colour,
    dash,
    figure,
    legend,
    padded,
    shortened,
    spread,
    svg,
    text,
    ticks,
)
from hmchain.interfaces.report.parts import Estimate, Round

MOST_DOTS = 40
"""A line of more points than this is drawn without dots."""
MOST_LABELS = 8
LABEL_LETTERS = 17


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
    """What an axis shows: its name, its range (None: from the data), how its values and its ticks are written."""

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
    data: Markup | None = None,
    height: float = 300,
    note: str = "",
) -> Markup:
    """Return a chart of lines; `label` says its message in words.

    The table behind holds one row for each x value (or is `data`); pointing at the chart shows the nearest row.
    """
    columns = sorted({point[0] for line in series for point in line.points})
    known = [value for line in series for _, value in line.points if value is not None]
    x_range = x.span or (columns[0], columns[-1])
    y_range = y.span or padded([*known, *(reference.value for reference in references)], least=0.1, ceiling=1.0)
    labels = bool(references)
    frame = Frame(480, height, 48, 126 if labels else 14, 12, 44, x_range, y_range)
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
        [_level(frame, reference) for reference in references],
        [_line(frame, line, number) for number, line in enumerate(series)],
        _end_labels(frame, series, references) if labels else None,
        element("line", class_="cursor", x1=0, x2=0, y1=at(frame.top), y2=at(frame.y_end)),
        data_x=NOTHING if data is not None else " ".join(at(frame.x(value)) for value in columns),
    )
    key = legend([(line.name, colour(line.index), dash(line.index)) for line in series]) if not labels else None
    return figure(title, drawing, data or _line_table(title, series, columns, x, y), legend=key, note=note)


def _line(frame: Frame, line: Series, number: int) -> Markup:
    path, pen = [], "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        path.append(f"{pen}{at(frame.x(x))} {at(frame.y(y))}")
        pen = "L"
    stroke = element("path", class_="line", d="".join(path), stroke_dasharray=dash(line.index) or None)
    classes = f"{colour(line.index)} heavy" if line.heavy else colour(line.index)
    return element("g", stroke, _dots(frame, line), class_=classes, data_series=str(number))


def _dots(frame: Frame, line: Series) -> list[Markup]:
    if not line.radii and len(line.points) > MOST_DOTS:
        return []
    radii = line.radii or [3.0] * len(line.points)
    return [
        element("circle", class_="dot", cx=at(frame.x(x)), cy=at(frame.y(y)), r=at(radius))
        for (x, y), radius in zip(line.points, radii, strict=True)
        if y is not None
    ]


def _level(frame: Frame, reference: Reference) -> Markup:
    y = at(frame.y(reference.value))
    return element("line", class_=f"level {reference.shade}", x1=at(frame.left), x2=at(frame.x_end), y1=y, y2=y)


def _diagonal(frame: Frame) -> Markup:
    low = max(frame.x_range[0], frame.y_range[0])
    high = min(frame.x_range[1], frame.y_range[1])
    start, end = (frame.x(low), frame.y(low)), (frame.x(high), frame.y(high))
    return element("line", class_="level ink", x1=at(start[0]), y1=at(start[1]), x2=at(end[0]), y2=at(end[1]))


def _end_labels(frame: Frame, series: Sequence[Series], references: Sequence[Reference]) -> list[Markup]:
    """Name every line at its right end; a short leader joins a label that had to move to its line."""
    ends = [(line.name, line.points[-1][1], colour(line.index)) for line in series]
    named = [(name, value, shade) for name, value, shade in ends if value is not None]
    named += [(reference.name, reference.value, reference.shade) for reference in references]
    lines = [frame.y(value) for _, value, _ in named]
    placed = spread(lines, LABEL_GAP, frame.top + 4, frame.y_end)
    x = frame.x_end
    return [
        element(
            "g",
            element("path", class_="leader", d=f"M{at(x)} {at(line)}L{at(x + 9)} {at(y)}"),
            text(x + 12, y + 4, shortened(name, LABEL_LETTERS), class_="label"),
            class_=shade,
        )
        for (name, _, shade), line, y in zip(named, lines, placed, strict=True)
    ]


def _line_table(title: str, series: Sequence[Series], columns: Sequence[float], x: Axis, y: Axis) -> Markup:
    values = [dict(line.points) for line in series]
    rows = []
    for column in columns:
        cells = [value.get(column) for value in values]
        rows.append([x.write(column), *(figures.NONE if cell is None else y.write(cell) for cell in cells)])
    return table([x.name, *(line.name for line in series)], rows, caption=title)


# --- own against federated ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """One row of a dumbbell chart: a hospital's own model and the federated one."""

    name: str
    own: Estimate
    federated: Estimate
    gain: str
    worst: bool = False


def dumbbells(title: str, pairs: Sequence[Pair], *, label: str, data: Markup, pooled: float | None = None) -> Markup:
    """Return own and federated scores as two dots a hospital, with intervals, and the gain beside them."""
    shown = [
        number
        for pair in pairs
        for estimate in (pair.own, pair.federated)
        for number in (estimate.value, estimate.low, estimate.high)
        if number is not None
    ]
    span = padded([*shown, *([] if pooled is None else [pooled])], least=0.1, floor=0.0, ceiling=1.0)
    row = 30 if len(pairs) <= MOST_LABELS else 22
    frame = Frame(480, 56 + row * len(pairs), 118, 62, 12, 44, span, (0, 1))
    marks = [_dumbbell(frame, pair, frame.top + row * (number + 0.5)) for number, pair in enumerate(pairs)]
    columns = [(value, figures.decimal(value)) for value in ticks(*span, 5)]
    grid = [
        element("line", x1=at(frame.x(value)), x2=at(frame.x(value)), y1=at(frame.top), y2=at(frame.y_end))
        for value, _ in columns
    ]
    level = None
    if pooled is not None:
        x = at(frame.x(pooled))
        level = element("line", class_="level ink", x1=x, x2=x, y1=at(frame.top), y2=at(frame.y_end))
    drawing = svg(
        frame.width,
        frame.height,
        label,
        element("g", grid, class_="axes"),
        axes(frame, columns, [], title),
        level,
        marks,
    )
    return figure(title, drawing, data, legend=_dumbbell_key(pooled is not None))


def _dumbbell(frame: Frame, pair: Pair, y: float) -> Markup:
    name = text(frame.left - 10, y + 4, shortened(pair.name, LABEL_LETTERS), anchor="end", class_="label")
    gain = text(frame.width - 2, y + 4, pair.gain, anchor="end", class_="label worst" if pair.worst else "label")
    own, federated = pair.own.value, pair.federated.value
    bond = None
    if own is not None and federated is not None:
        bond = element("line", class_="bond", x1=at(frame.x(own)), x2=at(frame.x(federated)), y1=at(y), y2=at(y))
    dots = _dot(frame, pair.own, y + 3, "k1 hollow"), _dot(frame, pair.federated, y - 3, "k0")
    return element("g", name, bond, dots, gain)


def _dot(frame: Frame, estimate: Estimate, y: float, classes: str) -> Markup:
    if estimate.value is None:
        return NOTHING
    whisker = None
    if estimate.low is not None and estimate.high is not None:
        start, end = at(frame.x(estimate.low)), at(frame.x(estimate.high))
        whisker = element("line", class_="whisker", x1=start, x2=end, y1=at(y), y2=at(y))
    return element(
        "g", whisker, element("circle", class_="dot", cx=at(frame.x(estimate.value)), cy=at(y), r=5), class_=classes
    )


def _dumbbell_key(pooled: bool) -> Markup:
    def sample(classes: str) -> Markup:
        dot = element("circle", class_="dot", cx=6, cy=6, r=5)
        return element("svg", element("g", dot, class_=classes), viewBox="0 0 12 12", aria_hidden="true")

    dashed = element("line", class_="level ink", x1=0, x2=22, y1=5, y2=5)
    line = element("svg", dashed, viewBox="0 0 22 10", aria_hidden="true")
    return element(
        "ul",
        element("li", sample("k1 hollow"), "own CNN"),
        element("li", sample("k0"), "FL-CNN-HMChain"),
        element("li", line, "pooled") if pooled else None,
        class_="legend",
    )


# --- who was master -----------------------------------------------------------------------------------------------


def master_timeline(title: str, hospitals: Sequence[str], rounds: Sequence[Round], *, label: str) -> Markup:
    """Return a lane for each hospital, with a block in each round that it finished and a cross where it failed."""
    longest = min(24, max(len(name) for name in hospitals))
    row = 28 if len(hospitals) <= MOST_LABELS else 19
    left = 20 + longest * AVERAGE_LETTER
    first, last = rounds[0].number, rounds[-1].number
    frame = Frame(980, 54 + row * len(hospitals), left, 10, 8, 44, (first - 0.5, last + 0.5), (0, 1))
    lanes = {name: frame.top + row * (number + 0.5) for number, name in enumerate(hospitals)}
    names = [
        (
            element("line", x1=at(frame.left), x2=at(frame.x_end), y1=at(y), y2=at(y)),
            text(frame.left - 10, y + 4, shortened(name, 24), anchor="end", class_="label"),
        )
        for name, y in lanes.items()
    ]
    step = (frame.x_end - frame.left) / (last - first + 1)
    blocks = [_block(frame, lanes, turn, step, row) for turn in rounds]
    failures = [_failures(frame, lanes, turn) for turn in rounds if turn.failed]
    columns = [(value, str(int(value))) for value in ticks(first, last, 12, integers=True)]
    drawing = svg(
        frame.width,
        frame.height,
        label,
        element("g", names, class_="axes"),
        axes(frame, columns, [], "Round"),
        blocks,
        failures,
    )
    wide = element("div", drawing, class_="scroll wide", tabindex="0", role="region", aria_label=title)
    return figure(title, wide, _round_table(title, rounds), legend=_timeline_key())


def _block(frame: Frame, lanes: dict[str, float], turn: Round, step: float, row: float) -> Markup:
    if turn.master not in lanes:
        return NOTHING
    width = step - 2 if step > 5 else step
    votes = "" if turn.accepts is None else f", {turn.accepts} votes for, {turn.rejects or 0} against"
    return element(
        "rect",
        element("title", f"Round {turn.number}: {turn.master}, {turn.outcome}{votes}"),
        class_=f"turn {turn.outcome}",
        x=at(frame.x(turn.number) - width / 2),
        y=at(lanes[turn.master] - row * 0.32),
        width=at(width),
        height=at(row * 0.64),
        rx=2 if step > 5 else 0,
    )


def _failures(frame: Frame, lanes: dict[str, float], turn: Round) -> Markup:
    """Draw a cross for each master that failed in `turn`, joined to the one that took over."""
    x = frame.x(turn.number)
    chain = [*(failed.hospital for failed in turn.failed), turn.master]
    path = [f"{at(x)},{at(lanes[name])}" for name in chain if name in lanes]
    crosses = []
    for failed in turn.failed:
        if failed.hospital in lanes:
            y = lanes[failed.hospital]
            told = "proven fraud" if failed.fault == "fraud" else "no answer"
            words = f"Round {turn.number}: {failed.hospital}, {told}; {turn.master} took over"
            mark = "fraud" if failed.fault == "fraud" else "silent"
            crosses.append(element("g", element("title", words), _cross(x, y), class_=f"cross {mark}"))
    return element("g", element("polyline", class_="handover", points=" ".join(path)), crosses)


def _cross(x: float, y: float) -> list[Markup]:
    arms = f"M{at(x - 4)} {at(y - 4)}L{at(x + 4)} {at(y + 4)}M{at(x - 4)} {at(y + 4)}L{at(x + 4)} {at(y - 4)}"
    return [element("circle", cx=at(x), cy=at(y), r=9), element("path", d=arms)]


def _timeline_key() -> Markup:
    def sample(mark: Markup) -> Markup:
        return element("svg", mark, viewBox="0 0 20 20", aria_hidden="true", class_="mark")

    def turn(outcome: str) -> Markup:
        return sample(element("rect", class_=f"turn {outcome}", x=2, y=3, width=16, height=14, rx=2))

    def cross(fault: str) -> Markup:
        return sample(element("g", _cross(10, 10), class_=f"cross {fault}"))

    return element(
        "ul",
        element("li", turn("accepted"), "master, round accepted"),
        element("li", turn("rejected"), "rejected by vote"),
        element("li", turn("void"), "void"),
        element("li", cross("fraud"), "fraud proven, replaced in the same round"),
        element("li", cross("silent"), "silent, passed over"),
        class_="legend",
    )


def _round_table(title: str, rounds: Sequence[Round]) -> Markup:
    rows = []
    for turn in rounds:
        failed = ", ".join(f"{one.hospital} ({one.fault})" for one in turn.failed) or figures.NONE
        votes = figures.NONE if turn.accepts is None else f"{turn.accepts} : {turn.rejects or 0}"
        rows.append([str(turn.number), turn.master, failed, turn.outcome, votes, figures.duration(turn.seconds)])
    return table(["Round", "Master", "Replaced", "Outcome", "Votes", "Time"], rows, caption=title)
