"""Metrics against scikit-learn (the oracle; not a dependency of the package) and against hand-made cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.learning import metrics


@pytest.fixture(scope="module")
def oracle() -> Any:
    """Of scikit-learn, which is imported when it is needed: each worker collects this file."""
    from sklearn import metrics as of_scikit_learn

    return of_scikit_learn


def random_case(seed: int, n: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(classes, size=n - classes)])
    scores = random.random((n, classes)) + 0.5 * np.eye(classes)[labels]
    if ties:
        scores = np.round(scores * 4) + 1
    return scores / scores.sum(1, keepdims=True), labels


cases = st.builds(
    random_case,
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(8, 60),
    classes=st.integers(2, 5),
    ties=st.booleans(),
)


@settings(deadline=None)
@given(cases)
def test_auc_and_accuracy_as_medmnist_computes_them(oracle: Any, case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = case
    classes = probabilities.shape[1]
    each = [oracle.roc_auc_score(labels == k, probabilities[:, k]) for k in range(classes)]
    if classes == 2:
        expected_auc = oracle.roc_auc_score(labels, probabilities[:, 1])
        expected_accuracy = oracle.accuracy_score(labels, probabilities[:, 1] > 0.5)
    else:
        expected_auc = np.mean(each)
        expected_accuracy = oracle.accuracy_score(labels, probabilities.argmax(1))
    assert metrics.auc(probabilities, labels) == pytest.approx(expected_auc)
    assert metrics.accuracy(probabilities, labels) == pytest.approx(expected_accuracy)
    assert metrics.auc_per_class(probabilities, labels) == pytest.approx(each)


@settings(deadline=None)
@given(cases)
def test_confusion_sensitivity_specificity_and_losses(oracle: Any, case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = case
    classes = range(probabilities.shape[1])
    predicted = metrics.predictions(probabilities)
    confusion = metrics.confusion_matrix(probabilities, labels)
    assert np.array_equal(confusion, oracle.confusion_matrix(labels, predicted, labels=list(classes)))
    recall = oracle.recall_score(labels, predicted, average=None, labels=list(classes), zero_division=0)
    assert metrics.sensitivity(confusion) == pytest.approx(recall)
    for k, value in zip(classes, metrics.specificity(confusion), strict=True):
        assert value == pytest.approx(oracle.recall_score(labels != k, predicted != k))
    assert metrics.log_loss(probabilities, labels) == pytest.approx(
        oracle.log_loss(labels, probabilities, labels=list(classes))
    )


@settings(deadline=None)
@given(cases)
def test_roc_points_enclose_the_area(oracle: Any, case: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = case
    false_rate, true_rate = metrics.roc_points(probabilities[:, 1], labels == 1)
    assert (false_rate[0], true_rate[0]) == (0, 0)
    assert (false_rate[-1], true_rate[-1]) == (1, 1)
    expected = oracle.roc_auc_score(labels == 1, probabilities[:, 1])
    assert oracle.auc(false_rate, true_rate) == pytest.approx(expected)


def test_brier_of_two_classes_is_that_of_the_positive(oracle: Any) -> None:
    probabilities, labels = random_case(0, 50, 2, ties=False)
    expected = oracle.brier_score_loss(labels, probabilities[:, 1])
    assert metrics.brier(probabilities, labels) == pytest.approx(expected)


def test_brier_of_many_classes_sums_over_them() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    assert metrics.brier(probabilities, np.array([0, 2])) == pytest.approx((0.25 + 0.0625 * 2 + 2) / 2)


def test_calibration_by_hand() -> None:
    positive = np.array([0.95, 0.95, 0.65, 0.05])
    probabilities = np.stack([1 - positive, positive], axis=1)
    found = metrics.calibration(probabilities, np.array([1, 0, 1, 0]), bins=10)
    assert found.counts.tolist() == [1, 3]
    assert found.confidence == pytest.approx([0.65, 0.95])
    assert found.accuracy == pytest.approx([1, 2 / 3])
    assert found.error == pytest.approx((0.35 + 3 * (0.95 - 2 / 3)) / 4)


def test_a_missing_class_gives_nan_not_a_number_made_up() -> None:
    probabilities = np.full((4, 2), 0.5)
    assert np.isnan(metrics.auc(probabilities, np.zeros(4, np.int64)))


def test_a_resample_is_the_metric_on_the_repeated_images() -> None:
    probabilities, labels = random_case(3, 40, 3, ties=True)
    weights = metrics.resample_weights(40, None, 20, seed=5)
    assert (weights.sum(1) == 40).all()
    for value, row in zip(metrics.weighted_auc(probabilities, labels, weights), weights, strict=True):
        chosen = np.repeat(np.arange(40), row.astype(int))
        assert value == pytest.approx(metrics.auc(probabilities[chosen], labels[chosen]), nan_ok=True)


def test_groups_are_resampled_whole() -> None:
    groups = np.array([7, 7, 3, 3, 3, 9])
    weights = metrics.resample_weights(6, groups, 50, seed=1)
    for group in np.unique(groups):
        assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()


def test_whole_groups_widen_the_interval() -> None:
    probabilities, labels = random_case(4, 60, 2, ties=False)
    tenfold = np.tile(np.arange(60), 10)
    copies = probabilities[tenfold], labels[tenfold]
    by_image = metrics.interval(metrics.bootstrap(*copies).auc)
    by_group = metrics.interval(metrics.bootstrap(*copies, groups=tenfold).auc)
    assert by_group[1] - by_group[0] > 2 * (by_image[1] - by_image[0])
    assert by_group[0] < metrics.auc(*copies) < by_group[1]


def test_a_thousand_resamples_of_800_images() -> None:
    samples = metrics.bootstrap(*random_case(5, 800, 2, ties=False))
    assert samples.auc.shape == samples.accuracy.shape == (1000,)


def test_measure_agrees_with_its_parts() -> None:
    probabilities, labels = random_case(6, 100, 3, ties=False)
    found = metrics.measure(probabilities, labels)
    assert found.auc == metrics.auc(probabilities, labels)
    assert found.accuracy_interval[0] <= found.accuracy <= found.accuracy_interval[1]
    assert found.confusion.sum() == found.examples == 100
