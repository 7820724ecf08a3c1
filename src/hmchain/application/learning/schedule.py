"""How a study trains: the integers that are pinned on the ledger.

Every hospital trains with exactly these numbers, so none of them is a float that two machines could print or round
differently. The cosine schedule (Loshchilov & Hutter, arXiv 1608.03983) is computed once, when the plan is made; from
then on the table of integers *is* the schedule.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from hmchain.canonical import Record
from hmchain.errors import InputError

MILLION = 1_000_000
"""Learning rates, momenta and penalties are counted in millionths."""
Q16 = 1 << 16
"""The server's factors are counted in 1/65536, so that the integer step of the model is a shift."""


class PlanError(InputError):
    """A training plan that cannot be followed."""

    code = "training_plan"


class TrainingPlan(Record, frozen=True, kw_only=True):
    """The training part of a study; make one with `TrainingPlan.cosine` or `TrainingPlan.constant`."""

    learning_rates_millionths: tuple[int, ...]
    """One learning rate a round, at least one."""
    steps: int
    """SGD steps that a hospital does in a round."""
    batch_size: int
    momentum_millionths: int
    """Of the hospital's SGD; starts at zero every round, so that an agent has no state to lose."""
    weight_decay_millionths: int
    prox_mu_millionths: int
    """FedProx: pull towards the round's global model (Li et al., arXiv 1812.06127); 0 is FedAvg."""
    logit_adjustment: bool
    """Train on logits + log(local class prior) (Zhang et al., arXiv 2209.00189; Menon et al., arXiv 2007.07314)."""
    augmentation: bool
    """Random flips, small rotations, zooms and shifts, and changes of contrast."""
    server_momentum_q16: int
    """beta in m <- beta m + average update."""
    server_learning_rate_q16: int
    """eta in w <- w + eta m."""

    def __post_init__(self) -> None:
        if not self.learning_rates_millionths or min(self.learning_rates_millionths) < 0:
            raise PlanError("a training plan needs at least one round, each with a learning rate of at least 0")
        if self.steps < 1 or self.batch_size < 1:
            raise PlanError("a training plan needs at least one step a round and one image a batch")
        if not 0 <= self.momentum_millionths < MILLION or not 0 <= self.server_momentum_q16 < Q16:
            raise PlanError("a momentum must be at least 0 and less than 1")
        if min(self.weight_decay_millionths, self.prox_mu_millionths, self.server_learning_rate_q16) < 0:
            raise PlanError("weight decay, FedProx's mu and the server's learning rate must be at least 0")

    @property
    def rounds(self) -> int:
        """How many rounds the study has."""
        return len(self.learning_rates_millionths)

    def learning_rate(self, round: int) -> float:
        """The learning rate of a round, counted from 0."""
        return self.learning_rates_millionths[round] / MILLION

    @classmethod
    def cosine(cls, rounds: int, learning_rate_millionths: int, **others: Any) -> Self:
        """A plan whose learning rate falls from its base towards 0 along half a cosine."""
        table = (half_cosine(step, rounds, learning_rate_millionths) for step in range(rounds))
        return cls(learning_rates_millionths=tuple(table), **others)

    @classmethod
    def constant(cls, rounds: int, learning_rate_millionths: int, **others: Any) -> Self:
        """A plan with one learning rate."""
        return cls(learning_rates_millionths=(learning_rate_millionths,) * rounds, **others)


def half_cosine(step: int, steps: int, base: int) -> int:
    """`base` times (1 + cos(pi step/steps)) / 2, to the nearest integer."""
    return round(base * (1 + math.cos(math.pi * step / steps)) / 2)


def default_plan(rounds: int = 600, steps: int = 4) -> TrainingPlan:
    """The plan of the demo and of proposals: many short rounds, tuned on images that are in no test set.

    At equal images seen, short rounds are what brings a federation to the quality of pooled data: hospitals drift apart
    within a round, not between rounds. So momentum is the server's alone, and no logits are adjusted.
    """
    return TrainingPlan.cosine(
        rounds,
        learning_rate_millionths=30_000,
        steps=steps,
        batch_size=8,
        momentum_millionths=0,
        weight_decay_millionths=500,
        prox_mu_millionths=0,
        logit_adjustment=False,
        augmentation=True,
        server_momentum_q16=round(0.9 * Q16),
        server_learning_rate_q16=Q16,
    )


def generator(seed: bytes, *place: int) -> np.random.Generator:
    """Random numbers that all of a seed decides (256 bits and more), another stream for every `place`."""
    words = np.frombuffer(seed + b"".join(number.to_bytes(8, "little") for number in place), "<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words.tolist(), pool_size=8)))
