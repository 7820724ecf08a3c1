"""The charts that only the report needs: own-against-federated dumbbells, and the masters' timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import table
from hmchain.application.pages.plot import (
    AVERAGE_LETTER,
    Frame,
    at,
    axes,
    figure,
    padded,
    sample,
    shortened,
    svg,
    text,
    ticks,
    upright,
)
from hmchain.interfaces.report.parts import Estimate, Round

MOST_LABELS = 8
LABEL_LETTERS = 17
LANE_LETTERS = 24


@dataclass(frozen=True)
class Pair:
    """One row of a dumbbell chart: a hospital's own model and the federated one."""

    name: str
    own: Estimate
    federated: Estimate
    gain: str
    worst: bool = False


def dumbbells(title: str, pairs: Sequence[Pair], *, label: str, data: h.Node, pooled: float | None = None) -> h.Element:
    """Return own and federated scores as two dots a hospital, with intervals, and the gain beside them."""
    span = padded(_shown(pairs, pooled), least=0.1, floor=0.0, ceiling=1.0)
    row = 30 if len(pairs) <= MOST_LABELS else 22
    frame = Frame(480, 56 + row * len(pairs), 118, 62, 12, 44, span, (0, 1))
    columns = [(value, figures.decimal(value)) for value in ticks(*span, 5)]
    drawing = svg(
        frame.width,
        frame.height,
        label,
        h.g(".axes")[[upright(frame, value) for value, _ in columns]],
        axes(frame, columns, [], title),
        None if pooled is None else upright(frame, pooled, "level ink"),
        [_dumbbell(frame, pair, frame.top + row * (number + 0.5)) for number, pair in enumerate(pairs)],
    )
    return figure(title, drawing, data, legend=_dumbbell_key(pooled is not None))


def _shown(pairs: Sequence[Pair], pooled: float | None) -> list[float]:
    shown = [
        number
        for pair in pairs
        for estimate in (pair.own, pair.federated)
        for number in (estimate.value, estimate.low, estimate.high)
        if number is not None
    ]
    return shown if pooled is None else [*shown, pooled]


def _dumbbell(frame: Frame, pair: Pair, y: float) -> h.Element:
    name = text(frame.left - 10, y + 4, shortened(pair.name, LABEL_LETTERS), anchor="end", class_="label")
    gain = text(frame.width - 2, y + 4, pair.gain, anchor="end", class_="label worst" if pair.worst else "label")
    own, federated = pair.own.value, pair.federated.value
    bond = None
    if own is not None and federated is not None:
        bond = h.line(class_="bond", x1=at(frame.x(own)), x2=at(frame.x(federated)), y1=at(y), y2=at(y))
    dots = _dot(frame, pair.own, y + 3, "k1 hollow"), _dot(frame, pair.federated, y - 3, "k0")
    return h.g[name, bond, dots, gain]


def _dot(frame: Frame, estimate: Estimate, y: float, classes: str) -> h.Element | None:
    if estimate.value is None:
        return None
    whisker = None
    if estimate.low is not None and estimate.high is not None:
        start, end = at(frame.x(estimate.low)), at(frame.x(estimate.high))
        whisker = h.line(class_="whisker", x1=start, x2=end, y1=at(y), y2=at(y))
    return h.g(class_=classes)[whisker, h.circle(class_="dot", cx=at(frame.x(estimate.value)), cy=at(y), r=5)]


def _dumbbell_key(pooled: bool) -> h.Element:
    dot = h.circle(class_="dot", cx=6, cy=6, r=5)
    level = h.line(class_="level ink", x1=0, x2=22, y1=5, y2=5)
    return h.ul(".legend")[
        h.li[sample(12, 12, h.g(".k1.hollow")[dot]), "own CNN"],
        h.li[sample(12, 12, h.g(".k0")[dot]), "FL-CNN-HMChain"],
        h.li[sample(22, 10, level), "pooled"] if pooled else None,
    ]


# --- who was master -----------------------------------------------------------------------------------------------


def master_timeline(title: str, hospitals: Sequence[str], rounds: Sequence[Round], *, label: str) -> h.Element:
    """Return a lane for each hospital, with a block in each round that it finished and a cross where it failed."""
    longest = min(LANE_LETTERS, max(len(name) for name in hospitals))
    row = 28 if len(hospitals) <= MOST_LABELS else 19
    left = 20 + longest * AVERAGE_LETTER
    first, last = rounds[0].number, rounds[-1].number
    frame = Frame(980, 54 + row * len(hospitals), left, 10, 8, 44, (first - 0.5, last + 0.5), (0, 1))
    lanes = {name: frame.top + row * (number + 0.5) for number, name in enumerate(hospitals)}
    step = (frame.x_end - frame.left) / (last - first + 1)
    columns = [(value, str(int(value))) for value in ticks(first, last, 12, integers=True)]
    drawing = svg(
        frame.width,
        frame.height,
        label,
        _lanes(frame, lanes),
        axes(frame, columns, [], "Round"),
        [_block(frame, lanes, turn, step, row) for turn in rounds],
        [_failures(frame, lanes, turn) for turn in rounds if turn.failed],
    )
    wide = h.div(".scroll.wide", tabindex="0", role="region", aria_label=title)[drawing]
    return figure(title, wide, _round_table(title, rounds), legend=_timeline_key())


def _lanes(frame: Frame, lanes: dict[str, float]) -> h.Element:
    return h.g(".axes")[
        [
            (
                h.line(x1=at(frame.left), x2=at(frame.x_end), y1=at(y), y2=at(y)),
                text(frame.left - 10, y + 4, shortened(name, LANE_LETTERS), anchor="end", class_="label"),
            )
            for name, y in lanes.items()
        ]
    ]


def _block(frame: Frame, lanes: dict[str, float], turn: Round, step: float, row: float) -> h.Element | None:
    if turn.master not in lanes:
        return None
    width = step - 2 if step > 5 else step
    votes = "" if turn.accepts is None else f", {turn.accepts} votes for, {turn.rejects or 0} against"
    return h.rect(
        class_=f"turn {turn.outcome}",
        x=at(frame.x(turn.number) - width / 2),
        y=at(lanes[turn.master] - row * 0.32),
        width=at(width),
        height=at(row * 0.64),
        rx=2 if step > 5 else 0,
    )[h.title[f"Round {turn.number}: {turn.master}, {turn.outcome}{votes}"]]


def _failures(frame: Frame, lanes: dict[str, float], turn: Round) -> h.Element:
    """Draw a cross for each master that failed in `turn`, joined to the one that took over."""
    x = frame.x(turn.number)
    chain = [*(failed.hospital for failed in turn.failed), turn.master]
    path = [f"{at(x)},{at(lanes[name])}" for name in chain if name in lanes]
    crosses = []
    for failed in turn.failed:
        if failed.hospital in lanes:
            told = "proven fraud" if failed.fault == "fraud" else "no answer"
            words = f"Round {turn.number}: {failed.hospital}, {told}; {turn.master} took over"
            crosses.append(h.g(class_=f"cross {failed.fault}")[h.title[words], _cross(x, lanes[failed.hospital])])
    return h.g[h.polyline(class_="handover", points=" ".join(path)), crosses]


def _cross(x: float, y: float) -> list[h.Element]:
    arms = f"M{at(x - 4)} {at(y - 4)}L{at(x + 4)} {at(y + 4)}M{at(x - 4)} {at(y + 4)}L{at(x + 4)} {at(y - 4)}"
    return [h.circle(cx=at(x), cy=at(y), r=9), h.path(d=arms)]


def _timeline_key() -> h.Element:
    def turn(outcome: str) -> h.Element:
        return h.rect(class_=f"turn {outcome}", x=2, y=3, width=16, height=14, rx=2)

    def cross(fault: str) -> h.Element:
        return h.g(class_=f"cross {fault}")[_cross(10, 10)]

    marks: Iterable[tuple[h.Element, str]] = (
        (turn("accepted"), "master, round accepted"),
        (turn("rejected"), "rejected by vote"),
        (turn("void"), "void"),
        (cross("fraud"), "fraud proven, replaced in the same round"),
        (cross("silent"), "silent, passed over"),
    )
    return h.ul(".legend")[[h.li[sample(20, 20, mark, "mark"), words] for mark, words in marks]]


def _round_table(title: str, rounds: Sequence[Round]) -> h.Element:
    rows = []
    for turn in rounds:
        failed = ", ".join(f"{one.hospital} ({one.fault})" for one in turn.failed) or figures.NONE
        votes = figures.NONE if turn.accepts is None else f"{turn.accepts} : {turn.rejects or 0}"
        rows.append([str(turn.number), turn.master, failed, turn.outcome, votes, figures.duration(turn.seconds)])
    return table(["Round", "Master", "Replaced", "Outcome", "Votes", "Time"], rows, caption=title)
