"""The class prior of a study's model, by integers alone: whoever reads a model file computes the same from the ledger's
root of round 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hmchain.ledger.arithmetic import FRACTION_BITS
from hmchain.ledger.contracts.learning.studies import COUNT_UNITS

PRIOR_ONE = 1 << 16
_MEAN_ONE = (1 << FRACTION_BITS) // COUNT_UNITS
"""One record of a class in round 0's mean."""


def summed_counts(means: Iterable[int], participants: int) -> tuple[int, ...]:
    """Noised class counts of all participants together, from their means in round 0's "model"."""
    return tuple(_rounded(max(int(mean), 0) * participants, _MEAN_ONE) for mean in means)


def prior_q16(counts: Sequence[int]) -> tuple[int, ...]:
    """Share of each class in 1/65536, at least 1; each count is raised by one, so that no class has none."""
    total = sum(counts) + len(counts)
    return tuple(max(1, _rounded((count + 1) * PRIOR_ONE, total)) for count in counts)


def _rounded(value: int, divisor: int) -> int:
    """The nearest integer to a quotient, half up."""
    return (2 * value + divisor) // (2 * divisor)
