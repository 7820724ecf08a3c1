"""What people said to the use of their records, and hospitals to the model's leaving."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import Cell, badge, digest, section, table
from hmchain.interfaces.report.parts import Estimate, Release, Withdrawal
from hmchain.interfaces.report.summary import RunSummary


def release(summary: RunSummary) -> h.Element | None:
    """Return who withdrew, what each hospital measured, and whether the model may leave."""
    if summary.release is None and summary.withdrawal is None:
        return None
    found = summary.release
    granted = found is not None and all(word.decision == "granted" for word in found.words)
    lead: h.Node = "Whose records are in it."
    if found is not None:
        lead = (badge(granted, "released", "stays inside"), f" {_told(found)}")
    return section(
        "release",
        "May the model leave?",
        lead,
        h.p[_withdrawn(summary.withdrawal)] if summary.withdrawal is not None else None,
        _measured(found) if found is not None else None,
    )


def _withdrawn(one: Withdrawal) -> str:
    images, after = figures.plural(one.images, "image"), one.rounds - one.last_round
    return (
        f"A patient of {one.hospital} withdrew consent while the study ran: {images} of the patient "
        f"{'was' if one.images == 1 else 'were'} used up to round {one.last_round}, and in none of the {after} after "
        "it. The model does not forget what it learned before."
    )


def _told(found: Release) -> str:
    refused = (
        f"{found.refused_by} refused at first ({found.reason}): nobody had measured what the model tells of its "
        "patients. With evidence of their own "
        if found.refused_by
        else "With evidence of their own "
    )
    return f"{refused}all {len(found.words)} hospitals let it leave for {found.audience}, in block {found.height}."


def _measured(found: Release) -> h.Element:
    rows: list[list[h.Node | Cell]] = [
        [
            word.hospital,
            badge(word.decision == "granted", word.decision, word.decision),
            figures.whole(word.members),
            figures.whole(word.others),
            _estimate(word.auc),
            _estimate(word.rate),
            Cell(digest(word.evidence, 12), class_="whole"),
        ]
        for word in found.words
    ]
    head = ["Hospital", "Decision", "Its training images", "Others", "AUC", "At 1 % false positives", "Evidence"]
    return h.div[
        h.p[
            f"Each hospital measured on its own images how well {found.attack} tells those that the model was trained "
            "on from others. An AUC of 0.5 and a rate of 0.01 are chance; the rate is said from 500 other images on."
        ],
        table(head, rows, caption="What each hospital measured, and said", class_="numbers", folds=True),
        h.p[f"Seen, and weighed by their stewards: {'; '.join(found.seen)}."] if found.seen else None,
        h.p["The released file carries the proof: ", h.code[f"{found.file}"]] if found.file else None,
    ]


def _estimate(found: Estimate | None) -> str:
    if found is None or found.value is None:
        return "not said"
    interval = figures.interval(found.low, found.high)
    return f"{figures.score(found.value)}{f' ({interval})' if interval else ''}"
