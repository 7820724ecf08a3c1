"""The baselines are fair and the float twin of the chain's algorithm is what it says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hmchain.application.learning import baselines, cnn, metrics
from hmchain.application.learning.schedule import Q16, TrainingPlan, demo_plan
from hmchain.application.learning.trainer import CNNTrainer, Cohort

ARCH = cnn.Architecture.for_images(12, 12, channels=1, classes=2, filters=8)
PLAN: TrainingPlan = msgspec.structs.replace(demo_plan(6, steps=3), batch_size=16)


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
    plan = msgspec.structs.replace(PLAN, server_learning_rate_q16=Q16 // 2)
    shares = [1, 2, 5]
    model, momentum = cnn.initial_vector(ARCH, 4).astype(np.float64), 0.0
    trainers = [CNNTrainer(cohort, plan, ARCH, seed=4 + place) for place, cohort in enumerate(COHORTS)]
    for round in range(plan.rounds):
        sent = model.astype(np.float32)
        updates = [trainer.fit(sent, round).weights - sent for trainer in trainers]
        mean = sum(share * update for share, update in zip(shares, updates, strict=True)) / 8
        momentum = 0.5 * momentum + mean
        model = model + 0.5 * momentum
    found = baselines.federated_reference(COHORTS, plan, ARCH, 4, shares).weights
    assert found == pytest.approx(model.astype(np.float32), abs=1e-5)


def test_all_baselines_learn_and_repeat() -> None:
    for train in (baselines.pooled, baselines.fedavg):
        trained = train(COHORTS, PLAN, ARCH, 1)
        assert np.array_equal(trained.weights, train(COHORTS, PLAN, ARCH, 1).weights)
        assert metrics.auc(trained.predict(TEST.train_images), TEST.train_labels) > 0.9
    alone = baselines.local(COHORTS, PLAN, ARCH, 1)
    assert len(alone) == 3
    assert metrics.auc(alone[2].predict(TEST.train_images), TEST.train_labels) > 0.8


def test_one_hospital_alone_in_a_pool_is_local_training() -> None:
    alone = baselines.local(COHORTS[:1], PLAN, ARCH, 1)[0].weights
    assert np.array_equal(alone, baselines.pooled(COHORTS[:1], PLAN, ARCH, 1).weights)


def test_pooled_does_equal_total_work(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    fit = CNNTrainer.fit

    def counted(self: CNNTrainer, weights: cnn.Vector, round: int) -> object:
        steps.append(self.plan.steps)
        return fit(self, weights, round)

    monkeypatch.setattr(CNNTrainer, "fit", counted)
    baselines.pooled(COHORTS, PLAN, ARCH, 1)
    pooled_steps, steps = sum(steps), []
    baselines.local(COHORTS, PLAN, ARCH, 1)
    assert pooled_steps == sum(steps) == 3 * PLAN.rounds * PLAN.steps


def test_fedavg_does_as_much_as_the_cosine_on_average() -> None:
    plain = baselines.fedavg_plan(PLAN)
    assert len(set(plain.learning_rates_millionths)) == 1
    assert sum(plain.learning_rates_millionths) == pytest.approx(sum(PLAN.learning_rates_millionths), abs=PLAN.rounds)
    assert not plain.logit_adjustment
    assert plain.server_momentum_q16 == 0


def test_the_federation_predicts_with_the_prior_of_all() -> None:
    trained = baselines.federated_reference(COHORTS, PLAN, ARCH, 1, [1, 1, 1])
    assert trained.prior == pytest.approx(np.array([67, 55]) / 122)


def test_progress_counts_rounds() -> None:
    seen: list[tuple[int, int]] = []
    baselines.local(COHORTS, PLAN, ARCH, 1, lambda done, of: seen.append((done, of)))
    assert seen == [(round, 6) for round in range(1, 7)]
