"""A registered model asked about files: which of them are images, what it says of each, which cannot be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.learning.memory import tune_allocator
from hmchain.application.models.inference import MATCHES, UNKNOWN, ModelFile, described
from hmchain.errors import InputError
from hmchain.plain import RESEARCH_ONLY, Progress, tell
from hmchain.records.pictures.decode import FORMATS, NotAnImageError, quiet, read_bytes
from hmchain.records.sources.item import DICOM, IMAGE
from hmchain.records.sources.recognition import HEAD_BYTES, kind_of

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Registry
    from hmchain.application.learning.trainers.architecture import Images, Preprocessing

_SUFFIXES = {suffix for suffixes in FORMATS.values() for suffix in suffixes}


class NoImagesError(InputError):
    """There is no image in a folder, or no such file."""

    code = "no_images"


@dataclass(frozen=True)
class ImageFiles:
    """The files to ask about."""

    images: tuple[Path, ...]
    passed_over: int
    """Files in the given folders that are no images."""


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
    passed_over: int
    """Files in the given folders that are no images."""
    notice: str = RESEARCH_ONLY


def images_in(given: Sequence[Path]) -> ImageFiles:
    """The given files, and the pictures and DICOM objects in the given folders. Raises `NoImagesError`."""
    found: list[Path] = []
    passed_over = 0
    for path in given:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            inside = [file for file in files if _is_image(file)]
            passed_over += len(files) - len(inside)
            if not inside:
                raise NoImagesError(f"{path} holds no images", "DICOM objects, or pictures: " + ", ".join(FORMATS))
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            what = f"{path} is no file" if path.exists() else f"there is no {path}"
            raise NoImagesError(what, "give pictures, DICOM objects, or folders of them")
    return ImageFiles(tuple(found), passed_over)


def _is_image(file: Path) -> bool:
    """Tell by its beginning; by its name where it is called a picture, so that a damaged one is named."""
    if file.suffix.lower() in _SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return kind_of(file.name, opened.read(HEAD_BYTES)) in (DICOM, IMAGE)
    except OSError:
        return False


def predict(path: Path, files: ImageFiles, registry: Registry | None, progress: Progress | None = None) -> Predictions:
    """The model's word on each image; one that cannot be read has an error instead.

    The file must be one that the ledger knows, or be of no ledger where there is None: see `model_file.load_model`.
    """
    tune_allocator()
    from hmchain.application.learning import model_file, prediction

    model, found = model_file.load_model(path, registry, unregistered=registry is None), list[Prediction]()
    read = partial(_read, how=model.preprocessing)
    with quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for image, word in zip(files.images, prediction.answers(model, files.images, read, pool), strict=True):
            found.append(Prediction(image, {}, word) if isinstance(word, str) else Prediction(image, word, ""))
            tell(progress, len(found), len(files.images))
    compared, why = (MATCHES, "") if registry else (UNKNOWN, "compared with no ledger, as was asked")
    return Predictions(described(path, model, compared, why), tuple(found), files.passed_over)


def _read(image: Path, how: Preprocessing) -> Images | str:
    """One image as the network takes it, or why it cannot be used."""
    from hmchain.application.learning.prediction import as_input

    try:
        return as_input(read_bytes(image), how)
    except NotAnImageError as error:
        return error.what
