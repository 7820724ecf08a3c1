"""One hospital: its records, and the FL-CNN that it builds only if the study pins what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain.application.agent.pins import NotApprovedError, UnpinnedError
from hmchain.application.consent.usable import Usable, Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture, first_model_seed, initial_vector
from hmchain.canonical import encode
from hmchain.errors import InputError
from hmchain.ledger.contracts.data.datasets import Schema, dataset, version
from hmchain.ledger.contracts.learning import approvals
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.records.pictures.prepared import Images

SCHEMA = Schema("mri", 1, 16, 16, ("no", "yes"))
ARCH = Architecture.for_images(16, 16, 1, 2)
PLAN = default_plan(2, steps=2)
RULE = study_spec("any", SCHEMA, (DatasetUse("east", "brain", 1),) * 3, ARCH, PLAN, bytes(32)).rule


def images(count: int, seed: int) -> Images:
    random = np.random.default_rng(seed)
    return Images(random.integers(0, 256, (count, 16, 16, 1), np.uint8), np.arange(count) % 2)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    titles = {name: name for name in ("east", "north", "west")}
    with Consortium.create(tmp_path_factory.mktemp("run"), "test", titles) as consortium:
        hospital = consortium.hospitals["north"]
        hospital.store_images("brain", {"train": images(11, 1), "validation": images(5, 2)})
        consortium.require(hospital.register("brain", SCHEMA), hospital.publish("brain", 1))
        yield hospital


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No study is proposed here, so none is allowed; what is read of records that are is tested."""
    monkeypatch.setattr(approvals, "authorised", lambda state, organisation, specification, time_ms: True)


def test_no_record_is_opened_without_a_permit_or_an_approval(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(NotApprovedError, match="no record is opened for study tumours"):
        cnn_learner(hospital, spec(hospital)).read()


def spec(hospital: Hospital, rounds: int = 2) -> StudySpec:
    uses = tuple(DatasetUse(name, "brain", 1) for name in ("east", "north", "west"))
    salt = parameters.founding(hospital.node.state).salt
    return study_spec("tumours", SCHEMA, uses, ARCH, default_plan(rounds, steps=2), salt)


def usable(hospital: Hospital) -> Usable:
    return hospital.usable("brain", 1, Use(UseKind.TRAIN))


def test_images_come_back_as_they_were(hospital: Hospital) -> None:
    for split, stored in (("train", images(11, 1)), ("validation", images(5, 2))):
        found = hospital.images(usable(hospital), split)
        assert np.array_equal(found.images, stored.images) and np.array_equal(found.labels, stored.labels)
    with pytest.raises(InputError, match="no test images"):
        hospital.images(usable(hospital), "test")


def test_what_is_trained_on_comes_in_an_order_of_its_own(hospital: Hospital, tmp_path: Path) -> None:
    stored = images(11, 1)
    turned = Images(stored.images[::-1], stored.labels[::-1])
    with Consortium.create(tmp_path, "other", {name: name for name in ("east", "north", "west")}) as consortium:
        other = consortium.hospitals["east"]
        other.store_images("brain", {"train": turned, "validation": images(5, 2)})
        consortium.require(other.register("brain", SCHEMA), other.publish("brain", 1))
        first, second = hospital.cohort(usable(hospital)), other.cohort(usable(other))
    assert np.array_equal(first.train_images, second.train_images)
    assert np.array_equal(first.train_labels, second.train_labels)
    assert not np.array_equal(first.train_images, stored.images)


def test_images_are_nowhere_in_the_clear(hospital: Hospital) -> None:
    pixels = images(11, 1).images[0].tobytes()
    files = [path for path in hospital.folder.path.parent.parent.rglob("*") if path.is_file()]
    assert len(files) > 20 and not any(pixels[:64] in path.read_bytes() for path in files)


def test_what_is_published_is_a_root_and_a_rounded_count(hospital: Hospital) -> None:
    published = version(hospital.node.state, "north", "brain", 1)
    assert published is not None and published.count == 64 and len(published.root) == 32
    registered = dataset(hospital.node.state, "north", "brain")
    assert registered is not None and registered.schema == SCHEMA


def test_the_learner_is_what_the_study_pins(hospital: Hospital) -> None:
    learner = cnn_learner(hospital, spec(hospital))
    assert learner.class_counts.tolist() == [6, 5]
    assert np.array_equal(
        learner.initial,
        initial_vector(ARCH, first_model_seed(parameters.founding(hospital.node.state).salt, "tumours")),
    )
    fitted = learner.trainer.fit(learner.initial, 0).weights
    assert fitted.shape == learner.initial.shape and not np.array_equal(fitted, learner.initial)
    again = cnn_learner(hospital, spec(hospital))
    assert np.array_equal(again.trainer.fit(again.initial, 0).weights, fitted), "the same after a restart"
    learner.use_counts(np.array([30, 10]))
    assert 0 <= learner.trainer.evaluate(fitted, "validation").auc <= 1


def test_a_learner_decrypts_nothing_before_it_is_used(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    cohort = hospital.cohort
    monkeypatch.setattr(hospital, "cohort", lambda of: read.append(of.dataset) or cohort(of))
    learner = cnn_learner(hospital, spec(hospital))
    learner.use_counts(np.array([30, 10]))
    assert len(learner.initial) and not read
    learner.read()
    assert learner.trainer.prior is not None and learner.class_counts.tolist() == [6, 5]
    assert read == ["brain"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code": bytes(32)},
        {"architecture": b"resnet"},
        {"training": b""},
        {"architecture": encode(Architecture.for_images(32, 32, 1, 2))},
        {"rounds": 3},
        {"training": encode(replace(PLAN, server_learning_rate_q16=1 << 12))},
        {"rule": replace(RULE, learning_rate=1 << 12)},
        {"rule": replace(RULE, layers=tuple(replace(layer, step=layer.step * 1000) for layer in RULE.layers))},
        {"clip_norm_millionths": 2_000_000_000},
        {"gate_tolerance_permyriad": 10_000},
        {"initial_root": bytes(32)},
    ],
    ids=[
        "code", "architecture", "plan", "another size", "rounds past the plan", "the plan's server rate",
        "a server that stands still", "wider steps", "no clip", "a gate that takes anything", "another first model",
    ],
)  # fmt: skip
def test_s4_an_agent_refuses_what_is_not_installed_or_does_not_follow_from_the_plan(
    hospital: Hospital, changes: dict[str, object]
) -> None:
    """A rule that is not its plan's can keep the model still, so that a dropout gives an update away."""
    with pytest.raises(UnpinnedError, match="tumours"):
        cnn_learner(hospital, replace(spec(hospital), **changes))


@pytest.mark.parametrize("filters", [8 << 10, 8 << 20, 8 << 40, 8 << 58])
def test_r6_a_network_of_any_size_is_refused_before_it_is_built(hospital: Hospital, filters: int) -> None:
    """What takes all memory, or what torch cannot count, would end the agent, in all of its studies, at every start."""
    with pytest.raises(UnpinnedError, match="do not fit each other"):
        cnn_learner(hospital, replace(spec(hospital), architecture=encode(replace(ARCH, filters=filters))))


@pytest.mark.parametrize(("steps", "batch", "augmentation"), [(1 << 60, 8, True), (6, 8, True), (1, 6, False)])
def test_r7_a_round_that_draws_nearly_all_images_is_refused(
    hospital: Hospital, steps: int, batch: int, augmentation: bool
) -> None:
    """Batches of 8 of 256 images, 32 times, at a rate of 0.00001: a dropout showed an update to within 6 %."""
    salt, uses = parameters.founding(hospital.node.state).salt, spec(hospital).uses
    plan = replace(PLAN, steps=steps, batch_size=batch, augmentation=augmentation)
    with pytest.raises(UnpinnedError, match="too many of the images"):
        cnn_learner(hospital, study_spec("tumours", SCHEMA, uses, ARCH, plan, salt)).read()
    fewer = replace(plan, steps=1, batch_size=batch - 1)
    cnn_learner(hospital, study_spec("tumours", SCHEMA, uses, ARCH, fewer, salt)).read()


def test_s4_an_agent_refuses_to_train_on_all_its_images_at_once(hospital: Hospital) -> None:
    """Nothing would differ from one round to the next but who took part."""
    pinned = spec(hospital)
    salt = parameters.founding(hospital.node.state).salt
    for batch, refused in ((10, False), (11, True), (64, True)):
        plan = replace(PLAN, batch_size=batch)
        learner = cnn_learner(hospital, study_spec("tumours", SCHEMA, pinned.uses, ARCH, plan, salt))
        if refused:
            with pytest.raises(UnpinnedError, match="batches must be smaller"):
                learner.read()
        else:
            learner.read()
