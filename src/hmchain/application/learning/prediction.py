"""A model's word on images: pictures, DICOM objects, arrays. Research use only, not a medical device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from hmchain.application.learning.model_file import Model
from hmchain.application.learning.trainers.cnn import Images, Preprocessing, predict_probabilities, prepare_image
from hmchain.records.pictures.pixels import DICOM_TYPE, to_pixels
from hmchain.records.sources.item import DICOM
from hmchain.records.sources.recognition import HEAD_BYTES, kind_of

BATCH = 64


def predict(model: Model, image: Images | bytes) -> dict[str, float]:
    """Probability of each class for one image: an array (h, w) or (h, w, 3) of uint8, or the bytes of a file.

    A file may be a picture or a DICOM object, of which the frame in the middle is taken, as `hmchain data prepare`
    takes it. Raises `ImageError` or `NotAnImageError`.
    """
    return next(predict_many(model, [image]))


def predict_many(model: Model, images: Iterable[Images | bytes]) -> Iterator[dict[str, float]]:
    """As `predict`, for any number of images, in their order: the network is built once and takes batches."""
    network = model.network()
    how = model.preprocessing
    rest = iter(images)
    while batch := [as_input(image, how) for image in islice(rest, BATCH)]:
        for shares in predict_probabilities(network, np.stack(batch), how.prior):
            yield dict(zip(how.classes, shares.tolist(), strict=True))


def as_input(image: Images | bytes, how: Preprocessing) -> Images:
    """One image as in training: (height, width, channels), uint8. Raises `ImageError` or `NotAnImageError`."""
    if isinstance(image, bytes) and kind_of("", image[:HEAD_BYTES]) == DICOM:
        return prepare_image(to_pixels(image, DICOM_TYPE, max(how.height, how.width), how.channels), how)
    return prepare_image(image, how)
