"""Who led, who lied, and how anyone can check: masters, reputation, incidents, audit, lineage, method, limits."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Series, line_chart, master_timeline
from hmchain.application.pages.markup import (
    NOTHING,
    Child,
    Markup,
    badge,
    bar,
    definitions,
    digest,
    element,
    section,
    table,
)
from hmchain.interfaces.report.parts import (
    Audit,
    Incident,
    LedgerStatistics,
    Lineage,
    ReputationPoint,
    Split,
    TamperTest,
    Timing,
    TrainingPlan,
)
from hmchain.interfaces.report.summary import RunSummary

TOP_SCORE = 10_000


def masters(summary: RunSummary) -> Markup:
    """Return who led each round, and how the scores that choose the masters went."""
    if not summary.rounds and not summary.reputation and not summary.proposers:
        return NOTHING
    names = [hospital.name for hospital in summary.hospitals]
    timeline = None
    if summary.rounds:
        told = _told(summary)
        timeline = master_timeline("Master of each round", names, summary.rounds, label=f"Master of each round. {told}")
    return section(
        "masters",
        "Who led",
        "Each round has a master, drawn by reputation, checked by the others and replaced when it fails. "
        + _told(summary),
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


def _reputation(names: Sequence[str], points: tuple[ReputationPoint, ...]) -> Markup:
    if not points:
        return NOTHING
    consensus = "earned by voting and proposing blocks honestly"
    learning = "earned by delivering updates; a proven fraud costs most"
    charts = [
        _scores("Consensus score", names, points, [point.consensus for point in points], consensus, TOP_SCORE),
        _scores("Learning score", names, points, [point.learning for point in points], learning, TOP_SCORE),
    ]
    return element("div", charts, class_="pair")


def _scores(
    title: str,
    names: Sequence[str],
    points: Sequence[ReputationPoint],
    scores: Sequence[tuple[int, ...]],
    note: str,
    top: int,
) -> Markup:
    series = [
        Series(name, [(point.round, row[number]) for point, row in zip(points, scores, strict=True)], number)
        for number, name in enumerate(names)
    ]
    ends = ", ".join(f"{name} {figures.whole(score)}" for name, score in list(zip(names, scores[-1], strict=True))[:8])
    return line_chart(
        title,
        series,
        x=Axis("Round", write=figures.decimal, integers=True),
        y=Axis(title, (0.0, float(top)), figures.decimal, integers=True),
        label=f"{title} of each hospital by round; at the end: {ends}",
        note=note,
    )


def _shares(summary: RunSummary) -> Markup:
    """Return voting power and block proposals of each hospital, with the latest scores."""
    if not summary.proposers and not summary.reputation:
        return NOTHING
    proposed = {one.hospital: one for one in summary.proposers}
    blocks = sum(one.committed for one in summary.proposers) or 1
    first, last = (summary.reputation[0], summary.reputation[-1]) if summary.reputation else (None, None)
    power = sum(last.power) or 1 if last is not None else 1
    rows: list[list[Child]] = []
    for number, hospital in enumerate(summary.hospitals):
        row: list[Child] = [hospital.name]
        if first is not None and last is not None:
            share = last.power[number] / power
            change = f"{figures.whole(first.power[number])} → {figures.whole(last.power[number])}"
            row += [change, figures.percent(share), element("td", bar(share), class_="bar-cell")]
        if proposed:
            one = proposed.get(hospital.name)
            count, failed = (one.committed, one.failed) if one is not None else (0, 0)
            wrong = element("td", figures.whole(failed), class_="worst" if failed else None)
            row += [figures.whole(count), element("td", bar(count / blocks, "k2"), class_="bar-cell"), wrong]
        rows.append(row)
    columns = ["Hospital"]
    columns += ["Voting power, first → last", "Share of power", ""] if last is not None else []
    columns += ["Blocks proposed", "", "Turns failed"] if proposed else []
    grid = table(columns, rows, caption="Voting power and block proposals", class_="numbers")
    return element("div", element("h3", "Voting power and block proposals"), grid, class_="panel")


# --- incidents ----------------------------------------------------------------------------------------------------


def incidents(summary: RunSummary) -> Markup:
    """Return what went wrong, each in one sentence with its evidence."""
    if not summary.incidents:
        return NOTHING
    cards = [_incident(one) for one in summary.incidents]
    lead = f"{figures.plural(len(cards), 'incident')}, noticed and answered by the same code as everything else."
    return section("incidents", "Incidents", lead, element("ul", cards, class_="cards incidents"))


def _incident(one: Incident) -> Markup:
    evidence = definitions(
        [
            ("Hospital", one.hospital),
            ("Round", figures.whole(one.round) if one.round is not None else None),
            ("Block", figures.whole(one.height) if one.height is not None else None),
            ("Chunk", figures.whole(one.chunk) if one.chunk is not None else None),
            ("Evidence", figures.size(one.evidence_bytes) if one.evidence_bytes is not None else None),
            ("Transaction", digest(one.transaction)),
        ]
    )
    after = element("p", one.consequence, class_="quiet") if one.consequence else None
    return element("li", element("h3", one.title), element("p", one.sentence), _fall(one), evidence, after)


def _fall(one: Incident) -> Markup:
    """Return a score before and after, as two bars."""
    if one.before is None or one.after is None:
        return NOTHING
    rows = [
        element("div", element("span", name), bar(value / TOP_SCORE, shade), element("b", figures.whole(value)))
        for name, value, shade in (("before", one.before, "k0"), ("after", one.after, "k1"))
    ]
    return element("div", element("p", (one.score or "score").capitalize()), rows, class_="fall")


# --- audit --------------------------------------------------------------------------------------------------------


def audit(summary: RunSummary) -> Markup:
    """Return what was checked against which anchor, what that does not prove, and where the model comes from."""
    if summary.audit is None and summary.lineage is None:
        return NOTHING
    found = summary.audit
    lead: Child = "Where the model comes from."
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


def _checks(found: Audit) -> Markup:
    rows = [[one.name, figures.whole(one.count), badge(one.passed, "holds", "broken")] for one in found.checks]
    checked = element(
        "div",
        element("h3", "What was checked"),
        element("p", "Held against genesis digest ", digest(found.anchor, 0)),
        table(["Check", "Items", "Result"], rows, caption="What the audit checked", class_="numbers"),
        element("p", "Repeat it: ", element("code", found.command)) if found.command else None,
        class_="panel",
    )
    limits = element(
        "div", element("h3", "What it does not prove"), element("ul", [element("li", one) for one in found.not_proven])
    )
    beside = element("div", _tamper(found.tamper), limits if found.not_proven else None, class_="panel")
    return element("div", checked, beside, class_="pair")


def _tamper(test: TamperTest | None) -> Markup:
    if test is None:
        return NOTHING
    return element(
        "div",
        element("h3", "Tamper test ", badge(test.found, "found and named", "not found")),
        element("p", f"One bit was flipped in a copy: {test.where}."),
        element("blockquote", test.finding),
    )


def _lineage(lineage: Lineage, plan: TrainingPlan | None) -> Markup:
    datasets = [
        element(
            "li",
            element("b", one.hospital),
            " dataset ",
            digest(one.digest, 12),
            " approved in ",
            digest(one.approval, 12),
            *((", withdrawn since in ", digest(one.withdrawn, 12)) if one.withdrawn else ()),
        )
        for one in lineage.datasets
    ]
    led = [
        element("li", element("b", one.name), f" led {figures.plural(one.count, 'round')}") for one in lineage.masters
    ]
    pinned = definitions([("Code", digest(lineage.code_digest, 12)), ("Network", plan.architecture if plan else None)])
    stages = [
        ("Datasets and approvals", element("ul", datasets)),
        ("Study", (element("p", lineage.study), pinned)),
        ("Rounds", (element("p", f"{figures.plural(lineage.rounds_accepted, 'accepted round')}"), element("ul", led))),
        (
            "Model",
            definitions(
                [("Digest", digest(lineage.model_digest, 12)), ("Transaction", digest(lineage.model_transaction, 12))]
            ),
        ),
    ]
    steps = [element("li", element("h4", name), content) for name, content in stages]
    words = (
        "Read back from the ledger alone: which data, on whose permission, by which code and masters, made this model."
    )
    return element(
        "div", element("h3", "Lineage of the model"), element("p", words), element("ol", steps, class_="lineage")
    )


# --- method and limits --------------------------------------------------------------------------------------------


def method(summary: RunSummary) -> Markup:
    """Return split, training plan, ledger and timings."""
    panels = [
        _split(summary.split) if summary.split is not None else None,
        _plan(summary.plan) if summary.plan is not None else None,
        _ledger(summary.ledger) if summary.ledger is not None else None,
        _timings(summary.timings) if summary.timings else None,
    ]
    if not any(panels):
        return NOTHING
    lead = "How the images were shared out, what the study fixed before it began, and what it cost."
    return section("method", "How it was done", lead, element("div", panels, class_="pair"))


def _panel(title: str, *content: Child) -> Markup:
    return element("div", element("h3", title), content, class_="panel")


def _split(split: Split) -> Markup:
    return _panel(
        "Split",
        element("p", split.description),
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


def _plan(plan: TrainingPlan) -> Markup:
    return _panel(
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


def _ledger(ledger: LedgerStatistics) -> Markup:
    withstands = f"{figures.whole(ledger.validators)}, {figures.whole(ledger.tolerated)} of them may be dishonest"
    return _panel(
        "Ledger",
        definitions(
            [
                ("Blocks", figures.whole(ledger.blocks)),
                ("Transactions", figures.whole(ledger.transactions)),
                ("Refused", figures.whole(ledger.refused)),
                ("Size on disk", figures.size(ledger.bytes)),
                ("Validators", withstands),
                *((one.name, figures.whole(one.count)) for one in ledger.kinds),
            ]
        ),
    )


def _timings(timings: tuple[Timing, ...]) -> Markup:
    longest = max(one.seconds for one in timings) or 1.0
    rows = [
        [one.stage, figures.duration(one.seconds), element("td", bar(one.seconds / longest), class_="bar-cell")]
        for one in timings
    ]
    return _panel("Time", table(["Stage", "Time", ""], rows, caption="Time of each stage", class_="numbers"))


def limits(summary: RunSummary) -> Markup:
    """Return what this run does not show."""
    if not summary.limits:
        return NOTHING
    cards = [element("li", element("h3", one.name), element("p", one.text)) for one in summary.limits]
    lead = "What this run does not show, and what that means for you."
    return section("limits", "Limits", lead, element("ul", cards, class_="cards plain"))


def next_steps(summary: RunSummary) -> Markup:
    """Return the commands to go on with."""
    if not summary.next_commands:
        return NOTHING
    items = [element("li", element("code", one.name), element("span", one.text)) for one in summary.next_commands]
    return section("next", "Next", "Commands to go on with.", element("ul", items, class_="commands"))
