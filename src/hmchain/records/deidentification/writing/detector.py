"""The detector: one look at an image says whether letters are drawn into it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hmchain.records.deidentification.writing.answer import Region, Verdict, Writing
from hmchain.records.deidentification.writing.regions import merged, regions

_SIDE_MIN = 8
"""Pixels: no letter that a person can read, let alone a name, fits into less."""
_PIXELS_MAX = 1 << 28
_CELL = 4
_UNSAFE = 0.25
_LETTERS_MIN = 2.0
"""Times as long as it is high: one letter alone is a marker (R, L), and a person looks at it."""
_ROWS_A_TIME = 2048
_OVERLAP = 128


class Detector:
    """Looks for writing in images. One serves a process for any number of images; it can be pickled."""

    def look(self, image: NDArray[np.generic]) -> Writing:
        """Judge an image of (rows, columns) or (rows, columns, 3), of any integer or float type.

        What cannot be judged is for a person: too large, of another shape, without a finite value.
        """
        if (
            image.ndim not in (2, 3)
            or (image.ndim == 3 and image.shape[2] not in (1, 3, 4))
            or image.size > _PIXELS_MAX
        ):
            return Writing(Verdict.LOOK)
        if min(image.shape[:2]) < _SIDE_MIN:
            return Writing(Verdict.CLEAN)
        found: list[Region] = []
        for plane in _planes(image):
            if not np.isfinite(plane).all():
                return Writing(Verdict.LOOK)
            for top in range(0, max(plane.shape[0] - _OVERLAP, 1), _ROWS_A_TIME - _OVERLAP):
                part = regions(_scores(plane[top : top + _ROWS_A_TIME]), _UNSAFE, _CELL)
                found += [Region(one.left, one.top + top, one.width, one.height, one.score) for one in part]
        found = merged(found, 2 * _CELL)
        return Writing(_verdict(found), tuple(found))


def _planes(image: NDArray[np.generic]) -> Iterator[NDArray[np.float32]]:
    """The brightness of an image and, of a colour image, what brightness does not show."""
    if image.ndim == 2:
        yield image.astype(np.float32)
        return
    colours = image[..., :3].astype(np.float32)
    yield colours.max(axis=2)
    spread = colours.max(axis=2) - colours.min(axis=2)
    if spread.any():
        yield spread


def _verdict(found: list[Region]) -> Verdict:
    if not found:
        return Verdict.CLEAN
    words = any(max(one.width, one.height) >= _LETTERS_MIN * min(one.width, one.height) for one in found)
    return Verdict.UNSAFE if words else Verdict.LOOK


def _scores(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """A score for every cell: steep steps around it. Letters have many; so has some anatomy, which is held."""
    low, high = np.percentile(plane, (0.5, 99.5))
    span = max(float(high - low), float(np.ptp(plane)) / 4)
    if span <= 0:
        return np.zeros((plane.shape[0] // _CELL, plane.shape[1] // _CELL), np.float32)
    across, down = np.diff(plane, axis=1)[1:], np.diff(plane, axis=0)[:, 1:]
    return _mean(np.maximum(np.abs(across), np.abs(down)) > span / 8)


def _mean(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The share of pixels around every cell, within four cells."""
    rows, columns = (size // _CELL for size in mask.shape)
    cells = mask[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).mean((1, 3), dtype=np.float32)
    padded = np.pad(cells, 1)
    near = [padded[down : down + rows, right : right + columns] for down in range(3) for right in range(3)]
    mean: NDArray[np.float32] = np.mean(near, axis=0, dtype=np.float32)
    return mean
