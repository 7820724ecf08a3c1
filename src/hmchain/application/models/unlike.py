"""Whether an image is of another kind than a model's own, as far as it alone tells: no image of the study is at hand.

A model answers whatever it is shown, a holiday picture too. What is found here is said beside its answer; that nothing
is found says little.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hmchain.records.pictures.decode import decode_image, quiet, readers
from hmchain.records.sources.item import DICOM
from hmchain.records.sources.recognition import HEAD_BYTES, kind_of

if TYPE_CHECKING:
    from hmchain.application.learning.trainers.architecture import Preprocessing

CONTRAST_MIN = 6.0
"""Standard deviation of the brightness, of 255: below it there is nothing to be seen."""
COLOUR_MIN = 12.0
"""Mean distance of a pixel's highest and lowest channel, of 255: grey scans that were saved in colour have less."""
STRETCH_MAX = 2.0
_SIDE = 64


class Unlike(StrEnum):
    """How an image is unlike those that a model learned from."""

    BLANK = "blank"
    """All of it is about as bright."""
    COLOURED = "coloured"
    """It has colours, and the model learned from grey images."""
    SMALL = "small"
    """It has fewer pixels than the model looks at."""
    STRETCHED = "stretched"
    """Its sides are in another proportion, and were brought to the model's."""


def unlike(data: bytes, image: npt.NDArray[np.uint8], how: Preprocessing) -> tuple[Unlike, ...]:
    """How a file is unlike the images of a model; `image` is what the model is shown of it."""
    found = [Unlike.BLANK] if float(image.std()) < CONTRAST_MIN else []
    if kind_of("", data[:HEAD_BYTES]) != DICOM:
        found += _picture(data, how)
    return tuple(found)


def _picture(data: bytes, how: Preprocessing) -> Iterator[Unlike]:
    from PIL import Image

    with quiet(), Image.open(io.BytesIO(data), formats=readers()) as opened:
        width, height = opened.size
    if how.channels == 1 and _colour(decode_image(data, _SIDE).pixels) > COLOUR_MIN:
        yield Unlike.COLOURED
    if width < how.width or height < how.height:
        yield Unlike.SMALL
    stretch = (width / height) / (how.width / how.height)
    if not 1 / STRETCH_MAX <= stretch <= STRETCH_MAX:
        yield Unlike.STRETCHED


def _colour(pixels: npt.NDArray[np.uint8]) -> float:
    return float((pixels.max(axis=2).astype(float) - pixels.min(axis=2)).mean())
