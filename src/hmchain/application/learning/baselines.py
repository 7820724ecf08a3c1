"""What FL-CNN-HMChain is compared with, and its obvious twin in floats.

All share the network, its first weights, the images, the augmentation and the cosine schedule. What differs:

- `local`: each hospital alone, for as many steps as it does in the federation;
- `pooled`: one network on everybody's images, for as many steps as all hospitals do together;
- `fedavg`: plain FedAvg (McMahan et al., arXiv 1602.05629): one learning rate, no logit adjustment, no server momentum;
- `federated_reference`: the algorithm that the chain runs, without chain, masks or integers.

Who trains alone keeps its momentum from round to round, has half the learning rate (the best of three for hospitals
alone, of two for the pool, on images that are in no test set) and predicts with the prior of its own images. Network
and augmentation were chosen by the federation's result alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import numpy as np
import torch

from hmchain.application.learning.cnn import (
    Architecture,
    Images,
    Probabilities,
    Vector,
    build,
    initial_vector,
    load_vector,
    predict_probabilities,
    smoothed_prior,
)
from hmchain.application.learning.schedule import Q16, TrainingPlan
from hmchain.application.learning.trainer import CNNTrainer, Cohort

Progress = Callable[[int, int], None]
"""Called with the rounds done and all rounds."""


@dataclass(frozen=True)
class Trained:
    """A network at the end of its training."""

    arch: Architecture
    weights: Vector
    prior: Probabilities
    """Class shares whose logarithm prediction adds to the logits; uniform where the logits hold them already."""

    def predict(self, images: Images) -> Probabilities:
        """Class probabilities, shape (n, classes)."""
        network = build(self.arch)
        load_vector(network, self.weights)
        return predict_probabilities(network, images, self.prior)


class ContinuousTrainer(CNNTrainer):
    """Trains alone: its momentum lives on from round to round."""

    _velocity: torch.Tensor | None = None

    def _new_velocity(self) -> torch.Tensor:
        if self._velocity is None:
            self._velocity = super()._new_velocity()
        return self._velocity


def local(
    cohorts: Sequence[Cohort], plan: TrainingPlan, arch: Architecture, seed: int, progress: Progress | None = None
) -> list[Trained]:
    """Each hospital's own network, `plan.rounds * plan.steps` steps each, side by side."""
    alone = alone_plan(plan)
    trainers = [ContinuousTrainer(cohort, alone, arch, seed + place) for place, cohort in enumerate(cohorts)]
    weights = [initial_vector(arch, seed)] * len(cohorts)
    with _side_by_side(trainers) as fit:
        for round in range(plan.rounds):
            weights = fit(weights, round)
            _report(progress, round, plan)
    return [Trained(arch, own, _uniform(arch)) for own in weights]


def pooled(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: int,
    progress: Progress | None = None,
    *,
    equal_work: bool = True,
) -> Trained:
    """One network on all images: with `equal_work` as many steps as all hospitals together, else as one of them."""
    alone = alone_plan(plan, len(cohorts) if equal_work else 1)
    trainer = ContinuousTrainer(pool(cohorts), alone, arch, seed)
    weights = initial_vector(arch, seed)
    for round in range(plan.rounds):
        weights = trainer.fit(weights, round).weights
        _report(progress, round, plan)
    return Trained(arch, weights, _uniform(arch))


def fedavg(
    cohorts: Sequence[Cohort], plan: TrainingPlan, arch: Architecture, seed: int, progress: Progress | None = None
) -> Trained:
    """Plain FedAvg, weighted by the hospitals' numbers of images, for the plan's rounds and steps."""
    plain = fedavg_plan(plan)
    sizes = [len(cohort.train_images) for cohort in cohorts]
    weights = _federate(cohorts, plain, arch, seed, sizes, progress)
    return Trained(arch, weights, _uniform(arch))


def alone_plan(plan: TrainingPlan, work: int = 1) -> TrainingPlan:
    """`plan` for one who trains alone, with `work` times its steps a round."""
    return msgspec.structs.replace(
        plan,
        learning_rates_millionths=tuple(rate // 2 for rate in plan.learning_rates_millionths),
        steps=plan.steps * work,
        logit_adjustment=False,
    )


def fedavg_plan(plan: TrainingPlan) -> TrainingPlan:
    """`plan` without what the federation adds to FedAvg; the constant learning rate is the schedule's mean."""
    mean_rate = round(sum(plan.learning_rates_millionths) / plan.rounds)
    return msgspec.structs.replace(
        plan,
        learning_rates_millionths=(mean_rate,) * plan.rounds,
        prox_mu_millionths=0,
        logit_adjustment=False,
        server_momentum_q16=0,
        server_learning_rate_q16=Q16,
    )


def federated_reference(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: int,
    shares: Sequence[int],
    progress: Progress | None = None,
) -> Trained:
    """The chain's algorithm in floats; `shares` are the hospitals' weights (`ledger.contracts.studies.fair_weights`).

    Hospital i trains with seed + i. Prediction uses the global class prior, which the chain takes from a secure sum.
    """
    weights = _federate(cohorts, plan, arch, seed, shares, progress)
    prior = smoothed_prior(pool(cohorts).class_counts(arch.classes))
    return Trained(arch, weights, prior if plan.logit_adjustment else _uniform(arch))


def _federate(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: int,
    shares: Sequence[int],
    progress: Progress | None,
) -> Vector:
    trainers = [CNNTrainer(cohort, plan, arch, seed + place) for place, cohort in enumerate(cohorts)]
    model = initial_vector(arch, seed).astype(np.float64)
    momentum = np.zeros_like(model)
    with _side_by_side(trainers) as fit:
        for round in range(plan.rounds):
            sent = model.astype(np.float32)
            updates = [weights - sent for weights in fit([sent] * len(trainers), round)]
            average = np.average(updates, axis=0, weights=shares)
            momentum = plan.server_momentum_q16 / Q16 * momentum + average
            model += plan.server_learning_rate_q16 / Q16 * momentum
            _report(progress, round, plan)
    return model.astype(np.float32)


def pool(cohorts: Sequence[Cohort]) -> Cohort:
    """All hospitals' images in one place, which is what federated learning avoids."""
    return Cohort(
        np.concatenate([cohort.train_images for cohort in cohorts]),
        np.concatenate([cohort.train_labels for cohort in cohorts]),
        np.concatenate([cohort.validation_images for cohort in cohorts]),
        np.concatenate([cohort.validation_labels for cohort in cohorts]),
    )


@contextmanager
def _side_by_side(trainers: Sequence[CNNTrainer]) -> Iterator[Callable[[list[Vector], int], list[Vector]]]:
    """A function that trains all hospitals for a round, each from its own weights, in a thread a core."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:

        def fit(weights: list[Vector], round: int) -> list[Vector]:
            running = [threads.submit(trainer.fit, own, round) for trainer, own in zip(trainers, weights, strict=True)]
            return [future.result().weights for future in running]

        yield fit


def _uniform(arch: Architecture) -> Probabilities:
    return np.full(arch.classes, 1 / arch.classes)


def _report(progress: Progress | None, round: int, plan: TrainingPlan) -> None:
    if progress is not None:
        progress(round + 1, plan.rounds)
