"""The masters: who led each round, the scores that choose masters, and the work on the ledger."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Series, line_chart
from hmchain.application.pages.markup import Cell, bar, panel, section, table
from hmchain.interfaces.report.charts import master_timeline
from hmchain.interfaces.report.parts import Proposer, ReputationPoint
from hmchain.interfaces.report.summary import RunSummary

TOP_SCORE = 10_000


def masters(summary: RunSummary) -> h.Element | None:
    """Return who led each round, and how the scores that choose the masters went."""
    if not summary.rounds and not summary.reputation and not summary.proposers:
        return None
    names = [hospital.name for hospital in summary.hospitals]
    told = _told(summary)
    timeline = None
    if summary.rounds:
        timeline = master_timeline("Master of each round", names, summary.rounds, label=f"Master of each round. {told}")
    return section(
        "masters",
        "Who led",
        f"Each round has a master, drawn by reputation, checked by the others and replaced when it fails. {told}",
        timeline,
        _reputation(names, summary.reputation),
        _shares(summary),
    )


def _told(summary: RunSummary) -> str:
    if not summary.rounds:
        return ""
    led = {turn.master for turn in summary.rounds}
    failed = [(turn.number, one) for turn in summary.rounds for one in turn.failed]
    changes = "; ".join(
        f"round {number}: {one.hospital} {'cheated' if one.fault == 'fraud' else 'was silent'}"
        for number, one in failed[:4]
    )
    more = f" and {len(failed) - 4} more" if len(failed) > 4 else ""
    takeovers = (
        f" Replaced within their round: {len(failed)} ({changes}{more})." if failed else " None had to be replaced."
    )
    return f"{figures.plural(len(summary.rounds), 'round')}, {figures.plural(len(led), 'master')}.{takeovers}"


def _reputation(names: Sequence[str], points: tuple[ReputationPoint, ...]) -> h.Element | None:
    if not points:
        return None
    consensus = "earned by voting and proposing blocks honestly"
    learning = "earned by delivering updates; a proven fraud costs most"
    return h.div(".pair")[
        _scores("Consensus score", names, points, [point.consensus for point in points], consensus),
        _scores("Learning score", names, points, [point.learning for point in points], learning),
    ]


def _scores(
    title: str, names: Sequence[str], points: Sequence[ReputationPoint], scores: Sequence[tuple[int, ...]], note: str
) -> h.Element:
    series = [
        Series(name, [(point.round, row[number]) for point, row in zip(points, scores, strict=True)], number)
        for number, name in enumerate(names)
    ]
    ends = ", ".join(f"{name} {figures.whole(score)}" for name, score in list(zip(names, scores[-1], strict=True))[:8])
    return line_chart(
        title,
        series,
        x=Axis("Round", write=figures.decimal, integers=True),
        y=Axis(title, (0.0, float(TOP_SCORE)), figures.decimal, integers=True),
        label=f"{title} of each hospital by round; at the end: {ends}",
        note=note,
    )


# --- voting power and blocks --------------------------------------------------------------------------------------


def _shares(summary: RunSummary) -> h.Element | None:
    """Return voting power and block proposals of each hospital, with the latest scores."""
    if not summary.proposers and not summary.reputation:
        return None
    proposed = {one.hospital: one for one in summary.proposers}
    blocks = sum(one.committed for one in summary.proposers) or 1
    columns = ["Hospital"]
    columns += ["Voting power, first → last", "Share of power", ""] if summary.reputation else []
    columns += ["Blocks proposed", "", "Turns failed"] if proposed else []
    rows: list[list[h.Node | Cell]] = []
    for number, hospital in enumerate(summary.hospitals):
        row: list[h.Node | Cell] = [hospital.name]
        if summary.reputation:
            row += _power(summary.reputation[0].power, summary.reputation[-1].power, number)
        if proposed:
            row += _blocks(proposed.get(hospital.name), blocks)
        rows.append(row)
    title = "Voting power and block proposals"
    return panel(title, table(columns, rows, caption=title, class_="numbers", folds=True))


def _power(first: tuple[int, ...], last: tuple[int, ...], number: int) -> list[h.Node | Cell]:
    share = last[number] / (sum(last) or 1)
    change = f"{figures.whole(first[number])} → {figures.whole(last[number])}"
    return [change, figures.percent(share), Cell(bar(share), "bar-cell")]


def _blocks(one: Proposer | None, of_all: int) -> list[h.Node | Cell]:
    committed, failed = (one.committed, one.failed) if one is not None else (0, 0)
    part = Cell(bar(committed / of_all, "k2"), "bar-cell")
    return [figures.whole(committed), part, Cell(figures.whole(failed), "worst" if failed else "")]
