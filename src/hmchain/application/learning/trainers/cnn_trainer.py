"""FL-CNN behind the small protocol that agents drive.

The trainer holds no state between rounds. What it does in a round derives from the global weights, the plan and
(seed, round) alone, so an agent that is rebuilt in the middle of a study trains the same update again. The seed is the
hospital's secret: nobody else knows which images a round drew, or how they were changed.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hmchain.application.learning import metrics
from hmchain.application.learning.schedule import MILLION, TrainingPlan, generator
from hmchain.application.learning.trainers.architecture import (
    Architecture,
    Images,
    Probabilities,
    Vector,
    smoothed_prior,
)
from hmchain.application.learning.trainers.cnn import build, predict_probabilities, to_input
from hmchain.application.learning.trainers.local import Cohort, FitResult, Scores, Split

_ORDER_STREAM, _AUGMENTATION_STREAM = 0, 1

_LARGEST_TURN_RADIANS = 0.1
_LARGEST_ZOOM = 0.05
_LARGEST_SHIFT = 0.05
_LARGEST_CONTRAST = 0.1


class CNNTrainer:
    """FL-CNN on one hospital's cohort; the network is built once and kept warm."""

    def __init__(
        self,
        cohort: Cohort,
        plan: TrainingPlan,
        arch: Architecture,
        seed: bytes,
        prior: npt.ArrayLike | None = None,
    ) -> None:
        """`prior` is the study's global class shares; with logit adjustment it is added whenever the model predicts.

        Sets torch to one thread: hospitals train side by side in threads of their own (measured 1.3 times as fast on
        two cores as one after the other on both), and results do not depend on how many cores there are.
        """
        torch.set_num_threads(1)
        torch.backends.cudnn.deterministic = True
        self.cohort = cohort
        self.plan = plan
        self.prior = prior
        self._seed = seed
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = build(arch).to(self._device)
        self._weights, self._gradient = flatten(self._network)
        self._images = to_input(cohort.train_images, self._device)
        self._labels = torch.from_numpy(np.array(cohort.train_labels, np.int64)).to(self._device)
        adjustment = np.log(smoothed_prior(cohort.class_counts(arch.classes)))
        if not plan.logit_adjustment:
            adjustment = np.zeros(arch.classes)
        self._adjustment = torch.from_numpy(adjustment).float().to(self._device)

    def fit(self, weights: Vector, round: int) -> FitResult:
        """Do the round's SGD steps from `weights`."""
        started = time.perf_counter()
        self._load(weights)
        start = self._weights.clone()
        velocity = self._new_velocity()
        losses = torch.zeros(self.plan.steps, device=self._device)
        for step, (images, labels) in enumerate(self._batches(round)):
            loss = functional.cross_entropy(self._network(images) + self._adjustment, labels)
            losses[step] = loss.detach()
            self._gradient.zero_()
            loss.backward()  # type: ignore[no-untyped-call]
            self._step(start, velocity, self.plan.learning_rate(round))
        seconds = time.perf_counter() - started
        return FitResult(self._vector(), len(self.cohort.train_images), float(losses.mean()), seconds)

    def evaluate(self, weights: Vector, split: Split) -> Scores:
        """Score `weights` on the hospital's own images."""
        images, labels = self.cohort.split(split)
        if not len(labels):
            return Scores(0, float("nan"), float("nan"), float("nan"))
        return score(self.predict(weights, images), labels)

    def predict(self, weights: Vector, images: Images) -> Probabilities:
        """Class probabilities of `images`, shape (n, classes)."""
        self._load(weights)
        return predict_probabilities(self._network, images, self.prior if self.plan.logit_adjustment else None)

    def _load(self, weights: Vector) -> None:
        self._weights.copy_(torch.from_numpy(np.array(weights, np.float32)))

    def _new_velocity(self) -> Tensor:
        return torch.zeros_like(self._weights)

    def _vector(self) -> Vector:
        return self._weights.cpu().numpy().copy()

    def _batches(self, round: int) -> list[tuple[Tensor, Tensor]]:
        plan = self.plan
        order = batch_order(len(self.cohort.train_images), plan.steps * plan.batch_size, self._seed, round)
        chosen = torch.from_numpy(order).to(self._device)
        images, labels = self._images[chosen], self._labels[chosen]
        if plan.augmentation:
            images = augment(images, generator(self._seed, _AUGMENTATION_STREAM, round))
        return list(zip(torch.split(images, plan.batch_size), torch.split(labels, plan.batch_size), strict=True))

    def _step(self, start: Tensor, velocity: Tensor, learning_rate: float) -> None:
        plan, gradient = self.plan, self._gradient
        gradient.add_(self._weights, alpha=plan.weight_decay_millionths / MILLION)
        if plan.prox_mu_millionths:
            gradient.add_(self._weights - start, alpha=plan.prox_mu_millionths / MILLION)
        velocity.mul_(plan.momentum_millionths / MILLION).add_(gradient)
        self._weights.sub_(velocity, alpha=learning_rate)


def score(probabilities: Probabilities, labels: npt.NDArray[np.int64]) -> Scores:
    """Loss, ACC and AUC of at least one prediction."""
    return Scores(
        len(labels),
        metrics.log_loss(probabilities, labels),
        metrics.accuracy(probabilities, labels),
        metrics.auc(probabilities, labels),
    )


def flatten(network: nn.Module) -> tuple[Tensor, Tensor]:
    """Move a network's parameters and gradients into two flat tensors (d,), of which they become views.

    The weight vector then *is* the network, and a step of SGD is three operations instead of three a layer.
    """
    parameters = list(network.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    weights = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    gradient = torch.zeros_like(weights)
    pieces = zip(parameters, torch.split(weights, sizes), torch.split(gradient, sizes), strict=True)
    for parameter, weight_piece, gradient_piece in pieces:
        parameter.data = weight_piece.view_as(parameter)
        parameter.grad = gradient_piece.view_as(parameter)
    return weights, gradient


def batch_order(examples: int, draws: int, seed: bytes, round: int) -> npt.NDArray[np.int64]:
    """Which images a round trains on, shape (draws,): a window of an endless run of shuffled passes over all.

    Each image is seen equally often over the rounds although no state is kept between them.
    """
    first, last = round * draws, (round + 1) * draws
    passes = range(first // examples, -(-last // examples))
    order = np.concatenate([generator(seed, _ORDER_STREAM, n).permutation(examples) for n in passes])
    skipped = first - passes[0] * examples
    return order[skipped : skipped + draws]


def augment(images: Tensor, random: np.random.Generator) -> Tensor:
    """Flip, turn, zoom, shift and change the contrast of each image (n, c, h, w), vectorised over the batch."""
    n = len(images)
    turn = random.uniform(-_LARGEST_TURN_RADIANS, _LARGEST_TURN_RADIANS, n)
    zoom = random.uniform(1 - _LARGEST_ZOOM, 1 + _LARGEST_ZOOM, n)
    flip = random.choice((-1.0, 1.0), n)
    shift = random.uniform(-_LARGEST_SHIFT, _LARGEST_SHIFT, (2, n))
    contrast = random.uniform(1 - _LARGEST_CONTRAST, 1 + _LARGEST_CONTRAST, n)
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    affine = np.stack([[flip * cosine, -sine, shift[0]], [flip * sine, cosine, shift[1]]]).transpose(2, 0, 1)
    grid = functional.affine_grid(torch.from_numpy(affine).to(images), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved.mul_(torch.from_numpy(contrast).to(images).view(-1, 1, 1, 1))
