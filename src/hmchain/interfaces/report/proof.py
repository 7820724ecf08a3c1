"""Incidents, audit and lineage: what went wrong, and how anyone can check."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import badge, bar, definitions, digest, panel, section, table
from hmchain.interfaces.report.masters import TOP_SCORE
from hmchain.interfaces.report.parts import Audit, Incident, Lineage, LineageDataset, TamperTest, TrainingPlan
from hmchain.interfaces.report.summary import RunSummary
from hmchain.plain import size


def incidents(summary: RunSummary) -> h.Element | None:
    """Return what went wrong, each in one sentence with its evidence."""
    if not summary.incidents:
        return None
    cards = [_incident(one) for one in summary.incidents]
    lead = f"{figures.plural(len(cards), 'incident')}, noticed and answered by the same code as everything else."
    return section("incidents", "Incidents", lead, h.ul(".cards.incidents")[cards])


def _incident(one: Incident) -> h.Element:
    evidence = definitions(
        [
            ("Hospital", one.hospital),
            ("Round", figures.whole(one.round) if one.round is not None else None),
            ("Block", figures.whole(one.height) if one.height is not None else None),
            ("Chunk", figures.whole(one.chunk) if one.chunk is not None else None),
            ("Evidence", size(one.evidence_bytes) if one.evidence_bytes is not None else None),
            ("Transaction", digest(one.transaction)),
        ]
    )
    after = h.p(".quiet")[one.consequence] if one.consequence else None
    return h.li[h.h3[one.title], h.p[one.sentence], _fall(one), evidence, after]


def _fall(one: Incident) -> h.Element | None:
    """Return a score before and after, as two bars."""
    if one.before is None or one.after is None:
        return None
    rows = [
        h.div[h.span[name], bar(value / TOP_SCORE, shade), h.b[figures.whole(value)]]
        for name, value, shade in (("before", one.before, "k0"), ("after", one.after, "k1"))
    ]
    return h.div(".fall")[h.p[(one.score or "score").capitalize()], rows]


# --- audit --------------------------------------------------------------------------------------------------------


def audit(summary: RunSummary) -> h.Element | None:
    """Return what was checked against which anchor, what that does not prove, and where the model comes from."""
    if summary.audit is None and summary.lineage is None:
        return None
    found = summary.audit
    lead: h.Node = "Where the model comes from."
    if found is not None:
        time = f" in {figures.duration(found.seconds)}" if found.seconds is not None else ""
        lead = (
            badge(found.passed, "verified", "failed"),
            f" The ledger was replayed from its first block, offline{time}.",
        )
    return section(
        "audit",
        "Audit",
        lead,
        _checks(found) if found is not None else None,
        _lineage(summary.lineage, summary.plan) if summary.lineage is not None else None,
    )


def _checks(found: Audit) -> h.Element:
    rows = [[one.name, figures.whole(one.count), badge(one.passed, "holds", "broken")] for one in found.checks]
    checked = panel(
        "What was checked",
        h.p["Held against genesis digest ", digest(found.anchor, 0)],
        table(["Check", "Items", "Result"], rows, caption="What the audit checked", class_="numbers"),
        h.p["Repeat it: ", h.code[found.command]] if found.command else None,
    )
    limits = h.div[h.h3["What it does not prove"], h.ul[[h.li[one] for one in found.not_proven]]]
    beside = h.div(".panel")[_tamper(found.tamper), limits if found.not_proven else None]
    return h.div(".pair")[checked, beside]


def _tamper(test: TamperTest | None) -> h.Element | None:
    if test is None:
        return None
    return h.div[
        h.h3["Tamper test ", badge(test.found, "found and named", "not found")],
        h.p[f"One bit was flipped in a copy: {test.where}."],
        h.blockquote[test.finding],
    ]


# --- lineage ------------------------------------------------------------------------------------------------------


def _lineage(lineage: Lineage, plan: TrainingPlan | None) -> h.Element:
    led = [h.li[h.b[one.name], f" led {figures.plural(one.count, 'round')}"] for one in lineage.masters]
    pinned = definitions([("Code", digest(lineage.code_digest, 12)), ("Network", plan.architecture if plan else None)])
    model = [("Digest", digest(lineage.model_digest, 12)), ("Transaction", digest(lineage.model_transaction, 12))]
    stages: list[tuple[str, h.Node]] = [
        ("Datasets and approvals", h.ul[[_dataset(one) for one in lineage.datasets]]),
        ("Study", (h.p[lineage.study], pinned)),
        ("Rounds", (h.p[figures.plural(lineage.rounds_accepted, "accepted round")], h.ul[led])),
        ("Model", definitions(model)),
    ]
    return h.div[
        h.h3["Lineage of the model"],
        h.p[
            "Read back from the ledger alone: which data, on whose permission, by which code and masters, made this "
            "model."
        ],
        h.ol(".lineage")[[h.li[h.h4[name], content] for name, content in stages]],
    ]


def _dataset(one: LineageDataset) -> h.Element:
    withdrawn = (", withdrawn since in ", digest(one.withdrawn, 12)) if one.withdrawn else None
    return h.li[
        h.b[one.hospital], " dataset ", digest(one.digest, 12), " approved in ", digest(one.approval, 12), withdrawn
    ]
