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
HEAT_CELLS = 12
Rows = tuple[tuple[float, ...], ...]

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


def covered(model: Model, image: Images | bytes, cells: int = HEAT_CELLS) -> tuple[str, float, Rows]:
    """The likeliest class, its probability, and how much of that goes where one of `cells` x `cells` parts is covered.

    A part is covered with the image's mean colour. Raises as `predict`.
    """
    network, how, given = model.network(), model.preprocessing, as_input(image, model.preprocessing)
    height, width = (min(cells, size) for size in given.shape[:2])
    tried = np.repeat(given[None], height * width + 1, axis=0)  # the first is the image as it is
    colour = given.mean((0, 1)).round().astype(given.dtype)
    for number, part in enumerate(tried[1:]):
        row, column = divmod(number, width)
        part[_nth(row, height, len(given)), _nth(column, width, given.shape[1])] = colour
    shares = predict_probabilities(network, tried, how.prior, batch_size=BATCH)
    best = int(shares[0].argmax())
    lost = ((shares[0, best] - shares[1:, best]) * 100).reshape(height, width).round(2)
    return how.classes[best], float(shares[0, best]), tuple(tuple(row) for row in lost.tolist())


def _nth(number: int, of: int, size: int) -> slice:
    return slice(number * size // of, (number + 1) * size // of)


def as_input(image: Images | bytes, how: Preprocessing) -> Images:
    """One image as in training: (height, width, channels), uint8. Raises `ImageError` or `NotAnImageError`."""
    if isinstance(image, bytes) and kind_of("", image[:HEAD_BYTES]) == DICOM:
        return prepare_image(to_pixels(image, DICOM_TYPE, max(how.height, how.width), how.channels), how)
    return prepare_image(image, how)
