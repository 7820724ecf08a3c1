"""A study on a real network as one hospital knows it: who takes part, and its own scores by round."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Series, line_chart
from hmchain.application.pages.markup import Cell, badge, panel, section, table
from hmchain.interfaces.report.parts import OwnRound, OwnScores, Participant
from hmchain.interfaces.report.summary import RunSummary

MOST_ROWS = 20
ACCURACY = "Accuracy"


def participants(found: tuple[Participant, ...]) -> h.Element:
    """Return who takes part, with which data, on whose permission."""
    approved = sum(one.approval == "approved" for one in found)
    rows = [
        [
            one.hospital,
            one.title,
            f"{one.dataset}, version {one.version}",
            one.records,
            badge(one.approval == "approved", one.approval, one.approval),
        ]
        for one in found
    ]
    head = ["Hospital", "Name", "Dataset", "Records", "Steward"]
    return panel(
        f"Who takes part: {figures.plural(len(found), 'hospital')}, {approved} with an approval in force",
        h.p["Numbers of records are published rounded; how many are of which class stays with each hospital."],
        table(head, rows, caption="Hospitals of the study", folds=True),
    )


def scores(summary: RunSummary) -> h.Element | None:
    """Return one hospital's own scores by round."""
    own = summary.own
    if own is None or not own.rounds:
        return None
    lead = (
        f"Measured by {own.hospital} alone, on its own {figures.plural(own.images, 'validation image')}: this is what "
        "its votes rest on, and no other hospital sees it. Few images leave much to chance."
    )
    charts = [_chart(own, own.measure), _chart(own, ACCURACY)]
    return section("own", "This hospital's own scores", lead, h.div(".pair")[charts], _against(own))


def _chart(own: OwnScores, name: str) -> h.Element | None:
    points = [(float(one.number), one.acc if name == ACCURACY else one.auc) for one in own.rounds]
    known = [(x, value) for x, value in points if value is not None]
    if not known:
        return None
    (first, start), (last, end) = known[0], known[-1]
    series = [Series(f"{own.hospital}'s images", points, 0, heavy=True)]
    if name != ACCURACY and any(one.best_before is not None for one in own.rounds):
        before = [(float(one.number), one.best_before) for one in own.rounds]
        series.append(Series("best accepted before", before, 1))
    return line_chart(
        name,
        series,
        x=Axis("Round", write=figures.decimal, integers=True),
        y=Axis(name),
        label=f"{name} on {own.hospital}'s own images: {figures.score(start)} after round {first:.0f}, "
        f"{figures.score(end)} after round {last:.0f}",
        note="" if name == ACCURACY else f"a model over {own.tolerance:g} below the best accepted is voted against",
    )


def _against(own: OwnScores) -> h.Element | None:
    """Return the rounds that this hospital, or all together, voted down."""
    found = [one for one in own.rounds if "rejected" in (one.vote, one.outcome)]
    if not found:
        return None
    shown = found[-MOST_ROWS:]
    older = f" The last {MOST_ROWS} of {len(found)}." if len(found) > MOST_ROWS else ""
    rows = [_row(one) for one in shown]
    head = ["Round", f"Own {own.measure}", "Best accepted before", "This hospital's vote", "All together"]
    return panel(
        "Rounds that were voted against",
        h.p[f"Why this hospital voted as it did; how the others measured is theirs to know.{older}"],
        table(head, rows, caption="Rounds that were voted against", class_="numbers"),
    )


def _row(one: OwnRound) -> list[h.Node | Cell]:
    return [
        figures.whole(one.number),
        figures.score(one.auc),
        figures.score(one.best_before),
        badge(one.vote == "accepted", "for", "against"),
        badge(one.outcome == "accepted", "accepted", one.outcome or "open"),
    ]
