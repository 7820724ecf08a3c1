"""Model files: what they hold, whether they are the ledger's, and what a model says of images.

torch takes seconds to import, and comes when a file is read; what its allocator is told must come before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hmchain.application.learning.memory import tune_allocator
from hmchain.errors import InputError
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.plain import RESEARCH_ONLY
from hmchain.records.pictures.decode import FORMATS, NotAnImageError, quiet, read_bytes

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model, Origin, RegisteredModels, Registry
    from hmchain.application.learning.trainers.cnn import Architecture, Preprocessing

MATCHES, DIFFERS, UNKNOWN = "matches", "differs", "unknown"

_SUFFIXES = {suffix for suffixes in FORMATS.values() for suffix in suffixes}


class NoImagesError(InputError):
    """There is no image in a folder, or no such file."""

    code = "no_images"


@dataclass(frozen=True)
class ModelFile:
    """A model file."""

    path: Path
    sha256: bytes
    architecture: Architecture
    weights: int
    preprocessing: Preprocessing
    origin: Origin | None
    """What it says of where it comes from."""
    ledger: str
    """Whether weights and meaning are those of the ledger: `matches`, `differs`, or `unknown` where there is none."""
    difference: str
    """What differs from the ledger, or why it was not compared."""


@dataclass(frozen=True)
class Prediction:
    """The model's word on one image, or why it has none."""

    image: Path
    probabilities: dict[str, float]
    error: str

    @property
    def likeliest(self) -> str:
        """The class with the highest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default="")


@dataclass(frozen=True)
class Predictions:
    """The word of one model on several images."""

    model: ModelFile
    predictions: tuple[Prediction, ...]
    notice: str = RESEARCH_ONLY


def known(ledger: LedgerReader) -> RegisteredModels:
    """The models of a ledger, to hold files against."""
    tune_allocator()
    from hmchain.application.learning import model_file

    return model_file.RegisteredModels(ledger.genesis.digest, tuple(models.models(ledger.verified.state)))


def describe(path: Path, registry: Registry | None) -> ModelFile:
    """Read a model file and hold it against a ledger, if there is one. Raises `ModelFileError`."""
    tune_allocator()
    from hmchain.application.learning import model_file

    model = model_file.load_model(path, unregistered=True)
    if registry is None:
        return _described(path, model, UNKNOWN, "there is no ledger here to compare it with")
    try:
        model_file.check(model, registry, path)
    except model_file.ModelDiffersError as error:
        return _described(path, model, DIFFERS, error.what)
    except model_file.UnregisteredModelError as error:
        return _described(path, model, UNKNOWN, error.what)
    return _described(path, model, MATCHES, "")


def _described(path: Path, model: Model, compared: str, difference: str) -> ModelFile:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return ModelFile(
        path, digest, model.arch, model.vector.size, model.preprocessing, model.origin, compared, difference
    )


def images_in(given: list[Path]) -> list[Path]:
    """The files, and those with an image's suffix in the folders. Raises `NoImagesError`."""
    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise NoImagesError(f"there is no {path}", "give image files or folders of them")
        inside = (
            sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        )
        if not inside:
            raise NoImagesError(f"{path} holds no images", f"known suffixes: {', '.join(sorted(_SUFFIXES))}")
        found += inside
    return found


def predict(path: Path, images: list[Path], registry: Registry | None) -> Predictions:
    """The model's word on each image; one that cannot be read has an error instead.

    The file must be one that the ledger knows, or be of no ledger where there is None: see `model_file.load_model`.
    """
    tune_allocator()
    from hmchain.application.learning import model_file
    from hmchain.application.learning.trainers import cnn

    model = model_file.load_model(path, registry, unregistered=registry is None)
    network = cnn.build(model.arch)
    cnn.load_vector(network, model.vector)
    answers = []
    with quiet():
        for image in images:
            try:
                prepared = cnn.prepare_image(read_bytes(image), model.preprocessing)
            except NotAnImageError as error:
                answers.append(Prediction(image, {}, error.what))
                continue
            shares = cnn.predict_probabilities(network, prepared[np.newaxis], model.preprocessing.prior)[0]
            named = dict(zip(model.preprocessing.classes, shares.tolist(), strict=True))
            answers.append(Prediction(image, named, ""))
    compared, why = (MATCHES, "") if registry else (UNKNOWN, "compared with no ledger, as was asked")
    return Predictions(_described(path, model, compared, why), tuple(answers))
