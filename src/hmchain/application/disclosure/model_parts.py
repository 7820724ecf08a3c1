"""The parts of the evidence on a CNN: what it says of images, beside what reference models say of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from hmchain.application.disclosure import membership
from hmchain.application.disclosure.evidence import Attack, Memorisation, References
from hmchain.application.disclosure.membership import Floats, Indices, Signals
from hmchain.application.disclosure.memorisation import memorisation
from hmchain.application.disclosure.own_images import OwnImages
from hmchain.application.learning.memory import tune_allocator
from hmchain.application.learning.pinned import cnn_plan
from hmchain.application.models import inference
from hmchain.canonical import decode, digest
from hmchain.errors import InputError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.plain import Progress
from hmchain.records.pictures.duplicates import near_duplicates_of

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model

Images = npt.NDArray[np.uint8]


class ReferencesError(InputError):
    """A number of reference models that cannot be."""

    code = "references"


class Predicts(Protocol):
    """A model that says how likely each class of an image is."""

    def predict(self, images: Images) -> npt.NDArray[np.float64]:
        """Class probabilities, shape (n, classes)."""


@dataclass(frozen=True)
class Others:
    """Images that nobody trained on, and models that others trained: what a demo has, and no hospital."""

    images: Images
    labels: Indices
    groups: Indices
    models: Sequence[Predicts]
    """None of them was trained on an image of the hospital that is measured, or on one of these."""
    known_as: References


@dataclass(frozen=True)
class ModelParts:
    """What is said of a model."""

    attacks: tuple[Attack, ...]
    memorisation: Memorisation | None


def load_target(path: Path, ledger: LedgerReader, study: str) -> Model:
    """The model that is to be released, held against the ledger.

    Raises `ModelDiffersError` for another study's, and what `model_file.load_model` raises.
    """
    model = inference.load(path, ledger)
    if model.origin is None or model.origin.study != study:
        from hmchain.application.learning.model_origin import ModelDiffersError

        raise ModelDiffersError(f"{path} is not the model of {study}", f"write it anew: `hmchain model export {study}`")
    return model


def beside_own(
    own: OwnImages, target: Model, spec: StudySpec, models: int, seed: bytes, progress: Progress | None = None
) -> ModelParts:
    """Compare with `models` references that are trained here on halves of the images.

    `progress` is told of their rounds. Raises `ReferencesError`.
    """
    if models < 2 or models % 2:
        raise ReferencesError(f"there cannot be {models} reference models", "give an even number, of 2 or more")
    signals = Signals(_said(target, own.images, own.labels), own.members, own.labels, own.groups)
    if membership.why_none(own.members, own.labels):
        return _parts(signals, None, own.across, seed)
    tune_allocator()
    from hmchain.application.disclosure import references
    from hmchain.application.learning.trainers.architecture import Architecture

    inside, started = references.halves(own.groups, models, chance_of(seed)), time.perf_counter()
    pool = references.Pool(own.images, own.labels, own.trained_on)
    arch = decode(spec.architecture, Architecture)
    trained = references.train(pool, inside, cnn_plan(spec.training), arch, seed, progress)
    known_as = References(
        models=models,
        by="this hospital",
        on=f"halves of {len(own.labels)} of its own images, each shown as often as the study showed it",
        seconds=round(time.perf_counter() - started, 1),
    )
    said = _true_class(trained, own.images, own.labels)
    return _parts(replace(signals, references=said, inside=inside), known_as, own.across, seed)


def beside_others(own: OwnImages, target: Model, others: Others, seed: bytes) -> ModelParts:
    """Compare the hospital's training images with images that nobody trained on, by models that others trained."""
    ours = own.members
    copies = near_duplicates_of(others.images, own.images[ours])
    theirs = ~copies
    images = np.concatenate([own.images[ours], others.images[theirs]])
    labels = np.concatenate([own.labels[ours], others.labels[theirs]])
    groups = np.concatenate([own.groups[ours], others.groups[theirs] + own.groups.max() + 1])
    members = np.arange(len(labels)) < ours.sum()
    said = _true_class(others.models, images, labels)
    inside = np.zeros(said.shape, np.bool_)
    signals = Signals(_said(target, images, labels), members, labels, groups, said, inside)
    return _parts(signals, others.known_as, int(copies.sum()), seed)


def _parts(signals: Signals, known_as: References | None, across: int, seed: bytes) -> ModelParts:
    chance = chance_of(seed)
    return ModelParts(membership.attacks(signals, known_as, chance), memorisation(signals, across, chance))


def chance_of(seed: bytes) -> int:
    """The number that resamples and halves are drawn by."""
    return int.from_bytes(digest("hmchain evidence draws", seed)[:4], "big")


def _said(model: Model, images: Images, labels: Indices) -> Floats:
    """How likely the model finds the true class of each image, (n,)."""
    from hmchain.application.learning.trainers.cnn import predict_probabilities

    found = predict_probabilities(model.network(), images, model.preprocessing.prior)
    return np.asarray(found[np.arange(len(labels)), labels], np.float64)


def _true_class(models: Sequence[Predicts], images: Images, labels: Indices) -> Floats:
    """The same of several models, (models, n)."""
    rows: Any = np.arange(len(labels))
    return np.array([model.predict(images)[rows, labels] for model in models])
