"""What FL-CNN-HMChain is compared with, and its obvious twin in floats.

All share the network, its first weights, the images, the augmentation and the cosine schedule. What differs:

- `local`: each hospital alone, on as many images as it sees in the federation;
- `pooled`: one network on everybody's images, on as many as all hospitals see together;
- `fedavg`: plain FedAvg (McMahan et al., arXiv 1602.05629): one learning rate, no server momentum;
- `federated_reference`: the algorithm that the chain runs, without chain, masks or integers.

Each has the plan that is best for it, found on images that are in no test set. Who trains alone has
momentum that lives on from step to step. Network and augmentation were chosen by the federation's result alone.
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

from hmchain.application.learning.schedule import Q16, TrainingPlan
from hmchain.application.learning.trainers.architecture import (
    Architecture,
    Images,
    Probabilities,
    Vector,
    initial_vector,
    prediction_prior,
)
from hmchain.application.learning.trainers.cnn import build, load_vector, predict_probabilities
from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer
from hmchain.application.learning.trainers.local import Cohort
from hmchain.canonical import digest
from hmchain.plain import Progress
from hmchain.records.pictures.imageset import ImageSet
from hmchain.records.pictures.partition import Partition

_ALONE_BATCH, _ALONE_STEPS = 8, 40


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
    cohorts: Sequence[Cohort], plan: TrainingPlan, arch: Architecture, seed: bytes, progress: Progress | None = None
) -> list[Trained]:
    """Each hospital's own network, on as many images as the plan has each see, side by side."""
    alone = alone_plan(plan)
    trainers = [
        ContinuousTrainer(cohort, alone, arch, hospital_seed(seed, place)) for place, cohort in enumerate(cohorts)
    ]
    weights = [initial_vector(arch, seed)] * len(cohorts)
    with _side_by_side(trainers) as fit:
        for round in range(alone.rounds):
            weights = fit(weights, round)
            _report(progress, round, alone)
    return [Trained(arch, own, uniform(arch)) for own in weights]


def pooled(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: bytes,
    progress: Progress | None = None,
    *,
    equal_work: bool = True,
) -> Trained:
    """One network on all images: with `equal_work` it sees as many as all hospitals together, else as one of them."""
    alone = alone_plan(plan, len(cohorts) if equal_work else 1)
    trainer = ContinuousTrainer(pool(cohorts), alone, arch, hospital_seed(seed, 0))
    weights = initial_vector(arch, seed)
    for round in range(alone.rounds):
        weights = trainer.fit(weights, round).weights
        _report(progress, round, alone)
    return Trained(arch, weights, uniform(arch))


def fedavg(
    cohorts: Sequence[Cohort], plan: TrainingPlan, arch: Architecture, seed: bytes, progress: Progress | None = None
) -> Trained:
    """Plain FedAvg, weighted by the hospitals' numbers of images, for the plan's rounds and steps."""
    plain = fedavg_plan(plan)
    sizes = [len(cohort.train_images) for cohort in cohorts]
    weights = _federate(cohorts, plain, arch, seed, sizes, progress)
    return Trained(arch, weights, uniform(arch))


def alone_plan(plan: TrainingPlan, work: int = 1) -> TrainingPlan:
    """The plan of one who trains alone, on `work` times the images that `plan` has a hospital see.

    Its rounds are units of progress: nothing ends with one but forty steps.
    """
    steps = max(1, work * plan.rounds * plan.steps * plan.batch_size // _ALONE_BATCH)
    rounds = -(-steps // _ALONE_STEPS)
    return TrainingPlan.cosine(
        rounds,
        learning_rate_millionths=10_000,
        steps=min(steps, _ALONE_STEPS),
        batch_size=_ALONE_BATCH,
        momentum_millionths=900_000,
        weight_decay_millionths=plan.weight_decay_millionths,
        prox_mu_millionths=0,
        logit_adjustment=False,
        augmentation=plan.augmentation,
        server_momentum_q16=0,
        server_learning_rate_q16=Q16,
    )


def fedavg_plan(plan: TrainingPlan) -> TrainingPlan:
    """FedAvg's plan on the images that `plan` has a hospital see: one learning rate, and momentum within a round."""
    return msgspec.structs.replace(
        plan,
        learning_rates_millionths=(100_000,) * plan.rounds,
        momentum_millionths=900_000,
        prox_mu_millionths=0,
        logit_adjustment=False,
        server_momentum_q16=0,
        server_learning_rate_q16=Q16,
    )


def federated_reference(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: bytes,
    shares: Sequence[int],
    progress: Progress | None = None,
) -> Trained:
    """The chain's algorithm in floats; `shares` are the hospitals' weights (`ledger.contracts.studies.fair_weights`).

    Hospital i trains with `hospital_seed(seed, i)`.
    """
    weights = _federate(cohorts, plan, arch, seed, shares, progress)
    return Trained(arch, weights, prediction_prior(plan, pool(cohorts).class_counts(arch.classes)))


def _federate(
    cohorts: Sequence[Cohort],
    plan: TrainingPlan,
    arch: Architecture,
    seed: bytes,
    shares: Sequence[int],
    progress: Progress | None,
) -> Vector:
    trainers = [CNNTrainer(cohort, plan, arch, hospital_seed(seed, place)) for place, cohort in enumerate(cohorts)]
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


def hospital_seed(seed: bytes, place: int) -> bytes:
    """From which a hospital draws its batches: its secret in a real federation, one of a kind in a comparison."""
    return digest("hmchain baseline", seed, place.to_bytes(8, "big"))


def cohorts_of(images: ImageSet, split: Partition) -> list[Cohort]:
    """Every hospital's images, as a split gives them out; no consortium sees them together."""
    pixels, labels = images.images, images.labels
    return [
        Cohort(pixels[share.train], labels[share.train], pixels[share.validation], labels[share.validation])
        for share in split.hospitals
    ]


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


def uniform(arch: Architecture) -> Probabilities:
    """Equal shares of all classes."""
    return np.full(arch.classes, 1 / arch.classes)


def _report(progress: Progress | None, round: int, plan: TrainingPlan) -> None:
    if progress is not None:
        progress(round + 1, plan.rounds)
