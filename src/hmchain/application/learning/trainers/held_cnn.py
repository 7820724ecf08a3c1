"""FL-CNN in the agent's own process, held to what its study asked of this machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hmchain.application.learning.schedule import TrainingPlan
from hmchain.application.learning.trainers.allowance import Allowance, Work
from hmchain.application.learning.trainers.architecture import Architecture, Vector
from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer
from hmchain.application.learning.trainers.local import Cohort, FitResult, Scores, Split


def _by_itself() -> None:
    """It looks between two steps whether it is to end: no thread can end another one."""


def _bytes_of(cohort: Cohort) -> int:
    """Of its images, those of training beside themselves as floats; a GPU has its own memory for these."""
    train, validation = cohort.train_images.nbytes, cohort.validation_images.nbytes
    return train + validation + (0 if torch.cuda.is_available() else train * np.dtype(np.float32).itemsize)


class HeldCNNTrainer(CNNTrainer):
    """Trains and scores as `CNNTrainer` does, to the same numbers, as long as there is an allowance for it."""

    def __init__(
        self,
        cohort: Cohort,
        plan: TrainingPlan,
        arch: Architecture,
        seed: bytes,
        allowance: Allowance,
        memory_bytes: Callable[[], int],
        prior: npt.ArrayLike | None = None,
    ) -> None:
        """`memory_bytes` gives what the study holds of this process now.

        Raises `UsedUpError` where the images alone take more: so no agent runs out of memory, and begins again.
        """
        allowance.require_memory(_bytes_of(cohort))
        self._allowance = allowance
        self._work = Work(memory_bytes, _by_itself)
        super().__init__(cohort, plan, arch, seed, prior)

    def fit(self, weights: Vector, round: int) -> FitResult:
        """Do the round's steps. Raises `UsedUpError`."""
        with self._allowance.at_work(self._work):
            return super().fit(weights, round)

    def evaluate(self, weights: Vector, split: Split) -> Scores:
        """Score `weights` on the hospital's own images. Raises `UsedUpError`."""
        with self._allowance.at_work(self._work):
            return super().evaluate(weights, split)

    def _step(self, start: Tensor, velocity: Tensor, learning_rate: float) -> None:
        if self._allowance.over:
            self._allowance.require()
        super()._step(start, velocity, learning_rate)
