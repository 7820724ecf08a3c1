"""One hospital's training, as its agent drives it, whatever trains: what goes in, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from hmchain.errors import DataError

Vector = npt.NDArray[np.float32]
Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")


class CohortError(DataError):
    """Images and labels that cannot be trained on."""

    code = "cohort"


@dataclass(frozen=True)
class Cohort:
    """One hospital's decrypted images (n, h, w, c), uint8, and labels (n,), counted from 0."""

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    validation_images: npt.NDArray[np.uint8]
    validation_labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for images, labels in (self.split("train"), self.split("validation")):
            if len(images) != len(labels):
                raise CohortError(f"a cohort of {len(images)} images has {len(labels)} labels")
        if not len(self.train_images):
            raise CohortError("a cohort has no image to train on", "check the dataset's version and filters")

    def split(self, name: Split) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Images and labels of one split."""
        if name == "train":
            return self.train_images, self.train_labels
        return self.validation_images, self.validation_labels

    def class_counts(self, classes: int) -> npt.NDArray[np.int64]:
        """Training images of each class, shape (classes,)."""
        return np.bincount(self.train_labels, minlength=classes)


@dataclass(frozen=True)
class FitResult:
    """What a round of local training gives."""

    weights: Vector
    """Shape (d,), as the weights that came in."""
    examples: int
    """Training images the hospital holds."""
    mean_loss: float
    seconds: float


@dataclass(frozen=True)
class Scores:
    """How a model does on one split; `auc` is NaN where a class is missing or the split is empty."""

    examples: int
    loss: float
    accuracy: float
    auc: float


class LocalTrainer(Protocol):
    """What an agent asks of any model: train a round, score some weights. Weights are float32 of shape (d,)."""

    def fit(self, weights: Vector, round: int) -> FitResult:
        """Train locally from `weights` in a round counted from 0; repeatable."""

    def evaluate(self, weights: Vector, split: Split) -> Scores:
        """Score `weights` on the hospital's own images."""
