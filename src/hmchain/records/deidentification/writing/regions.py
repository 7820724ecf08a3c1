"""From scores on a coarse grid to rectangles: neighbouring cells above a threshold are one region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hmchain.records.deidentification.writing.answer import Region


def regions(scores: NDArray[np.float32], threshold: float, outskirts: float) -> list[Region]:
    """Connected cells as rectangles of cells, the surest first.

    One of them at least scores more than `threshold`, all of them more than `outskirts`.
    """
    found: list[Region] = []
    for rows, columns in _components(scores > outskirts) if (scores > threshold).any() else ():
        score = float(scores[rows, columns].max())
        if score > threshold:
            top, left = int(rows.min()), int(columns.min())
            height, width = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
            found.append(Region(left, top, width, height, score))
    return sorted(found, key=lambda region: -region.score)


def merged(found: list[Region], margin: int) -> list[Region]:
    """Fewer rectangles: those that meet, or nearly, become one."""
    kept: list[Region] = []
    for region in found:
        while (near := next((one for one in kept if one.meets(region, margin)), None)) is not None:
            kept.remove(near)
            region = region.united(near)
        kept.append(region)
    return sorted(kept, key=lambda region: -region.score)


def _components(hot: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns of every group of cells that touch each other, by edge or corner."""
    rows, columns = np.nonzero(hot)
    if not len(rows):
        return []
    labels = np.full((hot.shape[0] + 2, hot.shape[1] + 2), len(rows), np.int64)
    labels[rows + 1, columns + 1] = np.arange(len(rows))
    while True:  # every cell takes the least label around it, and then that one's label, until nothing changes
        around = [labels[rows + 1 + down, columns + 1 + right] for down in (-1, 0, 1) for right in (-1, 0, 1)]
        least = np.minimum.reduce(around)
        least = np.minimum(least, least[least])
        if (least == labels[rows + 1, columns + 1]).all():
            break
        labels[rows + 1, columns + 1] = least
    order = np.argsort(least, kind="stable")
    starts = np.flatnonzero(np.diff(least[order], prepend=-1))
    return [(rows[group], columns[group]) for group in np.split(order, starts[1:])]
