"""Method, limits and next steps: how it was done, what it does not show, how to go on."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import Cell, bar, definitions, digest, panel, section, table
from hmchain.interfaces.report.parts import LedgerStatistics, Split, Timing, TrainingPlan
from hmchain.interfaces.report.summary import RunSummary
from hmchain.plain import size


def method(summary: RunSummary) -> h.Element | None:
    """Return split, training plan, ledger and timings."""
    panels = [
        _split(summary.split) if summary.split is not None else None,
        _plan(summary.plan) if summary.plan is not None else None,
        _ledger(summary.ledger) if summary.ledger is not None else None,
        _timings(summary.timings) if summary.timings else None,
    ]
    if not any(panels):
        return None
    lead = "How the images were shared out, what the study fixed before it began, and what it cost."
    return section("method", "How it was done", lead, h.div(".pair")[panels])


def _split(split: Split) -> h.Element:
    return panel(
        "Split",
        h.p[split.description],
        definitions(
            [
                ("Images found", figures.whole(split.images_found)),
                ("Near-duplicate groups, kept whole", figures.whole(split.groups)),
                ("Dropped: near-duplicate of a test image", figures.whole(split.near_duplicates_dropped)),
                ("Training", figures.whole(split.training)),
                ("Validation", figures.whole(split.validation)),
                ("Test", figures.whole(split.test)),
                ("Draws thrown away", figures.whole(split.redraws)),
            ]
        ),
    )


def _plan(plan: TrainingPlan) -> h.Element:
    return panel(
        "Training plan, pinned on the ledger",
        definitions(
            [
                ("Network", plan.architecture),
                ("Parameters", figures.whole(plan.parameters)),
                ("Rounds", figures.whole(plan.rounds)),
                ("Algorithm", plan.algorithm),
                ("Schedule", plan.schedule),
                ("Bits of a coordinate", figures.whole(plan.bits)),
                ("Code", digest(plan.code_digest)),
                *((one.name, one.text) for one in plan.more),
            ]
        ),
    )


def _ledger(ledger: LedgerStatistics) -> h.Element:
    withstands = f"{figures.whole(ledger.validators)}, {figures.whole(ledger.tolerated)} of them may be dishonest"
    return panel(
        "Ledger",
        definitions(
            [
                ("Blocks", figures.whole(ledger.blocks)),
                ("Transactions", figures.whole(ledger.transactions)),
                ("Refused", figures.whole(ledger.refused)),
                ("Size on disk", size(ledger.bytes)),
                ("Validators", withstands),
                *((one.name, figures.whole(one.count)) for one in ledger.kinds),
            ]
        ),
    )


def _timings(timings: tuple[Timing, ...]) -> h.Element:
    longest = max(one.seconds for one in timings) or 1.0
    rows: list[list[h.Node | Cell]] = [
        [one.stage, figures.duration(one.seconds), Cell(bar(one.seconds / longest), "bar-cell")] for one in timings
    ]
    return panel("Time", table(["Stage", "Time", ""], rows, caption="Time of each stage", class_="numbers"))


def limits(summary: RunSummary) -> h.Element | None:
    """Return what this run does not show."""
    if not summary.limits:
        return None
    cards = [h.li[h.h3[one.name], h.p[one.text]] for one in summary.limits]
    lead = "What this run does not show, and what that means for you."
    return section("limits", "Limits", lead, h.ul(".cards.plain")[cards])


def next_steps(summary: RunSummary) -> h.Element | None:
    """Return the commands to go on with."""
    if not summary.next_commands:
        return None
    items = [h.li[h.code[one.name], h.span[one.text]] for one in summary.next_commands]
    return section("next", "Next", "Commands to go on with.", h.ul(".commands")[items])
