"""An image as the net sees it: one brightness in four ways, each about a different kind of writing.

Over the whole range, for writing brighter or darker than all else; between the percentiles that a viewer would show;
against what stands around each pixel, for faint writing anywhere in between; and where neighbours are equal, since
ink has one value and tissue is noisy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Shown = tuple[float, float]
"""The least and the greatest value that a window shows."""

CHANNELS = 4
_AROUND = 10
"""Pixels to each side that a pixel is compared with: about a letter."""
_SAMPLES = 1 << 16
_NARROW = 8
"""Times as many values as a window shows, of which writing that is faint in the window is not found."""
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


def precise(image: NDArray[Any], shown: Shown | None = None) -> tuple[NDArray[Any], Shown | None]:
    """An image, and the window that it is seen in, of values that single precision tells apart where they are seen.

    Of samples of more bits what a viewer shows as black is taken off: what is read is a difference.
    """
    if image.dtype.itemsize <= 2 or image.dtype == np.float32:
        return image, shown
    black = shown[0] if shown else Levels.of(image).dark
    with np.errstate(over="ignore"):  # what is infinite then cannot be judged
        return image - black, shown and (0.0, shown[1] - black)


def halved(plane: Plane) -> Plane:
    """The image at half its size: a mean of four pixels each."""
    rows, columns = (size // 2 for size in plane.shape)
    even = plane[: 2 * rows, : 2 * columns]
    quarter: Plane = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return quarter


@dataclass(frozen=True)
class Levels:
    """Where an image's values begin and end, and where those do that a viewer would show."""

    low: float
    dark: float
    bright: float
    high: float

    @classmethod
    def of(cls, plane: NDArray[Any], shown: Shown | None = None) -> Levels:
        """The levels of a whole image, if not of a viewer that shows other values."""
        low, high = float(plane.min()), float(plane.max())
        if shown is not None:
            return cls(low, *shown, high)
        sample = plane.reshape(-1)[:: max(plane.size // _SAMPLES, 1)]
        dark, bright = (float(one) for one in np.percentile(sample, (1, 99)))
        if bright <= dark:  # nearly all of it is one value
            dark, bright = low, high
        return cls(low, dark, bright, high)

    def hide(self, shown: Shown) -> bool:
        """Tell whether what can be read in a window is too faint in these levels."""
        begin, end = shown
        return begin < self.high and end > self.low and self.bright - self.dark > _NARROW * (end - begin)


def channels(plane: Plane, levels: Levels | None = None) -> Plane:
    """The four renderings, each from -1 to 1: (4, rows, columns); a part of an image has the levels of the whole."""
    at = levels or Levels.of(plane)
    shown = (plane - np.float32(at.dark)) * np.float32(1 / max(at.bright - at.dark, 1e-30))
    out = np.empty((CHANNELS, *plane.shape), np.float32)
    out[0] = (plane - np.float32(at.low)) * np.float32(2 / max(at.high - at.low, 1e-30)) - 1
    np.clip(shown * 2 - 1, -1, 1, out=out[1])
    _local(np.clip(shown, -2, 3), out[2])
    _equal(plane, out[3])
    return out


def _local(plane: Plane, out: Plane) -> None:
    """Each pixel against the mean of those around it, in their standard deviations."""
    off = plane - _box(plane)
    spread = _box(off * off)
    np.sqrt(np.maximum(spread, 0, out=spread), out=spread)
    spread += np.float32(_FAINT)
    spread *= 3
    off /= spread
    np.clip(off, -1, 1, out=out)


def _box(plane: Plane) -> Plane:
    """The mean over a square of 21 pixels to a side; beyond the border the image is continued."""
    padded = np.pad(plane, _AROUND, mode="edge")
    rows = _sums(padded, 0)
    mean = _sums(rows, 1)
    mean *= np.float32(1 / (2 * _AROUND + 1) ** 2)
    return mean


def _sums(plane: Plane, axis: int) -> Plane:
    """Sums of 21 neighbours: of 16, of 4 and of 1, each made of two halves."""
    size = plane.shape[axis] - 2 * _AROUND

    def part(of: Plane, begin: int, end: int | None) -> Plane:
        return of[begin:end] if axis == 0 else of[:, begin:end]

    two = part(plane, 0, -1) + part(plane, 1, None)
    four = part(two, 0, -2) + part(two, 2, None)
    eight = part(four, 0, -4) + part(four, 4, None)
    sums = part(eight, 0, size) + part(eight, 8, 8 + size)
    sums += part(four, 16, 16 + size)
    sums += part(plane, 20, 20 + size)
    return sums


def _equal(plane: Plane, out: Plane) -> None:
    """1 where a pixel is equal to a neighbour in its row and to one in its column, 0 in one of them, else -1."""
    across, down = plane[:, 1:] == plane[:, :-1], plane[1:] == plane[:-1]
    row, column = np.zeros(plane.shape, bool), np.zeros(plane.shape, bool)
    row[:, 1:] |= across
    row[:, :-1] |= across
    column[1:] |= down
    column[:-1] |= down
    out[:] = -1
    out += row
    out += column
