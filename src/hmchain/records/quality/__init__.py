"""Quality of a dataset: duplicates, images, labels, values; each a check of its own, all fed in one pass."""

from hmchain.records.pictures.duplicates import THRESHOLD, near_duplicate_groups, near_duplicates_of
from hmchain.records.quality.assessment import Assessment, Sample, assess
from hmchain.records.quality.findings import ERROR, INFO, WARNING, Finding
from hmchain.records.quality.values import Rule

__all__ = [
    "ERROR",
    "INFO",
    "THRESHOLD",
    "WARNING",
    "Assessment",
    "Finding",
    "Rule",
    "Sample",
    "assess",
    "near_duplicate_groups",
    "near_duplicates_of",
]
