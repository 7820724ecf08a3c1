"""Images that are no scans: told from those that a model learned from, as far as the image alone tells."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hmchain.application.learning import prediction
from hmchain.application.learning.trainers.architecture import Preprocessing
from hmchain.application.models.unlike import Unlike, unlike

GREY = Preprocessing(height=16, width=16, channels=1, classes=("no", "yes"), prior_q16=(1, 1))
COLOUR = Preprocessing(height=16, width=16, channels=3, classes=("no", "yes"), prior_q16=(1, 1))
RANDOM = np.random.default_rng(7)
SCAN = RANDOM.integers(0, 255, (40, 40), np.uint8)
PHOTO = np.stack([SCAN, SCAN // 4, 255 - SCAN], axis=2)


def file(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("pixels", "how", "found"),
    [
        (SCAN, GREY, ()),
        (np.stack([SCAN] * 3, axis=2), GREY, ()),
        (PHOTO, COLOUR, ()),
        (PHOTO, GREY, (Unlike.COLOURED,)),
        (np.full((40, 40), 90, np.uint8), GREY, (Unlike.BLANK,)),
        (SCAN[:12, :12], GREY, (Unlike.SMALL,)),
        (RANDOM.integers(0, 255, (20, 90), np.uint8), GREY, (Unlike.STRETCHED,)),
    ],
)
def test_what_is_no_scan_is_told(pixels: np.ndarray, how: Preprocessing, found: tuple[Unlike, ...]) -> None:
    data = file(pixels)
    assert unlike(data, prediction.as_input(data, how), how) == found
