"""A model's file, and what makes it the model that a ledger registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from msgspec.structs import replace

from hmchain.application.learning.model_file import (
    Model,
    RegisteredModels,
    load_model,
    save_model,
)
from hmchain.application.learning.model_origin import ModelDiffersError, ModelFileError, Origin, UnregisteredModelError
from hmchain.application.learning.prior import summed_counts
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.trainers.architecture import Architecture, Preprocessing, initial_vector
from hmchain.canonical import encode
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.vectors import model_bytes

SMALL = Architecture.for_images(28, 28, channels=1, classes=2, filters=8)
CLASSES = ("tumour", "none")
GENESIS = bytes(range(32))
PLAN = replace(default_plan(2, 3), logit_adjustment=True)
MEANS = (30 << 22, (10 << 22) + 5)
"""Round 0's mean counts of four hospitals, in 2^-22 of a record."""
HOSPITALS = 4


def origin(**changes: object) -> Origin:
    fields: dict[str, Any] = {
        "study": "brain", "purpose": "DUO:0000006", "round": 2, "model_root": "11" * 32, "chain_id": "north-abc",
        "genesis": GENESIS.hex(), "code": "22" * 32, "training": encode(PLAN).hex(), "modality": "MR",
        "participants": HOSPITALS, "mean_counts": MEANS,
    }  # fmt: skip
    return Origin(**(fields | changes))


def made(**changes: object) -> Model:
    counts = summed_counts(MEANS, HOSPITALS)
    preprocessing = Preprocessing.for_model(SMALL, CLASSES, counts, adjusted=PLAN.logit_adjustment)
    model = Model(SMALL, initial_vector(SMALL, bytes(32)), preprocessing, origin())
    return model._replace(**changes)  # type: ignore[arg-type]


def registry() -> RegisteredModels:
    """What the ledger says of `made`, computed from the study alone."""
    weights = made().vector.astype("<f4").tobytes()
    weights += bytes(-len(weights) % 1024)
    means = np.zeros(256, np.int64)
    means[:2] = MEANS
    counts = blake3(model_bytes(means, means), derive_key_context="FL-HMChain 2026-11-27 model and momentum").digest()
    meaning = models.Meaning(
        chain_id="north-abc", study="brain", purpose="DUO:0000006", code=bytes.fromhex("22" * 32),
        training=encode(PLAN), schema=Schema("MR", 1, 28, 28, CLASSES), architecture=encode(SMALL),
        participants=HOSPITALS, counts_root=counts,
    )  # fmt: skip
    root = blake3(weights, derive_key_context="FL-HMChain 2026-11-27 float32 weights").digest()
    entry = models.Model("brain", 2, bytes.fromhex("11" * 32), root, meaning.digest, bytes(32), 9)
    return RegisteredModels(GENESIS, (entry,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_a_model_file_round_trip(path: Path) -> None:
    save_model(path, made())
    model = load_model(path, registry())
    assert (model.arch, model.preprocessing, model.origin) == made()[:1] + made()[2:]
    assert np.array_equal(model.vector, made().vector)
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]
    assert path.stat().st_mode & 0o777 == 0o600, "learnt from patients: its owner says who reads it"


def test_equal_models_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_model(tmp_path / name, made())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def flipped() -> np.ndarray:
    vector = made().vector.copy()
    vector.view(np.uint32)[len(vector) // 2] ^= 1
    return vector


def of(**changes: object) -> Callable[[], Model]:
    """A file whose origin says something else."""
    return lambda: made(origin=origin(**changes))


def with_preprocessing(**changes: object) -> Callable[[], Model]:
    """A file whose preprocessing says something else."""
    return lambda: made(preprocessing=replace(made().preprocessing, **changes))


PRIOR = made().preprocessing.prior_q16
TAMPERINGS: dict[str, tuple[Callable[[], Model], str]] = {
    "one flipped weight": (lambda: made(vector=flipped()), "the weights"),
    "a zero with a sign": (lambda: made(vector=-made().vector), "the weights"),
    "classes swapped": (with_preprocessing(classes=CLASSES[::-1]), "classes"),
    "another prior": (with_preprocessing(prior_q16=PRIOR[::-1]), "prior"),
    "another prior and the counts for it": (
        lambda: made(
            preprocessing=Preprocessing.for_model(SMALL, CLASSES, summed_counts(MEANS[::-1], HOSPITALS)),
            origin=origin(mean_counts=MEANS[::-1]),
        ),
        "prior",
    ),
    "images of another size": (with_preprocessing(height=32), "preprocessing"),
    "another network": (lambda: made(arch=replace(SMALL, stem_stride=2)), "network"),
    "another purpose": (of(purpose="DUO:0000007"), "purpose"),
    "another chain": (of(chain_id="south-abc"), "origin"),
    "another genesis": (of(genesis="00" * 32), "genesis"),
    "another round": (of(round=1), "round"),
    "another root": (of(model_root="00" * 32), "root"),
    "another code": (of(code="00" * 32), "origin"),
    "code that is none": (of(code="zz"), "origin"),
    "another plan": (of(training=encode(replace(PLAN, steps=4)).hex()), "origin"),
    "a plan that is none": (of(training="00"), "prior"),
    "another modality": (of(modality="CT"), "origin"),
    "more hospitals": (of(participants=HOSPITALS + 1), "prior"),
    "a class too many": (of(mean_counts=(*MEANS, 1)), "prior"),
    "no counts": (of(mean_counts=()), "prior"),
    "counts beyond all integers": (of(mean_counts=(1 << 63, 1 << 63)), "prior"),
}


@pytest.mark.parametrize(("tampered", "what"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_whatever_is_altered_is_not_the_ledgers_model(path: Path, tampered: Callable[[], Model], what: str) -> None:
    save_model(path, tampered())
    with pytest.raises(ModelDiffersError, match=what) as caught:
        load_model(path, registry())
    assert str(path) in str(caught.value) and caught.value.exit_code == 7


def test_a_file_of_no_ledger_is_read_only_where_that_is_said(path: Path) -> None:
    save_model(path, made(origin=None))
    with pytest.raises(UnregisteredModelError, match="compared with no ledger"):
        load_model(path)
    with pytest.raises(UnregisteredModelError, match="of no study"):
        load_model(path, registry())
    assert load_model(path, unregistered=True).origin is None
    save_model(path, made(origin=origin(study="other")))
    with pytest.raises(UnregisteredModelError, match="study other"):
        load_model(path, registry())


def test_training_without_adjustment_needs_no_prior(path: Path) -> None:
    plain = encode(replace(PLAN, logit_adjustment=False)).hex()
    uniform = Preprocessing.for_model(SMALL, CLASSES, (), adjusted=False)
    assert uniform.prior.tolist() == [0.5, 0.5]
    save_model(path, made(preprocessing=uniform, origin=origin(training=plain)))
    with pytest.raises(ModelDiffersError, match="origin"):  # the study of this registry was adjusted
        load_model(path, registry())
    save_model(path, made(origin=origin(training=plain)))
    with pytest.raises(ModelDiffersError, match="prior"):
        load_model(path, registry())


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_model(tmp_path / "missing", unregistered=True)
    (tmp_path / "text").write_text("not a model")
    with pytest.raises(ModelFileError, match="is not an FL-CNN model"):
        load_model(tmp_path / "text", unregistered=True)
    good = tmp_path / "model"
    save_model(good, made())
    whole = good.read_bytes()
    bad = {
        "cut": whole[:-100],
        "other": whole.replace(b"hmchain", b"another"),
        "old": whole.replace(b"origin", b"source"),
        "typed": whole.replace(rb"\"round\":2", rb"\"round\":x"),
    }
    for name, content in bad.items():
        assert content != whole
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError):
            load_model(tmp_path / name, unregistered=True)
