"""An image prepared to learn from comes back as it was, and in an order of its content."""

from __future__ import annotations

import numpy as np
import pytest

from hmchain.canonical import NotCanonicalError
from hmchain.records.pictures.prepared import TRAIN, Images, decode_image, encode_image, stack

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (5, 4, 6, 3), np.uint8)


def test_an_image_comes_back() -> None:
    record = decode_image(encode_image(TRAIN, 1, PIXELS[0]))
    assert (record.split, record.label, record.shape) == (TRAIN, 1, (4, 6, 3))
    assert np.array_equal(record.image, PIXELS[0])
    with pytest.raises(NotCanonicalError, match="ImageRecord"):
        decode_image(b"a picture")


def test_images_are_stacked_in_their_order() -> None:
    found = stack([decode_image(encode_image(TRAIN, at, image)) for at, image in enumerate(PIXELS)])
    assert np.array_equal(found.images, PIXELS)
    assert found.labels.tolist() == [0, 1, 2, 3, 4]


def test_the_order_by_content_is_the_same_from_any_other() -> None:
    expected = Images(PIXELS, np.arange(5)).by_content()
    for _ in range(3):
        at = RANDOM.permutation(5)
        found = Images(PIXELS[at], at).by_content()
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.labels, expected.labels)
