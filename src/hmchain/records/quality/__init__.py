"""Quality of a dataset: duplicates, images, labels, values; each a check of its own, all fed in one pass."""

from hmchain.records.quality.assessment import Assessment, Sample, assess
from hmchain.records.quality.findings import ERROR, INFO, WARNING, Finding
from hmchain.records.quality.values import Rule

__all__ = [
    "ERROR",
    "INFO",
    "WARNING",
    "Assessment",
    "Finding",
    "Rule",
    "Sample",
    "assess",
]
