"""The worth of the model: gains over each hospital's own CNN, and learning curves."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Reference, Series, line_chart
from hmchain.application.pages.markup import Cell, panel, section, table
from hmchain.interfaces.report.charts import Pair, dumbbells
from hmchain.interfaces.report.parts import Estimate, Metrics, Results, Round
from hmchain.interfaces.report.parts.quality import METRICS, Metric
from hmchain.interfaces.report.summary import RunSummary

NAMES: dict[Metric, str] = {"auc": "AUC", "acc": "Accuracy"}
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
            f"{poorest} (least) to {figures.signed(most)} at {richest} (most). {_sure(results)}"
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
        h.div(".pair")[[_gain_table(results, metric) for metric in METRICS]],
        [h.p(".quiet")[words] for words in notes if words],
    )


def _sure(results: Results) -> str:
    """Say at how many hospitals the change is more than chance."""
    sure, of = len(results.whose_gain_is(1, "auc")), len(results.hospitals)
    told = f"The interval of the gain lies above 0 at {sure} of {of}"
    lost = results.whose_gain_is(-1, "auc")
    return f"{told}, below 0 at {', '.join(lost)}." if lost else f"{told}."


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


def _gain_table(results: Results, metric: Metric) -> h.Element:
    least = _least(results, metric)
    rows: list[list[h.Node | Cell]] = []
    for number, one in enumerate(results.hospitals):
        own, federated = getattr(one.own, metric), getattr(one.federated, metric)
        gain = _gain(one.gain(metric), own, worst=number == least)
        rows.append([one.hospital, estimate(own), estimate(federated), gain])
    rows.append(_summary_row("Mean of hospitals", results.own_mean, results.federated, metric))
    for name, metrics in (("FedAvg", results.fedavg), ("Pooled", results.pooled)):
        if metrics is not None:
            rows.append(_summary_row(name, None, metrics, metric))
    title = f"{NAMES[metric]}: every hospital's own CNN against FL-CNN-HMChain"
    head = ["Hospital", "Own CNN", "FL-CNN-HMChain", "Gain"]
    return panel(NAMES[metric], table(head, rows, caption=title, class_="numbers gains"))


def _summary_row(name: str, own: Metrics | None, joint: Metrics, metric: Metric) -> list[h.Node | Cell]:
    result = getattr(joint, metric)
    if own is None:
        return [Cell(name, "total"), Cell(figures.NONE, "total"), estimate(result, "total"), Cell(None, "total")]
    alone = getattr(own, metric)
    change = None if alone.value is None or result.value is None else result.value - alone.value
    gain = _gain(Estimate(value=change), alone, total=True)
    return [Cell(name, "total"), estimate(alone, "total"), estimate(result, "total"), gain]


def estimate(one: Estimate, class_: str = "") -> Cell:
    """Return a cell with a fraction and, below it, its interval."""
    interval = figures.interval(one.low, one.high)
    return Cell([figures.score(one.value), h.small[interval] if interval else None], class_)


def _gain(gain: Estimate, own: Estimate, *, worst: bool = False, total: bool = False) -> Cell:
    interval = _from_to(gain)
    unsure = f"{interval}: may be chance" if gain.sign == 0 else interval
    relative = None
    if gain.value is not None and own.value:
        relative = h.small(".relative")[figures.percent(gain.value / own.value, sign=True), " of own"]
    lowest = h.small(".flag")["lowest gain"] if worst else None
    classes = [name for name, holds in (("worst", worst), ("total", total)) if holds]
    told = h.small[unsure] if interval else None
    return Cell([figures.signed(gain.value), told, relative, lowest], " ".join(classes))


def _from_to(gain: Estimate) -> str:
    """Write the interval of a difference, whose ends have signs of their own."""
    return "" if gain.low is None or gain.high is None else f"{figures.signed(gain.low)} to {figures.signed(gain.high)}"


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
