"""The joint model's errors in detail: confusion, class by class, ROC, calibration."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.charts import Axis, Series, line_chart
from hmchain.application.pages.markup import Cell, panel, section, table
from hmchain.application.pages.plot import figure
from hmchain.interfaces.report.parts import Calibration, Performance, RocCurve
from hmchain.interfaces.report.results import estimate
from hmchain.interfaces.report.summary import RunSummary

MOST_BESIDE = 6
"""A confusion matrix of more classes than this takes the whole width."""
SPECIFICITIES = (0.80, 0.90, 0.95)


def performance(summary: RunSummary) -> h.Element | None:
    """Return confusion, per-class rates, ROC and calibration of the joint model."""
    detail = summary.performance
    if detail is None:
        return None
    total = sum(map(sum, detail.confusion))
    right = sum(row[number] for number, row in enumerate(detail.confusion))
    classes = summary.identity.classes
    narrow = len(classes) <= MOST_BESIDE
    lead = f"Of {figures.plural(total, 'test image')} the joint model names {figures.whole(right)} rightly."
    return section(
        "performance",
        "The model in detail",
        lead,
        h.div(class_="pair" if narrow else "")[_confusion(detail, classes), _classes(detail)],
        h.div(".pair")[_roc(detail), _calibration(detail.calibration)],
    )


def _confusion(detail: Performance, classes: tuple[str, ...]) -> h.Element:
    rows: list[list[h.Node | Cell]] = []
    for name, counts in zip(classes, detail.confusion, strict=True):
        support = sum(counts) or 1
        rows.append([name, *(_heat(count, count / support) for count in counts)])
    return panel(
        "Confusion matrix",
        h.p(".quiet")["Test images; a row is a true class, a column what the model said. Colour: share of the row."],
        table(["True ↓  predicted →", *classes], rows, caption="Confusion matrix of the joint model", class_="heat"),
    )


def _heat(count: int, share: float) -> Cell:
    return Cell([figures.whole(count), h.small[figures.percent(share)]], style=f"--share:{share:.3f}")


def _classes(detail: Performance) -> h.Element:
    rows: list[list[h.Node | Cell]] = [
        [one.name, figures.whole(one.support), estimate(one.sensitivity), estimate(one.specificity)]
        for one in detail.classes
    ]
    columns = ["Class", "Test images", "Sensitivity", "Specificity"]
    return panel(
        "Class by class",
        h.p(".quiet")[
            "Sensitivity: share of the class that is found. Specificity: share of the others that is left alone."
        ],
        table(columns, rows, caption="Sensitivity and specificity of each class", class_="numbers"),
    )


def _roc(detail: Performance) -> h.Element | None:
    if not detail.roc:
        return None
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


def _calibration(methods: tuple[Calibration, ...]) -> h.Element | None:
    if not methods:
        return None
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
        return figure("Calibration", None, data)
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
