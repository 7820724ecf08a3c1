"""The number of people that the mean of a count stands for, and how far off its noise makes it."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from hmchain.application.cohort.grammar import written
from hmchain.application.cohort.noise import margin_95
from hmchain.application.cohort.words import words
from hmchain.application.learning.prior import summed_counts
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data.queries import CountPlan


class Estimate(TypedDict):
    """What people read of a count: fields that its results share."""

    query: str
    words: str
    people: int
    margin: int
    epsilon: float


def estimate(plan: CountPlan, mean: int, hospitals: int) -> Estimate:
    """The answer to a question, from the mean of what so many hospitals said (in the ledger's fixed point)."""
    return Estimate(
        query=written(plan.query),
        words=words(plan.query),
        people=summed_counts([mean], hospitals)[0],
        margin=margin_95(plan.epsilon_millionths, hospitals),
        epsilon=plan.epsilon_millionths / MILLION,
    )


def root_of(mean: int) -> bytes:
    """The root that the ledger has of a count with this mean (32 bytes). Raises `OverflowError`."""
    model = arithmetic.padded(np.array([mean], np.int64))
    return vectors.model_root(model, model)
