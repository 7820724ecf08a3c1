"""Local training: it learns, it repeats, and it keeps no state between rounds."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.learning.schedule import MILLION, Q16, PlanError, TrainingPlan, default_plan
from hmchain.application.learning.trainers import cnn, cnn_trainer, held_cnn, local
from hmchain.application.learning.trainers.allowance import HOURS, NOTHING, Allowance, UsedUpError
from hmchain.application.learning.trainers.architecture import Architecture, Vector, initial_vector
from hmchain.canonical import decode, encode
from hmchain.ledger.contracts.data.requests import Resources

ARCH = Architecture.for_images(16, 16, channels=1, classes=2, filters=8)


def plan(rounds: int = 4, **changes: object) -> TrainingPlan:
    return msgspec.structs.replace(default_plan(rounds, steps=4), batch_size=16, **changes)


def bright_and_dark(n: int = 48, seed: int = 0) -> local.Cohort:
    """Noise whose upper half is bright in class 1: learnable, and no flip across the vertical axis changes it."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = random.integers(0, 120, (n, 16, 16, 1), np.uint8)
    images[labels == 1, :8] += 100
    cut = 2 * n // 3
    return local.Cohort(images[:cut], labels[:cut], images[cut:], labels[cut:])


SEED = b"seed" * 8
START = initial_vector(ARCH, SEED)


def test_training_learns() -> None:
    hospital = cnn_trainer.CNNTrainer(bright_and_dark(), plan(rounds=10), ARCH, seed=SEED)
    weights, losses = START, []
    for round in range(10):
        result = hospital.fit(weights, round)
        weights, losses = result.weights, [*losses, result.mean_loss]
    assert losses[-1] < 0.5 * losses[0]
    scores = hospital.evaluate(weights, "validation")
    assert scores.examples == 16
    assert scores.accuracy > 0.9
    assert scores.auc > 0.95


def test_a_rebuilt_agent_trains_the_same_update() -> None:
    warm = cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, seed=SEED)
    first = warm.fit(START, 0).weights
    expected = warm.fit(first, 1).weights
    rebuilt = cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, seed=SEED)
    assert np.array_equal(rebuilt.fit(first, 1).weights, expected)
    assert np.array_equal(warm.fit(first, 1).weights, expected)


def held(memory_mib: int, held_bytes: int = 0) -> tuple[held_cnn.HeldCNNTrainer, Allowance]:
    allowance = Allowance(Resources(4, 1, memory_mib), NOTHING, lambda used: None)
    trainer = held_cnn.HeldCNNTrainer(bright_and_dark(), plan(), ARCH, SEED, allowance, lambda: held_bytes)
    return trainer, allowance


def test_a_trainer_that_is_held_to_what_was_asked_for_trains_the_same_or_gives_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, SEED).fit(START, 0).weights
    trainer, allowance = held(1 << 20)
    assert np.array_equal(trainer.fit(START, 0).weights, plain)
    began_ms = allowance.used.work_ms

    def hours_pass(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
        allowance.add(3_600_000, 0, HOURS)
        return images

    monkeypatch.setattr(cnn_trainer, "augment", hours_pass)
    with pytest.raises(UsedUpError, match="1 hour of this hospital's machine, and that is used up"):
        trainer.fit(START, 0)  # it ends before the first step
    assert began_ms + 3_600_000 <= allowance.used.work_ms
    monkeypatch.undo()
    with pytest.raises(UsedUpError, match="asked for 1 GiB of memory and took more"):
        held(1 << 10, 1 + (1 << 30))[0].fit(START, 0)
    with pytest.raises(UsedUpError, match="asked for 0 GiB of memory and took more"):
        held(0)  # the images alone take more


def test_rounds_and_seeds_differ() -> None:
    one, two = (cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, seed) for seed in (SEED, bytes(32)))
    assert not np.array_equal(one.fit(START, 0).weights, one.fit(START, 1).weights)
    assert not np.array_equal(one.fit(START, 0).weights, two.fit(START, 0).weights)


def test_the_weights_that_came_in_are_left_alone() -> None:
    weights = START.copy()
    cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, seed=SEED).fit(weights, 0)
    assert np.array_equal(weights, START)


@pytest.mark.network
def test_one_step_is_that_of_torch_sgd() -> None:
    chosen = plan(momentum_millionths=900_000, augmentation=False, logit_adjustment=False)
    cohort = bright_and_dark()
    found = cnn_trainer.CNNTrainer(cohort, chosen, ARCH, seed=SEED).fit(START, 0).weights

    network = cnn.build(ARCH)
    cnn.load_vector(network, START)
    optimiser = torch.optim.SGD(network.parameters(), chosen.learning_rate(0), momentum=0.9, weight_decay=5e-4)
    order = cnn_trainer.batch_order(32, 4 * 16, seed=SEED, round=0)
    for batch in np.split(order, 4):
        optimiser.zero_grad()
        labels = torch.from_numpy(cohort.train_labels[batch])
        torch.nn.functional.cross_entropy(network(cnn.to_input(cohort.train_images[batch])), labels).backward()
        optimiser.step()
    assert found == pytest.approx(cnn.to_vector(network), abs=1e-5)


def test_fedprox_keeps_closer_to_the_global_model() -> None:
    free = cnn_trainer.CNNTrainer(bright_and_dark(), plan(), ARCH, seed=SEED).fit(START, 0).weights
    held_plan = plan(prox_mu_millionths=10 * MILLION)
    held = cnn_trainer.CNNTrainer(bright_and_dark(), held_plan, ARCH, seed=SEED).fit(START, 0).weights
    assert np.linalg.norm(held - START) < np.linalg.norm(free - START)


def test_logit_adjustment_unlearns_the_local_prior() -> None:
    cohort = bright_and_dark(96)
    kept = np.flatnonzero((cohort.train_labels == 0) | (np.arange(64) < 8))
    noise = np.random.default_rng(0).integers(0, 256, (len(kept), 16, 16, 1), np.uint8)  # nothing but the prior
    skewed = replace(cohort, train_images=noise, train_labels=cohort.train_labels[kept])
    shares = []
    for adjusted in (False, True):
        hospital = cnn_trainer.CNNTrainer(skewed, plan(rounds=8, logit_adjustment=adjusted), ARCH, seed=SEED)
        weights = START
        for round in range(8):
            weights = hospital.fit(weights, round).weights
        shares.append(hospital.predict(weights, cohort.validation_images)[:, 1].mean())
    plain, balanced = shares
    assert plain < 0.25
    assert abs(balanced - 0.5) < abs(plain - 0.5)


def test_an_empty_validation_split_scores_nan() -> None:
    cohort = bright_and_dark()
    empty = replace(cohort, validation_images=cohort.validation_images[:0], validation_labels=np.zeros(0, np.int64))
    assert np.isnan(cnn_trainer.CNNTrainer(empty, plan(), ARCH, seed=SEED).evaluate(START, "validation").auc)


def test_a_cohort_that_does_not_fit_is_refused() -> None:
    cohort = bright_and_dark()
    with pytest.raises(local.CohortError, match="labels"):
        replace(cohort, train_labels=cohort.train_labels[1:])
    with pytest.raises(local.CohortError, match="no image"):
        replace(cohort, train_images=cohort.train_images[:0], train_labels=cohort.train_labels[:0])


@settings(deadline=None)
@given(
    examples=st.integers(1, 50),
    draws=st.integers(1, 120),
    seed=st.binary(min_size=32, max_size=32),
    rounds=st.integers(1, 6),
)
def test_rounds_together_are_whole_passes(examples: int, draws: int, seed: bytes, rounds: int) -> None:
    order = np.concatenate([cnn_trainer.batch_order(examples, draws, seed, round) for round in range(rounds)])
    assert len(order) == rounds * draws
    counts = np.bincount(order, minlength=examples)
    assert np.ptp(counts) <= 1


def test_augmentation_keeps_shape_and_range_and_moves_each_image() -> None:
    images = cnn.to_input(bright_and_dark().train_images)
    changed = cnn_trainer.augment(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.abs().max() <= 1.1 + 1e-6
    assert (changed - images).abs().amax((1, 2, 3)).min() > 0


def test_the_cosine_table_falls_from_base_to_near_zero() -> None:
    table = default_plan(80).learning_rates_millionths
    assert list(table) == sorted(table, reverse=True)
    assert table[0] == default_plan(40).learning_rates_millionths[0]
    assert table[40] == table[0] // 2
    assert table[-1] < table[0] // 1000


def test_a_plan_has_one_encoding() -> None:
    assert decode(encode(default_plan()), TrainingPlan) == default_plan()


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rates_millionths": ()},
        {"learning_rates_millionths": (-1,)},
        {"steps": 0},
        {"batch_size": 0},
        {"momentum_millionths": MILLION},
        {"server_momentum_q16": Q16},
        {"prox_mu_millionths": -1},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        msgspec.structs.replace(default_plan(), **change)


class PlainTrainer:
    """A network of one's own behind the protocol, in a few lines of PyTorch."""

    def __init__(self, network: torch.nn.Module, cohort: local.Cohort) -> None:
        self.network, self.cohort = network, cohort

    def fit(self, weights: Vector, round: int) -> local.FitResult:
        cnn.load_vector(self.network, weights)
        images, labels = cnn.to_input(self.cohort.train_images), torch.from_numpy(self.cohort.train_labels)
        loss = torch.nn.functional.cross_entropy(self.network(images), labels)
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        step = torch.cat([gradient.reshape(-1) for gradient in gradients]).numpy()
        return local.FitResult(weights - 0.1 * step, len(labels), float(loss.detach()), seconds=0.0)

    def evaluate(self, weights: Vector, split: local.Split) -> local.Scores:
        cnn.load_vector(self.network, weights)
        images, labels = self.cohort.split(split)
        return cnn_trainer.score(cnn.predict_probabilities(self.network, images), labels)


def test_any_network_fits_the_protocol() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 2))
    own: local.LocalTrainer = PlainTrainer(network, bright_and_dark())
    weights = np.zeros_like(cnn.to_vector(network))
    for round in range(5):
        weights = own.fit(weights, round).weights
    assert own.evaluate(weights, "validation").auc > 0.9


def test_the_global_prior_is_added_only_where_the_logits_were_adjusted() -> None:
    cohort, prior = bright_and_dark(), np.array([0.9, 0.1])
    images = cohort.validation_images
    for adjusted in (True, False):
        chosen = plan(logit_adjustment=adjusted)
        without = cnn_trainer.CNNTrainer(cohort, chosen, ARCH, seed=SEED).predict(START, images)
        informed = cnn_trainer.CNNTrainer(cohort, chosen, ARCH, seed=SEED, prior=prior).predict(START, images)
        expected = without * prior / (without * prior).sum(1, keepdims=True) if adjusted else without
        assert informed == pytest.approx(expected)
