"""Is it worth it, and for whom: the federated model beside every hospital's own and the pooled one.

All are scored on the same test set, with intervals from the same resamples of whole near-duplicate groups, so that a
gain has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hmchain import files
from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning import metrics
from hmchain.application.learning.trainers import baselines
from hmchain.application.learning.trainers.architecture import Architecture, Probabilities, first_model_seed
from hmchain.application.learning.trainers.baselines import Trained
from hmchain.interfaces.demo.preparation import DATASET, Prepared, salt
from hmchain.interfaces.report.parts import (
    Calibration,
    CalibrationBin,
    ClassResult,
    Estimate,
    HospitalResult,
    Metrics,
    Performance,
    Results,
    RocCurve,
)
from hmchain.plain import Progress

FEDERATED, POOLED = "FL-CNN-HMChain", "Pooled (nobody may)"
RESAMPLES = 500
ROC_POINTS = 200

"""Called with `own` or `pooled`, the rounds done and all rounds."""


@dataclass(frozen=True)
class Baselines:
    """The models that the federated one is compared with: what they say of the test set, and each hospital's own."""

    own: tuple[Probabilities, ...]
    """One a hospital, (n, classes)."""
    pooled: Probabilities
    models: tuple[Trained, ...]
    """One a hospital: its own."""

    def save(self, path: Path) -> None:
        """Keep them, so that a resumed run need not train them again."""
        weights = np.stack([model.weights for model in self.models])
        with files.replacing(path, durable=False) as partial, partial.open("wb") as file:
            np.savez_compressed(file, own=np.stack(self.own), pooled=self.pooled, weights=weights)

    @classmethod
    def load(cls, path: Path, arch: Architecture) -> Baselines:
        """The baselines again."""
        with np.load(path) as file:
            models = tuple(Trained(arch, weights, baselines.uniform(arch)) for weights in file["weights"])
            return cls(tuple(file["own"]), file["pooled"], models)


def train_baselines(prepared: Prepared, consortium: Consortium, progress: Callable[[str], Progress]) -> Baselines:
    """Train every hospital's own CNN and the pooled one, with the same network, schedule and total work.

    They learn from the images that the hospitals' agents learn from. `progress` gives each of the two trainings,
    `own` and `pooled`, what it reports to.
    """
    if prepared.folder.baselines.exists():
        return Baselines.load(prepared.folder.baselines, prepared.arch)
    use = Use(UseKind.TRAIN, recipients=tuple(consortium.hospitals))
    cohorts = [each.cohort(each.usable(DATASET, 1, use)) for each in consortium.hospitals.values()]
    seed = first_model_seed(salt(prepared), prepared.study)
    test = prepared.images.images[prepared.split.test]
    with ThreadPoolExecutor(1) as pool:
        pooled = pool.submit(baselines.pooled, cohorts, prepared.plan, prepared.arch, seed, progress("pooled"))
        own = baselines.local(cohorts, prepared.plan, prepared.arch, seed, progress("own"))
        found = Baselines(tuple(model.predict(test) for model in own), pooled.result().predict(test), tuple(own))
    found.save(prepared.folder.baselines)
    return found


class Comparison:
    """Scores of all methods on one test set."""

    def __init__(self, prepared: Prepared, federated: Probabilities, compared: Baselines) -> None:
        test = prepared.split.test
        self._labels = prepared.images.labels[test]
        self._groups = prepared.images.groups[test]
        self._classes = prepared.images.classes
        self._names = prepared.names
        self.federated = federated
        self._compared = compared

    @cached_property
    def results(self) -> Results:
        """The table a hospital decides on."""
        own = [self._scored(probabilities) for probabilities in self._compared.own]
        joint, pooled = self._scored(self.federated), self._scored(self._compared.pooled)
        rows = tuple(
            HospitalResult(
                hospital=name,
                own=alone.metrics,
                federated=joint.metrics,
                gain_auc=_difference(joint.metrics.auc, alone.metrics.auc, joint.auc - alone.auc),
                gain_acc=_difference(joint.metrics.acc, alone.metrics.acc, joint.acc - alone.acc),
            )
            for name, alone in zip(self._names, own, strict=True)
        )
        mean = Metrics(auc=_mean([alone.metrics.auc for alone in own]), acc=_mean([alone.metrics.acc for alone in own]))
        text = f"95 % bootstrap over whole near-duplicate groups, {RESAMPLES} resamples"
        return Results(hospitals=rows, federated=joint.metrics, own_mean=mean, pooled=pooled.metrics, intervals=text)

    def performance(self) -> Performance:
        """The federated model in detail."""
        confusion = metrics.confusion_matrix(self.federated, self._labels)
        sensitivity, specificity = metrics.sensitivity(confusion), metrics.specificity(confusion)
        support = confusion.sum(1)
        classes = tuple(
            ClassResult(
                name=name,
                support=int(support[at]),
                sensitivity=Estimate(value=_number(sensitivity[at])),
                specificity=Estimate(value=_number(specificity[at])),
            )
            for at, name in enumerate(self._classes)
        )
        methods = {FEDERATED: self.federated, POOLED: self._compared.pooled}
        return Performance(
            confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
            classes=classes,
            roc=tuple(self._roc(name, found) for name, found in methods.items()),
            roc_note="" if len(self._classes) == 2 else "Mean over classes of one against the rest.",
            calibration=(_calibration(FEDERATED, metrics.calibration(self.federated, self._labels)),),
        )

    def _scored(self, probabilities: Probabilities) -> _Scored:
        samples = metrics.bootstrap(probabilities, self._labels, self._groups, RESAMPLES)
        auc, acc = metrics.auc(probabilities, self._labels), metrics.accuracy(probabilities, self._labels)
        scored = Metrics(auc=_estimate(auc, samples.auc), acc=_estimate(acc, samples.accuracy))
        return _Scored(scored, samples.auc, samples.accuracy)

    def _roc(self, method: str, probabilities: Probabilities) -> RocCurve:
        grid = np.linspace(0, 1, ROC_POINTS)
        columns = [1] if len(self._classes) == 2 else range(len(self._classes))
        rates = []
        for column in columns:
            positive = self._labels == column
            if positive.any() and not positive.all():
                rates.append(np.interp(grid, *metrics.roc_points(probabilities[:, column], positive)))
        mean = np.mean(rates, axis=0) if rates else grid
        mean[0] = 0.0
        auc = _number(metrics.auc(probabilities, self._labels))
        return RocCurve(
            method=method, false_positive_rate=tuple(grid.tolist()), true_positive_rate=tuple(mean.tolist()), auc=auc
        )


@dataclass(frozen=True)
class _Scored:
    metrics: Metrics
    auc: npt.NDArray[np.float64]
    acc: npt.NDArray[np.float64]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _estimate(value: float, samples: npt.NDArray[np.float64]) -> Estimate:
    if np.isnan(value) or np.isnan(samples).all():
        return Estimate(value=_number(value))
    low, high = metrics.interval(samples)
    return Estimate(value=float(value), low=low, high=high)


def _difference(joint: Estimate, alone: Estimate, samples: npt.NDArray[np.float64]) -> Estimate:
    if joint.value is None or alone.value is None:
        return Estimate(value=None)
    return _estimate(joint.value - alone.value, samples)


def _mean(estimates: list[Estimate]) -> Estimate:
    values = [estimate.value for estimate in estimates if estimate.value is not None]
    return Estimate(value=float(np.mean(values)) if values else None)


def _calibration(method: str, found: metrics.Calibration) -> Calibration:
    bins = tuple(
        CalibrationBin(count=int(count), confidence=float(confidence), accuracy=float(accuracy))
        for count, confidence, accuracy in zip(found.counts, found.confidence, found.accuracy, strict=True)
    )
    return Calibration(method=method, expected_error=found.error, bins=bins)
