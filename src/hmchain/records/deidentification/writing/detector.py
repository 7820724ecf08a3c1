"""The detector: one look at an image says whether letters are drawn into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hmchain.records.deidentification.writing.answer import Region, Verdict, Writing
from hmchain.records.deidentification.writing.net import CELL, Net
from hmchain.records.deidentification.writing.planes import Plane, Shown, brightness, halved, precise
from hmchain.records.deidentification.writing.regions import merged, regions

SIDE_MIN = 8
"""Pixels: no word that a person can read fits into less."""
_PIXELS_MAX = 1 << 28
_HALVED_MIN = 32
"""Pixels to a side of the smallest copy: an image is looked at whole, at a half, a quarter and so on, for letters that
are larger and larger."""
UNSAFE, LOOK = 0.8, 0.25
"""Scores from which a region is writing, and from which a person looks: the operating curve is in the docs."""
_OUTSKIRTS = 0.5
"""A region reaches as far as cells score so much of its threshold: not all of a word is equally sure."""
_REGIONS_MAX = 200
"""Of a copy of the image: with more of them it is unsafe in any case."""
_WORD = 1.6
"""Times as long as high, from which a region is more than one letter."""


@dataclass(frozen=True)
class Scores:
    """What the net says of an image of so many rows and columns: for each of its copies, how many times smaller."""

    rows: int
    columns: int
    maps: tuple[tuple[int, Plane], ...]

    def writing(self, unsafe: float = UNSAFE, look: float = LOOK) -> Writing:
        """The verdict, with two thresholds."""
        found = merged(
            [one for times, scores in self.maps for one in self._regions(times, scores, look, unsafe)], 2 * CELL
        )
        if not found:
            return Writing(Verdict.CLEAN)
        sure = any(one.score >= unsafe and _is_word(one) for one in found)
        return Writing(Verdict.UNSAFE if sure else Verdict.LOOK, tuple(found))

    def _regions(self, times: int, scores: Plane, look: float, unsafe: float) -> Iterator[Region]:
        """Rectangles of pixels with a margin of a cell, since a letter's end may lie in the next.

        A smaller copy must be surer to make a person look: from afar a row of sections or of vertebrae looks like
        letters, and those that are found in the whole image need no second look. Large words need not be surer, but
        in the smallest copies, where a chest with a ruler beside it is one.
        """
        side, surer = CELL * times, 1 - (1 - look) / times**2
        least = min(surer, 1 - (1 - unsafe) / max(times / 4, 1) ** 2)
        for one in regions(scores, least, least * _OUTSKIRTS)[:_REGIONS_MAX]:
            if one.score < surer and max(one.width, one.height) < _WORD * min(one.width, one.height):
                continue
            left, top = max(one.left - 1, 0) * side, max(one.top - 1, 0) * side
            right, low = (one.left + one.width + 1) * side, (one.top + one.height + 1) * side
            yield Region(left, top, min(right, self.columns) - left, min(low, self.rows) - top, one.score)


class Detector:
    """Looks for writing in images. One serves a process for any number of images; it can be pickled."""

    def __init__(self) -> None:
        """The net is loaded at the first look."""
        self._net = Net()

    def look(self, image: NDArray[np.generic], shown: Shown | None = None) -> Writing:
        """Judge an image of (rows, columns) or (rows, columns, 3), of any integer or float type, or a window of it.

        What cannot be judged is for a person: too large, of another shape, with a value that is no number. One letter
        alone is as well: R and L at the side of a radiograph are no name, but what is left of one looks the same.
        """
        scores = self.scores(image, shown)
        return scores.writing() if scores else Writing(Verdict.LOOK)

    def scores(self, image: NDArray[np.generic], shown: Shown | None = None) -> Scores | None:
        """What the net says of every part of an image; nothing of what it cannot judge."""
        if not _judgeable(image):
            return None
        image, shown = precise(image, shown)
        maps: list[tuple[int, Plane]] = []
        for plane in brightness(image) if min(image.shape[:2]) >= SIDE_MIN else ():
            if not np.isfinite(plane).all():
                return None
            times = 1
            while np.ptp(plane) > 0 and (times == 1 or min(plane.shape) >= _HALVED_MIN):
                maps.append((times, self._net.scores(plane, shown)))
                plane, times = halved(plane), 2 * times
        return Scores(image.shape[0], image.shape[1], tuple(maps))


def _judgeable(image: NDArray[np.generic]) -> bool:
    shape = image.shape
    of_planes = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return of_planes and image.size <= _PIXELS_MAX and image.dtype.kind in "biuf"


def _is_word(region: Region) -> bool:
    """More than one letter: without its margins longer than high, or slanting and large."""
    width, height = region.width - 2 * CELL, region.height - 2 * CELL
    return max(width, height) >= _WORD * min(width, height) or min(width, height) >= 8 * CELL
