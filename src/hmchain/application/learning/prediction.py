"""A model's word on images: pictures, DICOM objects, arrays. Research use only, not a medical device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

import numpy as np

from hmchain.application.learning.model_file import Model
from hmchain.application.learning.trainers.architecture import Images, Preprocessing
from hmchain.application.learning.trainers.cnn import predict_probabilities, prepare_image
from hmchain.records.pictures.pixels import DICOM_TYPE, to_pixels
from hmchain.records.sources.item import DICOM
from hmchain.records.sources.recognition import HEAD_BYTES, kind_of

BATCH = 64

Given = TypeVar("Given")
Unread = TypeVar("Unread")


def predict(model: Model, image: Images | bytes) -> dict[str, float]:
    """Probability of each class for one image: an array (h, w) or (h, w, 3) of uint8, or the bytes of a file.

    A file may be a picture or a DICOM object, of which the frame in the middle is taken, as `hmchain data prepare`
    takes it. Raises `ImageError` or `NotAnImageError`.
    """
    return next(predict_many(model, [image]))


def predict_many(model: Model, images: Iterable[Images | bytes]) -> Iterator[dict[str, float]]:
    """As `predict`, for any number of images, in their order: the network is built once and takes batches."""
    return answers(model, images, lambda image: as_input(image, model.preprocessing))


def answers(
    model: Model, given: Iterable[Given], read: Callable[[Given], Images | Unread], pool: Executor | None = None
) -> Iterator[dict[str, float] | Unread]:
    """The model's word on whatever `read` makes an image of, in order, or what it gives in place of one.

    No more than a batch is in memory; with a `pool` its threads read one.
    """
    network, how, rest = model.network(), model.preprocessing, iter(given)
    while batch := list(islice(rest, BATCH)):
        found = list(pool.map(read, batch) if pool else map(read, batch))
        images = [each for each in found if isinstance(each, np.ndarray)]
        shares = iter(predict_probabilities(network, np.stack(images), how.prior) if images else ())
        for each in found:
            if isinstance(each, np.ndarray):
                yield dict(zip(how.classes, next(shares).tolist(), strict=True))
            else:
                yield each


def as_input(image: Images | bytes, how: Preprocessing) -> Images:
    """One image as in training: (height, width, channels), uint8. Raises `ImageError` or `NotAnImageError`."""
    if isinstance(image, bytes) and kind_of("", image[:HEAD_BYTES]) == DICOM:
        return prepare_image(to_pixels(image, DICOM_TYPE, max(how.height, how.width), how.channels), how)
    return prepare_image(image, how)
