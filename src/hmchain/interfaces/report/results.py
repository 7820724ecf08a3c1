"""The worth of the model: gains over each hospital's own CNN, and learning curves."""

from __future__ import annotations

from typing import Literal

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Reference, Series, line_chart
from hmchain.application.pages.markup import Cell, section, table
from hmchain.interfaces.report.charts import Pair, dumbbells
from hmchain.interfaces.report.parts import Estimate, Metrics, Results, Round
from hmchain.interfaces.report.summary import RunSummary

Metric = Literal["auc", "acc"]
NAMES: dict[Metric, str] = {"auc": "AUC", "acc": "Accuracy"}
METRICS: tuple[Metric, ...] = ("auc", "acc")
MOST_REFERENCES = 5
"""With more hospitals than this the curves show the lowest, mean and highest own CNN instead of each."""


def gains(summary: RunSummary) -> h.Element | None:
    """Return what each hospital wins by taking part."""
    results = summary.results
    if results is None:
        return None
    by_gain = [(gain, one.hospital) for one in results.hospitals if (gain := one.gain("auc").value) is not None]
    lead = "The joint model beside the one that each hospital could train alone."
    if by_gain:
        (least, poorest), (most, richest) = min(by_gain), max(by_gain)
        lead = (
            f"Against the CNN that each hospital could train alone, AUC changes by {figures.signed(least)} at "
            f"{poorest} (least) to {figures.signed(most)} at {richest} (most)."
        )
    charts = [_gain_chart(results, metric) for metric in METRICS]
    note = f"Intervals: {results.intervals}." if results.intervals else ""
    plan = summary.plan
    fair = f"Comparison: {plan.comparison}." if plan and plan.comparison else ""
    pooled = "Pooled means one model trained on everybody's images in one place: a yardstick, which privacy forbids."
    notes = (pooled if results.pooled is not None else "", note, fair)
    return section(
        "gains",
        "What each hospital gains",
        lead,
        h.div(".pair")[charts],
        _gain_table(results),
        [h.p(".quiet")[words] for words in notes if words],
    )


def _gain_chart(results: Results, metric: Metric) -> h.Element:
    worst = _least(results, metric)
    pairs = [
        Pair(
            name=one.hospital,
            own=getattr(one.own, metric),
            federated=getattr(one.federated, metric),
            gain=figures.signed(one.gain(metric).value),
            worst=number == worst,
        )
        for number, one in enumerate(results.hospitals)
    ]
    rows = [[pair.name, _written(pair.own), _written(pair.federated), pair.gain] for pair in pairs]
    data = table(["Hospital", "Own CNN", "FL-CNN-HMChain", "Gain"], rows, caption=f"{NAMES[metric]} and gain")
    pooled = getattr(results.pooled, metric).value if results.pooled is not None else None
    told = "; ".join(
        f"{pair.name} {figures.score(pair.own.value)} to {figures.score(pair.federated.value)}" for pair in pairs[:8]
    )
    label = f"{NAMES[metric]} of each hospital's own CNN and of FL-CNN-HMChain: {told}"
    return dumbbells(NAMES[metric], pairs, label=label, data=data, pooled=pooled)


def _least(results: Results, metric: Metric) -> int | None:
    known = [
        (gain, number) for number, one in enumerate(results.hospitals) if (gain := one.gain(metric).value) is not None
    ]
    return min(known)[1] if known else None


def _gain_table(results: Results) -> h.Element:
    worst = {metric: _least(results, metric) for metric in METRICS}
    rows: list[list[h.Node | Cell]] = []
    for number, one in enumerate(results.hospitals):
        row: list[h.Node | Cell] = [one.hospital]
        for metric in METRICS:
            own, federated = getattr(one.own, metric), getattr(one.federated, metric)
            row += [estimate(own), estimate(federated), _gain(one.gain(metric), own, worst=number == worst[metric])]
        rows.append(row)
    rows.append(_summary_row("Mean of hospitals", results.own_mean, results.federated))
    for name, metrics in (("FedAvg", results.fedavg), ("Pooled", results.pooled)):
        if metrics is not None:
            rows.append(_summary_row(name, None, metrics))
    head = ["Hospital"]
    for metric in METRICS:
        head += [f"{NAMES[metric]}, own CNN", f"{NAMES[metric]}, FL-CNN-HMChain", "Gain"]
    return table(head, rows, caption="Every hospital's own CNN against FL-CNN-HMChain", class_="numbers gains")


def _summary_row(name: str, own: Metrics | None, joint: Metrics) -> list[h.Node | Cell]:
    row: list[h.Node | Cell] = [Cell(name, "total")]
    for metric in METRICS:
        result = getattr(joint, metric)
        if own is None:
            row += [Cell(figures.NONE, "total"), estimate(result, "total"), Cell(None, "total")]
            continue
        alone = getattr(own, metric)
        change = None if alone.value is None or result.value is None else result.value - alone.value
        row += [estimate(alone, "total"), estimate(result, "total"), _gain(Estimate(value=change), alone, total=True)]
    return row


def estimate(one: Estimate, class_: str = "") -> Cell:
    """Return a cell with a fraction and, below it, its interval."""
    interval = figures.interval(one.low, one.high)
    return Cell([figures.score(one.value), h.small[interval] if interval else None], class_)


def _gain(gain: Estimate, own: Estimate, *, worst: bool = False, total: bool = False) -> Cell:
    relative = None
    if gain.value is not None and own.value:
        relative = h.small[figures.percent(gain.value / own.value, sign=True), " of own"]
    lowest = h.small(".flag")["lowest gain"] if worst else None
    classes = [name for name, holds in (("worst", worst), ("total", total)) if holds]
    return Cell([figures.signed(gain.value), relative, lowest], " ".join(classes))


def _written(one: Estimate) -> str:
    interval = figures.interval(one.low, one.high)
    return f"{figures.score(one.value)} ({interval})" if interval else figures.score(one.value)


# --- learning curves ----------------------------------------------------------------------------------------------


def curves(summary: RunSummary) -> h.Element | None:
    """Return the joint model's test scores by round, with what it is to be compared with."""
    scored = [turn for turn in summary.rounds if turn.auc is not None or turn.acc is not None]
    if not scored:
        return None
    lead = (
        "Test scores of the joint model after each round. They are measured by the demo for this report; the hospitals "
        "never see the test images and vote on their own validation images."
    )
    charts = [_curve(summary.rounds, summary.results, metric) for metric in METRICS]
    return section("curves", "How the model learned", lead, h.div(".pair")[charts])


def _curve(rounds: tuple[Round, ...], results: Results | None, metric: Metric) -> h.Element | None:
    points: list[tuple[float, float | None]] = [(turn.number, getattr(turn, metric)) for turn in rounds]
    known = [(x, value) for x, value in points if value is not None]
    if not known:
        return None
    (first, start), (last, end) = known[0], known[-1]
    label = (
        f"{NAMES[metric]} of FL-CNN-HMChain: {figures.score(start)} after round {first:.0f}, "
        f"{figures.score(end)} after round {last:.0f}"
    )
    return line_chart(
        NAMES[metric],
        [Series("FL-CNN-HMChain", known, 0, heavy=True)],
        x=Axis("Round", write=figures.decimal, integers=True),
        y=Axis(NAMES[metric]),
        label=label,
        references=_references(results, metric) if results is not None else (),
        note="dashed: what other ways of training reach at their end" if results is not None else "",
    )


def _references(results: Results, metric: Metric) -> list[Reference]:
    own = [(one.hospital, value) for one in results.hospitals if (value := getattr(one.own, metric).value) is not None]
    levels = [Reference(f"own, {name}", value, "k1") for name, value in own]
    if len(own) > MOST_REFERENCES:
        values = [value for _, value in own]
        levels = [
            Reference("own CNN, highest", max(values), "k1"),
            Reference("own CNNs, mean", sum(values) / len(values), "k1"),
            Reference("own CNN, lowest", min(values), "k1"),
        ]
    for name, metrics, shade in (("pooled", results.pooled, "ink"), ("FedAvg", results.fedavg, "k2")):
        if metrics is not None and (value := getattr(metrics, metric).value) is not None:
            levels.append(Reference(name, value, shade))
    return levels
