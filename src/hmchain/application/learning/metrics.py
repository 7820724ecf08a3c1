"""What a classifier is worth, with numpy alone: AUC and ACC as MedMNIST computes them, and what a clinician asks.

Probabilities have shape (n, classes), labels shape (n,), counted from 0. MedMNIST v2 (Yang et al., Scientific Data
10:41, 2023): two classes are scored by the second column (AUC of it, ACC at 0.5), more by the mean of the
one-against-rest AUCs and by the largest column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_SMALLEST = 1e-12


def predictions(probabilities: Floats) -> Labels:
    """The predicted class of each row."""
    if probabilities.shape[1] == 2:
        return np.asarray(probabilities[:, 1] > 0.5, np.int64)
    return np.asarray(probabilities.argmax(1), np.int64)


def accuracy(probabilities: Floats, labels: Labels) -> float:
    """ACC: share of right predictions."""
    return float((predictions(probabilities) == labels).mean())


def auc(probabilities: Floats, labels: Labels) -> float:
    """AUC; NaN if a class is missing from `labels`."""
    return float(weighted_auc(probabilities, labels, np.ones((1, len(labels))))[0])


def auc_per_class(probabilities: Floats, labels: Labels) -> Floats:
    """One-against-rest AUC of each class, shape (classes,)."""
    ones = np.ones((1, len(labels)))
    classes = range(probabilities.shape[1])
    return np.array([_binary_auc(probabilities[:, k], labels == k, ones)[0] for k in classes])


def weighted_auc(probabilities: Floats, labels: Labels, weights: Floats) -> Floats:
    """AUC under each row of `weights` (resamples, n), shape (resamples,); NaN where a class is missing."""
    classes = probabilities.shape[1]
    columns = range(1, 2) if classes == 2 else range(classes)
    each = [_binary_auc(probabilities[:, k], labels == k, weights) for k in columns]
    return np.asarray(np.mean(each, axis=0), np.float64)


def _binary_auc(scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    # P(positive scores higher) + P(equal)/2 over weighted pairs: Mann-Whitney's U, ties handled score by score.
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    sorted_weights, sorted_positive = weights[:, order], positive[order]
    up = np.add.reduceat(sorted_weights * sorted_positive, starts, axis=1)
    down = np.add.reduceat(sorted_weights * ~sorted_positive, starts, axis=1)
    below = np.cumsum(down, axis=1) - down / 2
    pairs = up.sum(1) * down.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (up * below).sum(1) / pairs, np.nan)


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean negative log-likelihood in nats."""
    likelihood = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, _SMALLEST)).mean())


def brier(probabilities: Floats, labels: Labels) -> float:
    """Brier score (1950): mean squared distance to the one-hot label, summed over classes; for two, of one column."""
    distance = (probabilities - np.eye(probabilities.shape[1])[labels]) ** 2
    per_image = distance[:, 1] if probabilities.shape[1] == 2 else distance.sum(1)
    return float(per_image.mean())


def confusion_matrix(probabilities: Floats, labels: Labels) -> Labels:
    """Counts, shape (classes, classes): row = true class, column = predicted."""
    classes = probabilities.shape[1]
    cells = labels * classes + predictions(probabilities)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def sensitivity(confusion: Labels) -> Floats:
    """Per class: share of its images that are found; NaN for a class without images."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(confusion) / confusion.sum(1))


def specificity(confusion: Labels) -> Floats:
    """Per class: share of the other images that are not taken for it; NaN if there are none."""
    total, right = confusion.sum(), np.diag(confusion)
    others = total - confusion.sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray((others - confusion.sum(0) + right) / others)


def roc_points(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """ROC curve from (0, 0) to (1, 1): false and true positive rates at each distinct score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits, misses = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
    with np.errstate(invalid="ignore"):
        return np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])


@dataclass(frozen=True)
class Calibration:
    """Reliability diagram of the predicted class (Guo et al., arXiv 1706.04599); bins without images are left out."""

    confidence: Floats
    """Mean confidence of each bin."""
    accuracy: Floats
    """Share of right predictions in it."""
    counts: Labels
    error: float
    """ECE: mean |confidence - accuracy|, weighted by counts."""


def calibration(probabilities: Floats, labels: Labels, bins: int = 10) -> Calibration:
    """Calibration in `bins` equal intervals of confidence."""
    confidence = probabilities.max(1)
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    used = counts > 0
    confidences = np.bincount(index, confidence, bins)[used] / counts[used]
    accuracies = np.bincount(index, right, bins)[used] / counts[used]
    error = float((counts[used] * np.abs(confidences - accuracies)).sum() / len(labels))
    return Calibration(confidences, accuracies, counts[used], error)


@dataclass(frozen=True)
class Bootstrap:
    """AUC and ACC of one model on the same resamples of a test set, shape (resamples,) each.

    Two models resampled with the same seed are paired: subtract their arrays to get an interval of the gain.
    """

    auc: Floats
    accuracy: Floats


def bootstrap(
    probabilities: Floats,
    labels: Labels,
    groups: npt.NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Resample the test set with replacement; images of one group (patient, near-duplicates) go together."""
    weights = resample_weights(len(labels), groups, resamples, seed)
    right = (predictions(probabilities) == labels).astype(np.float64)
    return Bootstrap(weighted_auc(probabilities, labels, weights), weights @ right / weights.sum(1))


def resample_weights(n: int, groups: npt.NDArray[Any] | None, resamples: int, seed: int) -> Floats:
    """How often each image is drawn in each resample, shape (resamples, n)."""
    member = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    units = int(member.max()) + 1
    random = np.random.default_rng(seed)
    drawn = random.multinomial(units, np.full(units, 1 / units), resamples)
    return drawn[:, member].astype(np.float64)


def interval(samples: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap samples; resamples that lack a class are left out."""
    tail = (1 - level) / 2 * 100
    low, high = np.nanpercentile(samples, [tail, 100 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Metrics:
    """Everything about one model on one labelled set."""

    examples: int
    auc: float
    accuracy: float
    auc_interval: tuple[float, float]
    """95 % bootstrap interval."""
    accuracy_interval: tuple[float, float]
    auc_per_class: Floats
    sensitivity: Floats
    specificity: Floats
    confusion: Labels
    calibration: Calibration
    brier: float


def measure(probabilities: Floats, labels: Labels, groups: npt.NDArray[Any] | None = None, seed: int = 0) -> Metrics:
    """All metrics of a model's predictions, with bootstrap intervals over `groups`."""
    samples = bootstrap(probabilities, labels, groups, seed=seed)
    confusion = confusion_matrix(probabilities, labels)
    return Metrics(
        examples=len(labels),
        auc=auc(probabilities, labels),
        accuracy=accuracy(probabilities, labels),
        auc_interval=interval(samples.auc),
        accuracy_interval=interval(samples.accuracy),
        auc_per_class=auc_per_class(probabilities, labels),
        sensitivity=sensitivity(confusion),
        specificity=specificity(confusion),
        confusion=confusion,
        calibration=calibration(probabilities, labels),
        brier=brier(probabilities, labels),
    )
