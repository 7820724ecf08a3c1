"""Images without writing, as many kinds as can be thought of: what the net must not take for letters.

Composed anatomy, textures, noise and the graphics that scanners draw (ticks, rulers, calipers, crosshairs, frames), and
slices of real MR where a folder of them is given. Values from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def blur(plane: Plane, sigma: float) -> Plane:
    """The image, smoothed."""
    return cv2.GaussianBlur(plane, (0, 0), sigma) if sigma > 0.2 else plane


def texture(r: Generator, side: int, scale: float, stretch: float = 1.0, turn: float = 0.0) -> Plane:
    """Smooth noise from 0 to 1 whose features are `scale` pixels wide, longer by `stretch` in direction `turn`."""
    plane = blur(r.standard_normal((side, side)).astype(np.float32), scale)
    if stretch > 1.05:
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), turn, 1.0)
        matrix[:, 0] *= 1 / stretch
        matrix[:, 2] += side / 2 - matrix[:, :2] @ (side / 2, side / 2)
        plane = cv2.warpAffine(plane, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    plane = plane - plane.mean()
    return np.clip(0.5 + plane / (4 * max(float(plane.std()), 1e-6)), 0, 1).astype(np.float32)


def blob(r: Generator, side: int, size: float, rough: float) -> NDArray[np.bool_]:
    """An organ's outline: an ellipse with a wavy border."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    y, x = rows - r.uniform(0.1, 0.9) * side, columns - r.uniform(0.1, 0.9) * side
    turn = r.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    a = size * side
    b = a * r.uniform(0.3, 1)
    angle = np.arctan2(v, u)
    wave = sum(r.normal(0, rough / k) * np.cos(k * angle + r.uniform(0, 6.3)) for k in range(2, 9))
    if rough and r.random() < 0.25:  # folded as a brain's surface, or toothed
        wave = wave + r.uniform(0.02, 0.2) * np.cos(r.integers(9, 45) * angle + r.uniform(0, 6.3))
    return np.hypot(u / a, v / b) < 1 + wave


def organs(r: Generator, side: int) -> Plane:
    """A section through a body: organs in organs, bone, air, borders sharp or soft."""
    plane = np.zeros((side, side), np.float32)
    plane[blob(r, side, r.uniform(0.35, 0.7), 0.06)] = r.uniform(0.2, 0.6)
    for _ in range(r.integers(4, 26)):
        inside = blob(r, side, float(np.exp(r.uniform(np.log(0.01), np.log(0.3)))), r.uniform(0, 0.12))
        kind, level = r.random(), r.choice([r.uniform(0, 1), r.uniform(0.3, 0.6)])
        if kind < 0.2:  # a shell: bone, wall of a vessel, fat under the skin
            inner = cv2.erode(inside.astype(np.uint8), np.ones((3, 3)), iterations=int(r.integers(1, 6))) > 0
            plane[inside & ~inner] = r.choice([0.9, 1.0, 0.05, level])
        elif kind < 0.4:
            plane[inside] = (level * (0.5 + texture(r, side, r.uniform(0.8, 5))))[inside]
        else:
            plane[inside] = level
    return blur(plane, r.uniform(0.4, 1.6))


def folds(r: Generator, side: int) -> Plane:
    """Gyri, villi, trabeculae, fingerprints: labyrinths of lines as wide as a letter's stroke, or wider."""
    scale = float(np.exp(r.uniform(np.log(1.2), np.log(12))))
    field = texture(r, side, scale) - texture(r, side, scale * r.uniform(1.5, 3))
    field = texture(r, side, scale) - blur(texture(r, side, scale), scale * 1.6) if r.random() < 0.7 else field
    width = r.uniform(0.02, 0.2)
    lines = np.clip(0.5 + field / width / 2, 0, 1)
    if r.random() < 0.4:
        lines = np.clip(1 - np.abs(field) / width, 0, 1)
    plane = r.uniform(0.1, 0.5) + r.uniform(-0.4, 0.5) * lines
    if r.random() < 0.6:
        inside = blob(r, side, r.uniform(0.2, 0.5), 0.1)
        plane = np.where(inside, plane, r.uniform(0, 0.6))
    return blur(np.clip(plane, 0, 1).astype(np.float32), r.uniform(0.3, 1.2))


def curves(r: Generator, side: int, plane: Plane, count: int, width: tuple[int, int], strength: float) -> Plane:
    """Vessels, catheters, wires, ribs, sutures: smooth curves over an image."""
    for _ in range(count):
        steps = int(r.integers(6, 40))
        heading = r.uniform(0, 6.3) + np.cumsum(r.normal(0, r.uniform(0.05, 0.6), steps))
        length = r.uniform(2, side / 8)
        path = r.uniform(0, side, 2) + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * length, 0)
        layer = np.zeros((side, side), np.float32)
        cv2.polylines(layer, [np.round(path * 8).astype(np.int32)], False, 1.0, int(r.integers(*width)), cv2.LINE_AA, 3)
        plane = plane + strength * r.uniform(-1, 1) * blur(layer, r.choice([0.0, 0.6, r.uniform(0.3, 3)]))
    return np.clip(plane, 0, 1).astype(np.float32)


def projection(r: Generator, side: int) -> Plane:
    """A radiograph: what lies behind each other adds up; ribs, vessels, wires, a catheter."""
    plane = 0.25 + 0.5 * texture(r, side, side / r.uniform(3, 12))
    for _ in range(r.integers(0, 8)):
        inside = blob(r, side, r.uniform(0.05, 0.5), 0.05).astype(np.float32)
        plane = plane + r.uniform(-0.25, 0.25) * blur(inside, r.uniform(0.5, 6))
    plane = curves(r, side, plane, int(r.integers(0, 14)), (1, 24), 0.25)
    plane = curves(r, side, plane, int(r.integers(0, 12)), (1, 5), 0.6)
    return plane + r.uniform(0, 0.1) * (texture(r, side, r.uniform(0.7, 3)) - 0.5)


def breast(r: Generator, side: int) -> Plane:
    """A mammogram: black, a border, glands as threads, white specks of chalk."""
    fine = texture(r, side, r.uniform(1, 3), r.uniform(1, 4), r.uniform(0, 180))
    plane = texture(r, side, r.uniform(4, 12)) * texture(r, side, side / 8) * (0.6 + 0.6 * fine)
    for _ in range(r.integers(0, 30)):
        centre = tuple(int(v) for v in r.integers(0, side, 2))
        cv2.circle(plane, centre, int(r.integers(1, 3)), float(r.uniform(0.5, 1)), -1, cv2.LINE_AA)
    if r.random() < 0.7:
        plane = plane * blur(blob(r, side, 0.6, 0.03).astype(np.float32), 1.5)
    return np.clip(plane * r.uniform(0.7, 1.6), 0, 1)


def ultrasound(r: Generator, side: int) -> Plane:
    """A sector or a rectangle of speckle with dark and bright layers, on black."""
    speckle = np.hypot(*r.normal(0, 1, (2, side, side))).astype(np.float32)
    speckle = cv2.GaussianBlur(speckle, (0, 0), sigmaX=r.uniform(0.5, 3), sigmaY=r.uniform(0.5, 1.5))
    plane = speckle * (0.1 + texture(r, side, side / r.uniform(6, 40)) ** 2) * r.uniform(0.4, 1.2)
    for _ in range(r.integers(0, 5)):
        inside = blob(r, side, r.uniform(0.02, 0.2), 0.1)
        plane = np.where(inside, plane * r.uniform(0, 0.3), plane)
    if r.random() < 0.7:
        rows, columns = np.mgrid[:side, :side]
        angle = np.arctan2(columns - side / 2, rows + r.uniform(0, 0.3) * side)
        plane = plane * (np.abs(angle) < r.uniform(0.4, 1.1)) * (np.hypot(columns - side / 2, rows) > side / 12)
    return np.clip(plane, 0, 1).astype(np.float32)


def nuclear(r: Generator, side: int) -> Plane:
    """Counts of a gamma camera: few quanta, blurred spots, often enlarged."""
    small = max(side // int(r.choice([1, 2, 4, 8])), 16)
    plane = np.zeros((small, small), np.float32)
    for _ in range(r.integers(2, 14)):
        plane += r.uniform(0.1, 1) * blur(blob(r, small, r.uniform(0.02, 0.2), 0).astype(np.float32), small / 40)
    counts = r.poisson(plane / max(float(plane.max()), 1e-6) * r.uniform(4, 200) + r.uniform(0, 1)).astype(np.float32)
    how = int(r.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    plane = cv2.resize(counts / max(float(counts.max()), 1e-6), (side, side), interpolation=how)
    return np.clip(plane, 0, 1)


def plain(r: Generator, side: int) -> Plane:
    """A screen capture: one value, a slope, panels."""
    plane = np.full((side, side), r.uniform(0, 1), np.float32)
    if r.random() < 0.5:
        plane = plane + r.uniform(-0.3, 0.3) * np.linspace(0, 1, side, dtype=np.float32)[:: int(r.choice([-1, 1]))]
    for _ in range(r.integers(0, 6)):
        top, left = r.integers(0, side, 2)
        height, width = r.integers(4, side, 2)
        plane[top : top + height, left : left + width] = r.uniform(0, 1)
    return np.clip(plane, 0, 1)


def mosaic(r: Generator, side: int, sections: list[Plane]) -> Plane:
    """Small sections in rows, as functional MR is stored: from afar they look like letters on a line."""
    small = int(np.exp(r.uniform(np.log(14), np.log(110))))
    plane = np.zeros((side + small, side + small), np.float32)
    count = r.integers(3, 60)
    first = sections[r.integers(len(sections))]
    for place in range((side // small + 1) ** 2):
        if place >= count and count < 40:
            break
        row, column = divmod(place, side // small + 1)
        section = first if r.random() < 0.6 else sections[r.integers(len(sections))]
        size = max(int(small * r.uniform(0.5, 1)), 6) if r.random() < 0.5 else small
        edge = (small - size) // 2
        shown = cv2.resize(section, (size, size), interpolation=cv2.INTER_AREA) * r.uniform(0.7, 1.1)
        top, left = row * small + edge, column * small + edge
        plane[top : top + size, left : left + size] = shown
    return np.clip(plane[:side, :side], 0, 1)


def tiles(r: Generator, side: int) -> Plane:
    """A mosaic of composed sections."""
    kinds = (organs, organs, folds, projection)
    return mosaic(r, side, [kinds[r.integers(4)](r, 128) * round_mask(r, 128) for _ in range(4)])


def round_mask(r: Generator, side: int) -> Plane:
    """1 within an ellipse in the middle, 0 around it, or 1 everywhere."""
    if r.random() < 0.3:
        return np.ones((side, side), np.float32)
    mask = np.zeros((side, side), np.float32)
    axes = (int(side * r.uniform(0.25, 0.48)), int(side * r.uniform(0.25, 0.48)))
    cv2.ellipse(mask, (side // 2, side // 2), axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    return mask


def pebbles(r: Generator, side: int) -> Plane:
    """Many small things side by side: cells, grains, screws, beads, seeds, dots, short strokes."""
    plane = np.full((side, side), r.uniform(0, 0.7), np.float32)
    size, level = r.uniform(1, 12), r.uniform(0, 1)
    for _ in range(r.integers(5, 200)):
        x, y = (int(v) for v in r.integers(0, side, 2))
        axes = (max(int(size * r.uniform(0.3, 2)), 1), max(int(size * r.uniform(0.3, 1)), 1))
        thick = -1 if r.random() < 0.6 else int(r.integers(1, 4))
        value = float(np.clip(level + r.normal(0, 0.15), 0, 1))
        cv2.ellipse(plane, (x, y), axes, float(r.uniform(0, 180)), 0, 360, value, thick, cv2.LINE_AA)
    return blur(plane, r.uniform(0.3, 2.0))


KINDS: list[Callable[[Generator, int], Plane]] = [
    organs, organs, organs, organs, folds, folds, projection, projection, breast, ultrasound, ultrasound, nuclear,
    nuclear, plain, tiles, tiles, pebbles,
]  # fmt: skip


@cache
def _field() -> Plane:
    """White noise to cut from: drawing new numbers takes longer than all else."""
    return np.random.default_rng(0).standard_normal((2048, 2048), np.float32)


def _white(r: Generator, side: int) -> Plane:
    top, left = r.integers(0, 2048 - side, 2)
    return _field()[top : top + side, left : left + side]


def noisy(r: Generator, plane: Plane) -> Plane:
    """Noise as detectors, coils and interpolation make it: white, smooth, striped, or of a magnitude."""
    side = plane.shape[0]
    level = np.float32(np.exp(r.uniform(np.log(0.002), np.log(0.15))))
    noise = _white(r, side)
    kind = r.random()
    if kind < 0.4:
        noise = blur(noise, r.uniform(0.4, 2.5))
        noise = noise / noise.std()
    if kind < 0.06:
        noise = noise + r.standard_normal((side, 1), np.float32)
    if kind > 0.8:
        return np.hypot(plane + level * noise, level * _white(r, side))
    return plane + level * noise


def compose(r: Generator, side: int) -> Plane:
    """One image without writing and without noise."""
    plane = KINDS[r.integers(len(KINDS))](r, side)
    if r.random() < 0.25:
        other = KINDS[r.integers(len(KINDS))](r, side)
        inside = blob(r, side, r.uniform(0.1, 0.5), 0.05)
        plane = np.where(inside, other, plane) if r.random() < 0.6 else 0.6 * plane + 0.4 * other
    if r.random() < 0.3:
        plane = curves(r, side, plane, int(r.integers(1, 20)), (1, 6), 0.7)
    return np.clip(plane, 0, 1).astype(np.float32)


def slices(folder: Path, names: tuple[str, ...], every: int) -> list[Plane]:
    """Real MR slices of the named series, from 0 to 1."""
    return _read([path for name in names for path in sorted((folder / name).rglob("*.dcm"))[::every]])


def own(names: tuple[str, ...]) -> list[Plane]:
    """Images that come with pydicom, from 0 to 1."""
    from pydicom.data import get_testdata_file

    return _read([Path(str(get_testdata_file(f"{name}.dcm", download=False))) for name in names])


def _read(paths: list[Path]) -> list[Plane]:
    from pydicom import dcmread

    found: list[Plane] = []
    for path in paths:
        pixels = np.squeeze(dcmread(path).pixel_array).astype(np.float32)
        if pixels.ndim == 2 and np.ptp(pixels) > 0:
            low, high = pixels.min(), np.percentile(pixels, 99.8)
            found.append(np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32))
    return found
