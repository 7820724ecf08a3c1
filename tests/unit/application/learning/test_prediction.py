"""A model's word on arrays, pictures and DICOM objects."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hmchain.application.learning.model_file import Model
from hmchain.application.learning.prediction import BATCH, as_input, predict, predict_many
from hmchain.application.learning.trainers import cnn
from hmchain.application.learning.trainers.architecture import Architecture, Images, Preprocessing, initial_vector
from hmchain.records.pictures.decode import NotAnImageError
from hmchain.records.pictures.pixels import DICOM_TYPE, to_pixels
from support.dicom_objects import ct, written

SMALL = Architecture.for_images(28, 28, channels=1, classes=2, filters=8)
CLASSES = ("tumour", "none")


@pytest.fixture(scope="module")
def model() -> Model:
    preprocessing = Preprocessing.for_model(SMALL, CLASSES, (3, 1))
    return Model(SMALL, initial_vector(SMALL, bytes(32)), preprocessing, None)


def png(image: Images) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_array_and_its_file_are_answered_alike(model: Model) -> None:
    image = np.random.default_rng(1).integers(0, 256, (28, 28), np.uint8)
    from_array = predict(model, image)
    assert from_array == predict(model, png(image))
    assert sum(from_array.values()) == pytest.approx(1)
    assert list(from_array) == list(CLASSES)


def test_a_dicom_object_is_seen_as_training_saw_it(model: Model) -> None:
    scan = written(ct())
    seen = as_input(scan, model.preprocessing)
    assert (seen == to_pixels(scan, DICOM_TYPE, 28, 1)).all()
    assert predict(model, scan) == predict(model, seen[..., 0])


def test_many_images_are_answered_in_their_order(model: Model) -> None:
    random = np.random.default_rng(2)
    images = [random.integers(0, 256, (28, 28), np.uint8) for _ in range(BATCH + 3)]
    answers = list(predict_many(model, iter(images)))
    assert len(answers) == BATCH + 3
    for place in (0, BATCH - 1, BATCH, BATCH + 2):
        assert answers[place] == pytest.approx(predict(model, images[place]), abs=1e-6)


def test_a_dicom_object_without_pixels_is_no_image(model: Model) -> None:
    report = ct()
    del report.PixelData
    with pytest.raises(NotAnImageError):
        predict(model, written(report))


def test_the_network_of_a_model_is_its_own(model: Model) -> None:
    assert (cnn.to_vector(model.network()) == model.vector).all()
