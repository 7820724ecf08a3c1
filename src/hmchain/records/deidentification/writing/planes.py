"""An image as the net sees it: one brightness in four ways, each about a different kind of writing.

Over the whole range, for writing brighter or darker than all else; between the percentiles that a viewer would show;
against what stands around each pixel, for faint writing anywhere in between; and where neighbours are equal, since
ink has one value and tissue is noisy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

CHANNELS = 4
_AROUND = 10
"""Pixels to each side that a pixel is compared with: about a letter."""
_SAMPLES = 1 << 16
_FAINT = 2e-3
"""Share of the window under which a difference is none."""


def brightness(image: NDArray[np.generic]) -> Iterator[Plane]:
    """The brightness of an image and, of one in colour, what brightness does not show."""
    if image.ndim == 2 or image.shape[2] == 1:
        yield image.reshape(image.shape[:2]).astype(np.float32)
        return
    colours = image[..., :3].astype(np.float32)
    highest, lowest = colours.max(axis=2), colours.min(axis=2)
    yield highest
    if (highest - lowest > 0.1 * np.ptp(highest)).any():
        yield highest - lowest


def halved(plane: Plane) -> Plane:
    """The image at half its size: a mean of four pixels each."""
    rows, columns = (size // 2 for size in plane.shape)
    even = plane[: 2 * rows, : 2 * columns]
    quarter: Plane = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return quarter


def channels(plane: Plane) -> Plane:
    """The four renderings, each from -1 to 1: (4, rows, columns)."""
    step = max(plane.size // _SAMPLES, 1)
    sample = plane.reshape(-1)[::step]
    low, dark, bright, high = (float(one) for one in np.percentile(sample, (0, 1, 99, 100)))
    low, high = min(low, float(plane.min())), max(high, float(plane.max()))
    if bright - dark <= 0.02 * (high - low):  # nearly all of it is one value
        dark, bright = low, high
    out = np.empty((CHANNELS, *plane.shape), np.float32)
    out[0] = (plane - low) * (2 / max(high - low, 1e-30)) - 1
    np.clip((plane - dark) * (2 / max(bright - dark, 1e-30)) - 1, -1, 1, out=out[1])
    out[2] = _local((plane - dark) / max(bright - dark, 1e-30))
    out[3] = _equal(plane)
    return out


def _local(plane: Plane) -> Plane:
    """Each pixel against the mean of those around it, in their standard deviations."""
    mean = _box(plane, _AROUND)
    off = plane - mean
    spread = np.sqrt(np.maximum(_box(off * off, _AROUND), 0)) + np.float32(_FAINT)
    local: Plane = np.clip(off / (3 * spread), -1, 1)
    return local


def _box(plane: Plane, reach: int) -> Plane:
    """The mean over a square that reaches so far to each side; beyond the border the image is continued."""
    side = 2 * reach + 1
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (reach + 1, reach)
        sums = np.cumsum(np.pad(plane, width, mode="edge"), axis=axis, dtype=np.float64)
        sums = sums[side:] - sums[:-side] if axis == 0 else sums[:, side:] - sums[:, :-side]
        plane = (sums / side).astype(np.float32)
    return plane


def _equal(plane: Plane) -> Plane:
    """1 where a pixel is equal to a neighbour in its row and to one in its column, 0 in one of them, else -1."""
    across, down = plane[:, 1:] == plane[:, :-1], plane[1:] == plane[:-1]
    equal = np.full(plane.shape, -1, np.float32)
    row, column = np.zeros(plane.shape, bool), np.zeros(plane.shape, bool)
    row[:, 1:] |= across
    row[:, :-1] |= across
    column[1:] |= down
    column[:-1] |= down
    equal += row
    equal += column
    return equal
