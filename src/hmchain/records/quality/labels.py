"""Labels: whether there is something to tell apart, and enough of each class to learn it from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hmchain.records.quality.findings import INFO, WARNING, Finding, Tally

IMBALANCE = 10
"""How many times the smallest class the largest may be."""
RARE = 20
"""Records, below which a class can be neither learned nor tested."""
CLASSES_MAX = 1000


class LabelChecks:
    """Counts the labels of records one by one."""

    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._without = Tally()
        self._too_many = Tally()

    def add(self, record: str, label: str) -> None:
        """Count a record's label; nothing is no label."""
        if not label:
            self._without.add(record)
        elif label in self._labels or len(self._labels) < CLASSES_MAX:
            self._labels[label] += 1
        else:
            self._too_many.add(record)

    @property
    def labels(self) -> Mapping[str, int]:
        """The number of records of each label, in the order of the labels."""
        return dict(sorted(self._labels.items()))

    def findings(self) -> list[Finding]:
        """List what stands out; nothing if there are no labels at all."""
        if not self._labels:
            return []
        ordered = self._labels.most_common()
        (largest, most), (smallest, least) = ordered[0], ordered[-1]
        found = self._without.finding(
            WARNING, "unlabelled", "{} records have no label, others do", "label them, or leave them out"
        )
        if len(ordered) == 1:
            what = f"all labelled records are of the class {largest}"
            found.append(Finding(WARNING, "one_label", what, "there is nothing to learn; add another class", most))
        elif most > IMBALANCE * least:
            what = f"{largest} has {most} records, {smallest} {least}"
            hint = "weigh the classes in training, and judge by figures that do not reward guessing the larger one"
            found.append(Finding(WARNING, "imbalance", what, hint, self._labels.total()))
        rare = [label for label, count in ordered if count < RARE]
        if rare:
            what = f"{len(rare)} classes have fewer than {RARE} records: {', '.join(sorted(rare)[:5])}"
            found.append(Finding(INFO, "rare_label", what, "join them with others, or collect more", len(rare)))
        what = f"{{}} records have labels beyond the first {CLASSES_MAX}"
        return found + self._too_many.finding(WARNING, "many_labels", what, "what labels them may be an identifier")
