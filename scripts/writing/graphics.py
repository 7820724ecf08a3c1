"""What devices draw that is no writing: ticks, rulers, calipers, crosshairs, frames, arrows, grids, grey scales."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Point = tuple[int, int]


def draw(r: Generator, plane: Plane) -> None:
    """Draw one to four of them into an image."""
    for _ in range(r.integers(1, 5)):
        value = float(r.choice([0.0, 1.0, 1.0, r.uniform(0, 1)]))
        kind = DRAWN[r.integers(len(DRAWN))]
        kind(r, plane, value, int(r.choice([1, 1, 1, 2, 3])), cv2.LINE_AA if r.random() < 0.4 else cv2.LINE_8)


def _at(r: Generator, plane: Plane) -> Point:
    return int(r.integers(0, plane.shape[1])), int(r.integers(0, plane.shape[0]))


def _ruler(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    """A line with ticks to one side or to both, anywhere or along a border."""
    (x, y), gap, count = _at(r, plane), int(r.integers(3, 24)), int(r.integers(4, 30))
    long, short, every = int(r.integers(5, 18)), int(r.integers(2, 9)), int(r.choice([2, 5, 5, 10]))
    upright, spine, side = r.random() < 0.4, r.random() < 0.7, int(r.choice([1, -1, -1, 0]))
    if r.random() < 0.4:
        near = int(r.integers(1, 30))
        x = x if upright else int(r.choice([near, plane.shape[1] - near]))
        y = int(r.choice([near, plane.shape[0] - near])) if upright else int(y * r.uniform(0, 0.6))
    for index in range(count):
        length = long if index % every == 0 else short
        before, after = (length if side <= 0 else 0), (length if side >= 0 else 0)
        at, to = (x - before, y + index * gap), (x + after, y + index * gap)
        if upright:
            at, to = (x + index * gap, y - before), (x + index * gap, y + after)
        cv2.line(plane, at, to, value, thick, line)
    if spine:
        end = (x + gap * (count - 1), y) if upright else (x, y + gap * (count - 1))
        cv2.line(plane, (x, y), end, value, thick, line)


def _lines(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    for _ in range(r.integers(1, 6)):
        cv2.line(plane, _at(r, plane), _at(r, plane), value, thick, line)


def _dashes(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    (x, y), (right, down) = _at(r, plane), r.normal(0, 1, 2)
    size, on, off = float(np.hypot(right, down)), r.uniform(1, 10), r.uniform(2, 10)
    right, down = right / size, down / size
    for start in np.arange(0, r.uniform(20, plane.shape[0]), on + off):
        at = (int(x + right * start), int(y + down * start))
        cv2.line(plane, at, (int(x + right * (start + on)), int(y + down * (start + on))), value, thick, line)


def _crosses(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    size, kind = int(r.integers(3, 14)), int(r.integers(0, 7))
    for _ in range(r.integers(1, 5)):
        cv2.drawMarker(plane, _at(r, plane), value, kind, size, thick, line)


def _crosshair(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    x, y = _at(r, plane)
    gap = int(r.choice([0, 0, r.integers(3, 20)]))
    for at, to in (((0, y), (x - gap, y)), ((x + gap, y), (plane.shape[1], y))):
        cv2.line(plane, at, to, value, thick, line)
    for at, to in (((x, 0), (x, y - gap)), ((x, y + gap), (x, plane.shape[0]))):
        cv2.line(plane, at, to, value, thick, line)


def _shapes(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    for _ in range(r.integers(1, 4)):
        at = _at(r, plane)
        if r.random() < 0.4:
            cv2.circle(plane, at, int(r.integers(3, 80)), value, thick, line)
        elif r.random() < 0.6:
            cv2.rectangle(
                plane, at, (at[0] + int(r.integers(5, 150)), at[1] + int(r.integers(5, 150))), value, thick, line
            )
        else:
            corners = np.array([_at(r, plane) for _ in range(r.integers(3, 9))], np.int32)
            cv2.polylines(plane, [corners], bool(r.random() < 0.5), value, thick, line)


def _arrow(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    x, y = _at(r, plane)
    to = (x + int(r.integers(-40, 40)), y + int(r.integers(-40, 40)))
    cv2.arrowedLine(plane, (x, y), to, value, thick, line, tipLength=float(r.uniform(0.1, 0.6)))


def _grid(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    gap = int(r.integers(8, 64))
    for at in range(int(r.integers(0, gap)), plane.shape[0], gap):
        cv2.line(plane, (0, at), (plane.shape[1], at), value, thick, line)
        if r.random() < 0.95:
            cv2.line(plane, (at, 0), (at, plane.shape[0]), value, thick, line)


def _scale(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    (x, y), width, height = _at(r, plane), int(r.integers(5, 24)), int(r.integers(40, 200))
    steps = int(r.choice([8, 16, 256]))
    ramp = np.floor(np.linspace(1, 0, height)[:, None] * steps) / steps * np.ones((1, width))
    ramp = ramp if r.random() < 0.6 else ramp.T
    part = plane[y : y + ramp.shape[0], x : x + ramp.shape[1]]
    part[:] = ramp[: part.shape[0], : part.shape[1]]
    if r.random() < 0.5:
        cv2.rectangle(plane, (x, y), (x + ramp.shape[1], y + ramp.shape[0]), value, thick, line)


def _trace(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    """A curve over time: an electrocardiogram, a flow, a histogram."""
    x = np.arange(0, plane.shape[1], int(r.integers(1, 4)))
    beat = (x % int(r.integers(20, 80))) / 20
    y = r.uniform(0, plane.shape[0]) - r.uniform(5, 40) * np.exp(-((beat - 1) ** 2) * r.uniform(2, 60))
    y = y + r.normal(0, r.uniform(0, 2), len(x))
    cv2.polylines(plane, [np.stack([x, y], 1).astype(np.int32)], False, value, thick, line)


def _shutter(r: Generator, plane: Plane, value: float, thick: int, line: int) -> None:
    """A collimator's border: round or with straight edges."""
    mask = np.zeros(plane.shape, np.uint8)
    if r.random() < 0.5:
        cv2.circle(mask, _at(r, plane), int(r.uniform(0.4, 0.8) * plane.shape[0]), 1, -1)
    else:
        cut = [int(r.uniform(0, 0.25) * plane.shape[0]) for _ in range(4)]
        mask[cut[0] : plane.shape[0] - cut[1], cut[2] : plane.shape[1] - cut[3]] = 1
    plane[mask == 0] = value


DRAWN = [
    _ruler, _ruler, _ruler, _lines, _dashes, _crosses, _crosses, _crosshair, _shapes, _arrow, _grid, _scale, _trace,
    _shutter,
]  # fmt: skip
