"""Is the model good, and for whom: learning curves, gains, and the model's errors in detail."""

from __future__ import annotations

from typing import Literal

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Pair, Reference, Series, dumbbells, line_chart
from hmchain.application.pages.markup import NOTHING, Child, Markup, element, section, table
from hmchain.application.pages.plot import figure
from hmchain.interfaces.report.parts import Calibration, Estimate, Metrics, Performance, Results, RocCurve, Round
from hmchain.interfaces.report.summary import RunSummary

Metric = Literal["auc", "acc"]
NAMES: dict[Metric, str] = {"auc": "AUC", "acc": "Accuracy"}
METRICS: tuple[Metric, ...] = ("auc", "acc")
MOST_REFERENCES = 5
"""With more hospitals than this the curves show the lowest, mean and highest own CNN instead of each."""
MOST_BESIDE = 6
"""A confusion matrix of more classes than this takes the whole width."""
SPECIFICITIES = (0.80, 0.90, 0.95)


def gains(summary: RunSummary) -> Markup:
    """Return what each hospital wins by taking part."""
    results = summary.results
    if results is None:
        return NOTHING
    by_gain = [(gain, one.hospital) for one in results.hospitals if (gain := one.gain("auc").value) is not None]
    lead = "The joint model beside the one that each hospital could train alone."
    if by_gain:
        (least, poorest), (most, richest) = min(by_gain), max(by_gain)
        lead = (
            f"Against the CNN that each hospital could train alone, AUC changes by {figures.signed(least)} at "
            f"{poorest} (least) to {figures.signed(most)} at {richest} (most)."
        )
    charts = [_gain_chart(results, metric) for metric in METRICS]
    note = element("p", f"Intervals: {results.intervals}.", class_="quiet") if results.intervals else None
    plan = summary.plan
    fair = element("p", f"Comparison: {plan.comparison}.", class_="quiet") if plan and plan.comparison else None
    pooled = "Pooled means one model trained on everybody's images in one place: a yardstick, which privacy forbids."
    yardstick = element("p", pooled, class_="quiet") if results.pooled is not None else None
    return section(
        "gains",
        "What each hospital gains",
        lead,
        element("div", charts, class_="pair"),
        _gain_table(results),
        yardstick,
        note,
        fair,
    )


def _gain_chart(results: Results, metric: Metric) -> Markup:
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
    rows = [[pair.name, _estimate(pair.own), _estimate(pair.federated), pair.gain] for pair in pairs]
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


def _gain_table(results: Results) -> Markup:
    worst = {metric: _least(results, metric) for metric in METRICS}
    rows: list[list[Child]] = []
    for number, one in enumerate(results.hospitals):
        row: list[Child] = [one.hospital]
        for metric in METRICS:
            own, federated = getattr(one.own, metric), getattr(one.federated, metric)
            row += [_cell(own), _cell(federated), _gain(one.gain(metric), own, worst=number == worst[metric])]
        rows.append(row)
    rows.append(_summary_row("Mean of hospitals", results.own_mean, results.federated))
    for name, metrics in (("FedAvg", results.fedavg), ("Pooled", results.pooled)):
        if metrics is not None:
            rows.append(_summary_row(name, None, metrics))
    head = ["Hospital"]
    for metric in METRICS:
        head += [f"{NAMES[metric]}, own CNN", f"{NAMES[metric]}, FL-CNN-HMChain", "Gain"]
    return table(head, rows, caption="Every hospital's own CNN against FL-CNN-HMChain", class_="numbers gains")


def _summary_row(name: str, own: Metrics | None, joint: Metrics) -> list[Child]:
    row: list[Child] = [element("th", name, scope="row", class_="total")]
    for metric in METRICS:
        result = getattr(joint, metric)
        if own is None:
            row += [element("td", figures.NONE, class_="total"), _cell(result, "total"), element("td", class_="total")]
            continue
        alone = getattr(own, metric)
        change = None if alone.value is None or result.value is None else result.value - alone.value
        row += [_cell(alone, "total"), _cell(result, "total"), _gain(Estimate(value=change), alone, total=True)]
    return row


def _cell(estimate: Estimate, class_: str = "") -> Markup:
    interval = figures.interval(estimate)
    return element(
        "td", figures.score(estimate.value), element("small", interval) if interval else None, class_=class_ or None
    )


def _gain(gain: Estimate, own: Estimate, *, worst: bool = False, total: bool = False) -> Markup:
    relative = None
    if gain.value is not None and own.value:
        relative = element("small", figures.percent(gain.value / own.value, sign=True), " of own")
    lowest = element("small", "lowest gain", class_="flag") if worst else None
    classes = [name for name, holds in (("worst", worst), ("total", total)) if holds]
    return element("td", figures.signed(gain.value), relative, lowest, class_=" ".join(classes) or None)


def _estimate(estimate: Estimate) -> str:
    interval = figures.interval(estimate)
    return f"{figures.score(estimate.value)} ({interval})" if interval else figures.score(estimate.value)


# --- learning curves ----------------------------------------------------------------------------------------------


def curves(summary: RunSummary) -> Markup:
    """Return the joint model's test scores by round, with what it is to be compared with."""
    scored = [turn for turn in summary.rounds if turn.auc is not None or turn.acc is not None]
    if not scored:
        return NOTHING
    lead = (
        "Test scores of the joint model after each round. They are measured by the demo for this report; the hospitals "
        "never see the test images and vote on their own validation images."
    )
    charts = [_curve(summary.rounds, summary.results, metric) for metric in METRICS]
    return section("curves", "How the model learned", lead, element("div", charts, class_="pair"))


def _curve(rounds: tuple[Round, ...], results: Results | None, metric: Metric) -> Markup:
    points: list[tuple[float, float | None]] = [(turn.number, getattr(turn, metric)) for turn in rounds]
    known = [(x, value) for x, value in points if value is not None]
    if not known:
        return NOTHING
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


# --- the model's errors -------------------------------------------------------------------------------------------


def performance(summary: RunSummary) -> Markup:
    """Return confusion, per-class rates, ROC and calibration of the joint model."""
    detail = summary.performance
    if detail is None:
        return NOTHING
    total = sum(map(sum, detail.confusion))
    right = sum(row[number] for number, row in enumerate(detail.confusion))
    classes = summary.identity.classes
    narrow = len(classes) <= MOST_BESIDE
    lead = f"Of {figures.plural(total, 'test image')} the joint model names {figures.whole(right)} rightly."
    return section(
        "performance",
        "The model in detail",
        lead,
        element("div", _confusion(detail, classes), _classes(detail), class_="pair" if narrow else None),
        element("div", _roc(detail), _calibration(detail.calibration), class_="pair"),
    )


def _confusion(detail: Performance, classes: tuple[str, ...]) -> Markup:
    rows: list[list[Child]] = []
    for name, counts in zip(classes, detail.confusion, strict=True):
        support = sum(counts) or 1
        cells = [_heat(count, count / support) for count in counts]
        rows.append([name, *cells])
    grid = table(["True ↓  predicted →", *classes], rows, caption="Confusion matrix of the joint model", class_="heat")
    words = "Test images; a row is a true class, a column what the model said. Colour: share of the row."
    return element("div", element("h3", "Confusion matrix"), element("p", words, class_="quiet"), grid, class_="panel")


def _heat(count: int, share: float) -> Markup:
    percent = element("small", figures.percent(share))
    return element("td", figures.whole(count), percent, style=f"--share:{share:.3f}")


def _classes(detail: Performance) -> Markup:
    rows = [
        [one.name, figures.whole(one.support), _cell(one.sensitivity), _cell(one.specificity)] for one in detail.classes
    ]
    columns = ["Class", "Test images", "Sensitivity", "Specificity"]
    grid = table(columns, rows, caption="Sensitivity and specificity of each class", class_="numbers")
    words = "Sensitivity: share of the class that is found. Specificity: share of the others that is left alone."
    return element("div", element("h3", "Class by class"), element("p", words, class_="quiet"), grid, class_="panel")


def _roc(detail: Performance) -> Markup:
    if not detail.roc:
        return NOTHING
    series = [
        Series(
            curve.method if curve.auc is None else f"{curve.method} (AUC {figures.score(curve.auc)})",
            list(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)),
            number,
            heavy=number == 0,
            radii=[0.0] * len(curve.false_positive_rate),
        )
        for number, curve in enumerate(detail.roc)
    ]
    rows = [
        [curve.method, *(figures.score(_sensitivity_at(curve, level)) for level in SPECIFICITIES)]
        for curve in detail.roc
    ]
    columns = ["Method", *(f"Sensitivity at {figures.percent(level)} specificity" for level in SPECIFICITIES)]
    return line_chart(
        "ROC",
        series,
        x=Axis("1 − specificity", (0.0, 1.0)),
        y=Axis("Sensitivity", (0.0, 1.0)),
        label="ROC curves, sensitivity against one minus specificity: " + "; ".join(line.name for line in series),
        diagonal=True,
        data=table(columns, rows, caption="Points on the ROC curves"),
        height=400,
        note=detail.roc_note or "sensitivity against 1 − specificity",
    )


def _sensitivity_at(curve: RocCurve, specificity: float) -> float:
    """Return the best sensitivity among thresholds that keep at least `specificity`."""
    rates = zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
    return max((found for alarms, found in rates if alarms <= 1 - specificity + 1e-9), default=0.0)


def _calibration(methods: tuple[Calibration, ...]) -> Markup:
    if not methods:
        return NOTHING
    largest = max((one.count for method in methods for one in method.bins), default=1) or 1
    series = []
    for number, method in enumerate(methods):
        filled = [one for one in method.bins if one.count]
        name = f"{method.method} (ECE {figures.score(method.expected_error)})"
        radii = [2.5 + 6 * (one.count / largest) ** 0.5 for one in filled]
        series.append(
            Series(name, [(one.confidence, one.accuracy) for one in filled], number, heavy=number == 0, radii=radii)
        )
    rows = [
        [method.method, figures.whole(one.count), figures.score(one.confidence), figures.score(one.accuracy)]
        for method in methods
        for one in method.bins
        if one.count
    ]
    data = table(["Method", "Images", "Confidence", "Right"], rows, caption="Reliability of the probabilities")
    if not rows:
        return figure("Calibration", NOTHING, data)
    return line_chart(
        "Calibration",
        series,
        x=Axis("How sure the model was", (0.0, 1.0)),
        y=Axis("How often it was right", (0.0, 1.0)),
        label="Reliability diagram, share right against confidence: " + "; ".join(line.name for line in series),
        diagonal=True,
        data=data,
        height=400,
        note="how often it was right, by how sure it was; on the diagonal both agree. A larger dot: more images",
    )
