"""A heat map: which parts of an image a model's answer rests on, found by covering one after the other.

Occlusion (Zeiler and Fergus, ECCV 2014, doi 10.1007/978-3-319-10590-1_53) asks of the model nothing but answers, so it
holds for every network that takes images. It tells what the model looked at, and not whether it was right to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmchain.application.learning.model_file import Model
from hmchain.application.learning.trainers.architecture import Images
from hmchain.application.learning.trainers.cnn import predict_probabilities

PLACES = 16
"""So many steps a covering takes along the longer side."""
COVERED = 2
"""It is as wide as so many steps: coverings overlap, and a part that matters is found by several."""


@dataclass(frozen=True)
class HeatMap:
    """How much the probability of a class falls where a part of the image is covered."""

    label: str
    """The class."""
    drops: tuple[tuple[float, ...], ...]
    """By row and column, from above and from the left: above 0 where the part speaks for the class."""


def heat_map(model: Model, image: Images, label: str) -> HeatMap:
    """Cover each part of one prepared image (height, width, channels) with its mean; raises `NoNetworkError`."""
    network, how = model.network(), model.preprocessing
    chosen = how.classes.index(label)
    step = max(1, -(-max(how.height, how.width) // PLACES))
    rows, columns = range(0, how.height, step), range(0, how.width, step)
    half = step * COVERED // 2
    covered = [image]
    mean = image.mean(axis=(0, 1)).round().astype(np.uint8)
    for row in rows:
        for column in columns:
            each = image.copy()
            top, left = max(0, row + step // 2 - half), max(0, column + step // 2 - half)
            each[top : top + 2 * half, left : left + 2 * half] = mean
            covered.append(each)
    found: npt.NDArray[np.float64] = predict_probabilities(network, np.stack(covered), how.prior)[:, chosen]
    drops = (found[0] - found[1:]).reshape(len(rows), len(columns))
    return HeatMap(label, tuple(tuple(round(float(value), 6) for value in line) for line in drops))
