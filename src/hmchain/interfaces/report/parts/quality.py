"""The quality of the model, and for whom."""

from __future__ import annotations

from typing import Literal

from hmchain.interfaces.report.parts.base import Estimate, Metrics, Part

Metric = Literal["auc", "acc"]
METRICS: tuple[Metric, ...] = ("auc", "acc")


class HospitalResult(Part, frozen=True, kw_only=True):
    """One hospital's own CNN beside the federated one, on the same test images."""

    hospital: str
    own: Metrics
    federated: Metrics
    gain_auc: Estimate | None = None
    """Difference federated - own; paired bootstrap interval where given."""
    gain_acc: Estimate | None = None

    def gain(self, metric: Metric) -> Estimate:
        """Return the measured gain, else the plain difference without an interval."""
        measured = self.gain_auc if metric == "auc" else self.gain_acc
        own, federated = getattr(self.own, metric).value, getattr(self.federated, metric).value
        if measured is not None:
            return measured
        return Estimate(value=None if own is None or federated is None else federated - own)


class Results(Part, frozen=True, kw_only=True):
    """The comparison that a hospital decides on."""

    hospitals: tuple[HospitalResult, ...]
    federated: Metrics
    """The joint model; where it predicts differently for each hospital, the mean over them."""
    own_mean: Metrics
    fedavg: Metrics | None = None
    pooled: Metrics | None = None
    """A model trained on everybody's images in one place: the upper bound that nobody may have."""
    intervals: str = ""
    """The making of the intervals, e.g. "95 % bootstrap, 1000 resamples"."""

    def whose_gain_is(self, sign: int, metric: Metric) -> tuple[str, ...]:
        """The hospitals whose gain is surely one (1), surely a loss (-1), or might be either (0); see `Estimate`."""
        return tuple(one.hospital for one in self.hospitals if one.gain(metric).sign == sign)


class ClassResult(Part, frozen=True, kw_only=True):
    """The federated model on one class."""

    name: str
    support: int
    sensitivity: Estimate
    specificity: Estimate


class RocCurve(Part, frozen=True, kw_only=True):
    """One method's ROC curve, both axes rising from 0 to 1."""

    method: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    auc: float | None = None


class CalibrationBin(Part, frozen=True, kw_only=True):
    """Predictions of about one confidence: how many, how sure they were, how often they were right."""

    count: int
    confidence: float
    accuracy: float


class Calibration(Part, frozen=True, kw_only=True):
    """Reliability of one method's probabilities."""

    method: str
    expected_error: float
    """Expected calibration error, 0..1."""
    bins: tuple[CalibrationBin, ...]


class Performance(Part, frozen=True, kw_only=True):
    """The federated model in detail, on the test set."""

    confusion: tuple[tuple[int, ...], ...]
    """Test images; a row is a true class, a column a predicted one."""
    classes: tuple[ClassResult, ...]
    roc: tuple[RocCurve, ...] = ()
    roc_note: str = ""
    """For more than two classes: how the curves were averaged."""
    calibration: tuple[Calibration, ...] = ()
