"""The evidence on CNNs that know everything by heart, and on one that learned nothing; and what references cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hmchain.application.disclosure import model_parts, references
from hmchain.application.disclosure.evidence import Found, References
from hmchain.application.disclosure.model_parts import Others, ReferencesError
from hmchain.application.disclosure.own_images import IMAGES_MAX, OwnImages, arranged
from hmchain.application.learning.model_file import Model
from hmchain.application.learning.schedule import TrainingPlan, default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture, Preprocessing, initial_vector
from hmchain.application.learning.trainers.baselines import ContinuousTrainer
from hmchain.application.learning.trainers.local import Cohort
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, ImageRecord

SIDE, SEED = 8, bytes(range(32))
ARCH = Architecture.for_images(SIDE, SIDE, 1, 2, filters=8)
MANY = TrainingPlan.cosine(
    15, learning_rate_millionths=30_000, steps=20, batch_size=16, momentum_millionths=900_000,
    weight_decay_millionths=0, prox_mu_millionths=0, logit_adjustment=False, augmentation=False,
    server_momentum_q16=0, server_learning_rate_q16=1 << 16,
)  # fmt: skip


def records(split: str, count: int, seed: int) -> list[ImageRecord]:
    """Noise with labels that follow from nothing: whoever gets them right knows the image."""
    random = np.random.default_rng(seed)
    return [
        ImageRecord(split, int(label), (SIDE, SIDE, 1), pixels.tobytes())
        for label, pixels in zip(
            random.integers(0, 2, count), random.integers(0, 256, (count, SIDE, SIDE, 1), np.uint8), strict=True
        )
    ]


@pytest.fixture(scope="module")
def own() -> OwnImages:
    return arranged(records(TRAIN, 60, 1), records(VALIDATION, 60, 2), SEED)


def spec(plan: TrainingPlan = MANY) -> StudySpec:
    uses = tuple(DatasetUse(name, "scans", 1) for name in ("east", "north", "west"))
    return study_spec("noise", Schema("mri", 1, SIDE, SIDE, ("no", "yes")), uses, ARCH, plan, bytes(32))


def model(own: OwnImages, rounds: int) -> Model:
    members = own.members
    weights = initial_vector(ARCH, SEED)
    if rounds:
        cohort = Cohort(own.images[members], own.labels[members], own.images[:0], own.labels[:0])
        trainer = ContinuousTrainer(cohort, MANY, ARCH, SEED)
        for round in range(rounds):
            weights = trainer.fit(weights, round).weights
    return Model(ARCH, weights, Preprocessing.for_model(ARCH, ("no", "yes"), (1, 1)), None)


@pytest.fixture(scope="module")
def by_heart(own: OwnImages) -> Iterator[Model]:
    yield model(own, MANY.rounds)


@pytest.mark.network
def test_what_knows_every_image_by_heart_is_found_out(own: OwnImages, by_heart: Model) -> None:
    told: list[tuple[int, int | None]] = []
    found = model_parts.beside_own(own, by_heart, spec(), 4, SEED, lambda done, of: told.append((done, of)))
    area = {each.name: each.auc.value for each in found.attacks if each.auc}
    assert area["loss"] > 0.8 and area["RMIA offline"] > 0.7 and area["RMIA online"] > 0.7, area
    assert all(each.found is Found.SEEN for each in found.attacks if each.auc)
    assert {each.name for each in found.attacks if each.found is Found.NOT_SAID} == {"LiRA"}
    by_name = {each.name: each for each in found.attacks}
    assert by_name["RMIA online"].references is not None and by_name["RMIA online"].references.models == 4
    assert "60 non-members" in by_name["loss"].why
    kept = found.memorisation
    assert kept.found is Found.SEEN and kept.certain is not None and kept.certain_others is not None
    assert kept.certain.low > kept.certain_others.high
    assert kept.outliers is not None and kept.outliers_expected is not None
    assert kept.outliers > kept.outliers_expected + 10
    assert told[-1] == (told[-1][1], told[-1][1]), "all rounds were told of"


def test_what_learned_nothing_tells_nothing(own: OwnImages) -> None:
    found = model_parts.beside_own(own, model(own, 0), spec(default_plan(rounds=10)), 2, SEED)
    for attack in found.attacks:
        assert attack.found is not Found.SEEN, attack
    assert found.memorisation.found is Found.NOTHING_SEEN


def test_nothing_is_trained_where_nothing_could_be_said(own: OwnImages, monkeypatch: pytest.MonkeyPatch) -> None:
    few = arranged(records(TRAIN, 60, 1), records(VALIDATION, 10, 2), SEED)
    monkeypatch.setattr(references, "train", None)
    found = model_parts.beside_own(few, model(few, 0), spec(), 2, SEED)
    assert {each.found for each in found.attacks} == {Found.NOT_SAID} and len(found.attacks) == 3
    assert found.memorisation.found is Found.NOT_SAID


def test_models_and_images_of_others_are_taken_where_there_are_some(own: OwnImages, by_heart: Model) -> None:
    theirs = arranged(records(TRAIN, 600, 3), [], SEED)

    class Guess:
        def predict(self, images: np.ndarray) -> np.ndarray:
            return np.full((len(images), 2), 0.5)

    known_as = References(models=3, by="three other hospitals", on="their own images", seconds=1.0)
    others = Others(theirs.images, theirs.labels, theirs.groups, [Guess(), Guess(), Guess()], known_as)
    found = model_parts.beside_others(own, by_heart, others, SEED)
    assert [each.name for each in found.attacks] == ["loss", "RMIA offline", "LiRA"]
    assert found.attacks[1].rate is not None and found.attacks[1].non_members == 600
    assert found.attacks[1].found is Found.SEEN
    assert found.attacks[1].references == known_as


def test_every_image_is_known_to_half_of_the_references_with_its_near_duplicates() -> None:
    groups = np.array([0, 0, 1, 2, 3, 3, 3, 4, 5, 6])
    inside = references.halves(groups, 6, 1)
    assert inside.shape == (6, 10)
    assert (inside.sum(0) == 3).all()
    assert (inside[:, 0] == inside[:, 1]).all() and (inside[:, 4] == inside[:, 6]).all()
    assert (inside[::2] != inside[1::2]).all()


def test_a_reference_sees_an_image_as_often_as_the_study_showed_it() -> None:
    plan = default_plan(rounds=100, steps=4)  # 3200 images shown, to a hospital of 160: each 20 times
    own = references.reference_plan(plan, 160, 100)
    assert own.rounds * own.steps * own.batch_size == pytest.approx(20 * 100, rel=0.2)
    long = references.reference_plan(default_plan(rounds=1000, steps=100), 50, 100)
    assert long.rounds * long.steps * long.batch_size <= references.DRAWS_MAX
    assert references.reference_plan(plan, 160, 3).batch_size == 2


@pytest.mark.parametrize("models", [0, 1, 3, -2])
def test_references_come_in_pairs(own: OwnImages, by_heart: Model, models: int) -> None:
    with pytest.raises(ReferencesError, match=str(models)):
        model_parts.beside_own(own, by_heart, spec(), models, SEED)


def test_held_out_copies_of_training_images_count_as_neither() -> None:
    trained = records(TRAIN, 30, 1)
    copied = [ImageRecord(VALIDATION, each.label, each.shape, each.pixels) for each in trained[:5]]
    found = arranged(trained, [*records(VALIDATION, 10, 2), *copied], SEED)
    assert found.across == 5
    assert int((~found.members).sum()) == 10


def test_of_many_images_some_are_drawn_the_same_each_time() -> None:
    trained = [ImageRecord(TRAIN, 0, (2, 2, 1), number.to_bytes(4, "big")) for number in range(IMAGES_MAX + 50)]
    one, again = (arranged(trained[::order], [], SEED) for order in (1, -1))
    assert one.trained_on == IMAGES_MAX + 50 and len(one.labels) == IMAGES_MAX
    assert (one.images == again.images).all()
