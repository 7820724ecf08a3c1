"""Reference models: the study's own network, trained again at one hospital on halves of its own images.

Each half is drawn by whole groups of near-duplicates, and the next model takes the other half, so every image is in
the training of exactly half of the models. Nothing of them leaves memory. torch takes seconds to import: import this
module where it is used.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmchain.application.learning.schedule import Q16, TrainingPlan
from hmchain.application.learning.trainers.architecture import Architecture, Images, initial_vector
from hmchain.application.learning.trainers.baselines import ContinuousTrainer, Trained, uniform
from hmchain.application.learning.trainers.local import Cohort
from hmchain.canonical import digest
from hmchain.plain import Progress, tell

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

BATCH, STEPS = 32, 20
"""Of a reference's training: larger batches than a study's, which take less time a step."""
LEARNING_RATE_MILLIONTHS, MOMENTUM_MILLIONTHS = 20_000, 900_000
DRAWS_MAX = 8_000
"""Images that a reference is shown at most, however often the study showed each."""
THREADS_MAX = 4
"""References that are trained side by side: each holds its half of the images as floats."""


@dataclass(frozen=True)
class Pool:
    """Images that references are trained on halves of."""

    images: Images
    labels: Indices
    trained_on: int
    """Images that the study trained on here: how often it showed each follows from that."""


def halves(groups: Indices, models: int, seed: int) -> Bools:
    """Which images each model is trained on, (models, n): pairs of complements, by whole groups; `models` is even."""
    names, place = np.unique(groups, return_inverse=True)
    random, found = np.random.default_rng(seed), list[Bools]()
    for _ in range(models // 2):
        chosen = random.permutation(len(names)) < (len(names) + 1) // 2
        found += [chosen[place.reshape(-1)], ~chosen[place.reshape(-1)]]
    return np.array(found)


def reference_plan(plan: TrainingPlan, trained_on: int, given: int) -> TrainingPlan:
    """The training of a reference on `given` images: each is seen as often as in the study, by who has `trained_on`."""
    passes = plan.rounds * plan.steps * plan.batch_size / trained_on
    draws = min(DRAWS_MAX, max(BATCH, round(passes * given)))
    batch = min(BATCH, max(2, given // 4))
    return TrainingPlan.cosine(
        max(1, draws // batch // STEPS),
        learning_rate_millionths=LEARNING_RATE_MILLIONTHS,
        steps=min(STEPS, max(1, draws // batch)),
        batch_size=batch,
        momentum_millionths=MOMENTUM_MILLIONTHS,
        weight_decay_millionths=plan.weight_decay_millionths,
        prox_mu_millionths=0,
        logit_adjustment=False,
        augmentation=plan.augmentation,
        server_momentum_q16=0,
        server_learning_rate_q16=Q16,
    )


def train(
    pool: Pool,
    inside: Bools,
    plan: TrainingPlan,
    arch: Architecture,
    seed: bytes,
    progress: Progress | None = None,
) -> list[Trained]:
    """A reference for each row of `inside`, side by side, up to a thread a core. `progress` is told of their rounds."""
    plans = [reference_plan(plan, pool.trained_on, int(chosen.sum())) for chosen in inside]
    of, counted, done = sum(each.rounds for each in plans), threading.Lock(), 0

    def one(place: int) -> Trained:
        nonlocal done
        chosen, own = inside[place], plans[place]
        cohort = Cohort(pool.images[chosen], pool.labels[chosen], pool.images[:0], pool.labels[:0])
        name = digest("hmchain reference model", seed, place.to_bytes(4, "big"))
        trainer, weights = ContinuousTrainer(cohort, own, arch, name), initial_vector(arch, name)
        for round in range(own.rounds):
            weights = trainer.fit(weights, round).weights
            with counted:
                done += 1
                tell(progress, done, of)
        return Trained(arch, weights, uniform(arch))

    with ThreadPoolExecutor(min(THREADS_MAX, os.cpu_count() or 1)) as threads:
        return list(threads.map(one, range(len(plans))))
