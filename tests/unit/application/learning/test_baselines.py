"""The baselines are fair and the float twin of the chain's algorithm is what it says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hmchain.application.learning import metrics
from hmchain.application.learning.schedule import Q16, TrainingPlan, default_plan
from hmchain.application.learning.trainers import baselines
from hmchain.application.learning.trainers.architecture import Architecture, initial_vector
from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer
from hmchain.application.learning.trainers.local import Cohort

ARCH = Architecture.for_images(12, 12, channels=1, classes=2, filters=8)
PLAN: TrainingPlan = msgspec.structs.replace(default_plan(6, steps=3), batch_size=16)
SEED = b"seed" * 8


def hospital(counts: tuple[int, int], seed: int) -> Cohort:
    """Noise whose upper half is bright in class 1."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], counts)
    images = random.integers(0, 150, (len(labels), 12, 12, 1), np.uint8)
    images[labels == 1, :6] += 60
    return Cohort(images, labels, images[:0], labels[:0])


COHORTS = [hospital((40, 4), 0), hospital((6, 30), 1), hospital((20, 20), 2)]
TEST = hospital((40, 40), 9)


def test_the_twin_is_the_stated_rule() -> None:
    """m <- beta m + weighted mean of updates; w <- w + eta m."""
    plan = msgspec.structs.replace(PLAN, server_learning_rate_q16=Q16 // 2, server_momentum_q16=Q16 // 2)
    shares = [1, 2, 5]
    model, momentum = initial_vector(ARCH, SEED).astype(np.float64), 0.0
    trainers = [
        CNNTrainer(cohort, plan, ARCH, baselines.hospital_seed(SEED, place)) for place, cohort in enumerate(COHORTS)
    ]
    for round in range(plan.rounds):
        sent = model.astype(np.float32)
        updates = [trainer.fit(sent, round).weights - sent for trainer in trainers]
        mean = sum(share * update for share, update in zip(shares, updates, strict=True)) / 8
        momentum = 0.5 * momentum + mean
        model = model + 0.5 * momentum
    found = baselines.federated_reference(COHORTS, plan, ARCH, SEED, shares).weights
    assert found == pytest.approx(model.astype(np.float32), abs=1e-5)


@pytest.mark.network
def test_all_baselines_learn_and_repeat() -> None:
    for train in (baselines.pooled, baselines.fedavg):
        trained = train(COHORTS, PLAN, ARCH, SEED)
        assert np.array_equal(trained.weights, train(COHORTS, PLAN, ARCH, SEED).weights)
        assert metrics.auc(trained.predict(TEST.train_images), TEST.train_labels) > 0.9
    alone = baselines.local(COHORTS, PLAN, ARCH, SEED)
    assert len(alone) == 3
    assert metrics.auc(alone[2].predict(TEST.train_images), TEST.train_labels) > 0.8


def test_one_hospital_alone_in_a_pool_is_local_training() -> None:
    alone = baselines.local(COHORTS[:1], PLAN, ARCH, SEED)[0].weights
    assert np.array_equal(alone, baselines.pooled(COHORTS[:1], PLAN, ARCH, SEED).weights)


@pytest.mark.parametrize("rounds, steps", [(600, 4), (6, 3), (120, 20)])
def test_all_see_as_many_images(rounds: int, steps: int) -> None:
    plan = default_plan(rounds, steps)
    images = plan.rounds * plan.steps * plan.batch_size
    plain, alone, everybody = baselines.fedavg_plan(plan), baselines.alone_plan(plan), baselines.alone_plan(plan, 3)
    assert plain.rounds * plain.steps * plain.batch_size == images
    for work, found in ((1, alone), (3, everybody)):
        spare = found.steps * found.batch_size  # of the last steps, those that nobody asked for
        assert work * images <= found.rounds * found.steps * found.batch_size + found.batch_size
        assert found.rounds * found.steps * found.batch_size < work * images + spare


def test_fedavg_has_one_learning_rate_and_a_server_that_only_averages() -> None:
    plain = baselines.fedavg_plan(PLAN)
    assert len(set(plain.learning_rates_millionths)) == 1
    assert not plain.logit_adjustment
    assert (plain.server_momentum_q16, plain.server_learning_rate_q16) == (0, Q16)


def test_the_federation_predicts_with_the_prior_of_all_if_training_took_out_each_ones_own() -> None:
    adjusted = msgspec.structs.replace(PLAN, logit_adjustment=True)
    for plan, prior in ((adjusted, np.array([67, 55]) / 122), (PLAN, np.array([0.5, 0.5]))):
        assert baselines.federated_reference(COHORTS, plan, ARCH, SEED, [1, 1, 1]).prior == pytest.approx(prior)


def test_progress_counts_rounds() -> None:
    seen: list[tuple[int, int]] = []
    baselines.local(COHORTS, PLAN, ARCH, SEED, lambda done, of: seen.append((done, of)))
    assert seen == [(round, len(seen)) for round in range(1, baselines.alone_plan(PLAN).rounds + 1)]
