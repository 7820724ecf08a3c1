"""The fixed test set of writing in pixels: 2 400 images of eight modalities, two thirds with a name or number.

An image depends on its index and `SEED` alone. The set was fixed before any detector was scored on it, shares no code
with what the net of `scripts/writing` learns from, and most of its fonts are not among those seen there; nothing is
tuned on it. Fonts: Pillow's own two and a stroke font, which are everywhere, and where they are installed those of
Debian's fonts-liberation and fonts-dejavu-core.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, gaussian_filter, rotate, zoom

SEED = 20261127
COUNT = 2400
HEIGHTS = (10, 10, 11, 12, 12, 14, 16, 18, 20, 24, 30, 40, 60)
CONTRASTS = (0.15, 0.2, 0.25, 0.3, 0.5, 0.8, 1.0)
ROTATIONS = (0, 0, 0, 0, 0, 90, 270, 180, 8, -12, 30, -45, 60)
TEXTS = (
    "MUELLER ANNA", "Schmidt, Hans", "1957-03-14", "PID 4711823", "SMITH^JOHN", "Garcia Lopez", "Kowalska E.",
    "12.04.1961", "St. Vincent Hosp", "Nguyen Thi", "O'Brien", "Dr. House", "Ivanova", "Wang Xiaoming", "F 067Y",
    "ID:A1001", "MRN0098231", "Jorgensen", "DOB 03/14/57", "BAKER", "LI", "Petrov", "0098231", "19570314",
    "Ex 220714", "Yilmaz Deniz", "Thor B", "Abdomen 12:45:07", "WEISS KARL HEINZ", "ROSSI, M.", "Acc 88120-4",
    "Fr. Dr. Klee", "Bed 14", "Ward 3B", "Anna-Lena",
)  # fmt: skip
_LIBERATION = Path("/usr/share/fonts/truetype/liberation")
_DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
FONTS = ("aileron", "aileron", "courier bitmap", "strokes", "strokes", "LiberationMono-Regular", "LiberationMono-Bold",
         "LiberationSans-Regular", "LiberationSerif-Italic", "DejaVuSans-Bold", "DejaVuSansMono")  # fmt: skip

Plane = NDArray[np.float64]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class WrittenImage:
    """An image as a file holds it, and where writing is in it (left, top, width, height), if it has any."""

    index: int
    modality: str
    pixels: NDArray[np.generic]
    box: Box | None = None
    text: str = ""
    height: int = 0
    contrast: float = 0.0
    rotation: int = 0
    font: str = ""
    style: str = ""


def image(index: int) -> WrittenImage:
    """One image of the set; those of every third round of the modalities are without writing."""
    r = np.random.default_rng((SEED, index))
    modality = list(MODALITIES)[index % len(MODALITIES)]
    anatomy, sizes, store = MODALITIES[modality]
    plane = np.clip(anatomy(r, int(r.choice(sizes))), 0, 1)
    if r.random() < 0.25 and modality in ("CT", "US", "XA", "CR", "SC"):
        _graphics(r, plane)
    if (index // len(MODALITIES)) % 3 == 2:
        return WrittenImage(index, modality, store(r, plane))
    text, font = str(r.choice(TEXTS)), str(r.choice(FONTS))
    rotation, contrast = int(r.choice(ROTATIONS)), float(r.choice(CONTRASTS))
    style = str(r.choice(["plain"] * 10 + ["box", "outline", "jpeg", "jpeg", "soft", "sheer"]))
    heights = [one for one in HEIGHTS if one <= plane.shape[0] // 10]
    for height in (int(r.choice(heights)), 12, 10):  # smaller where it does not fit
        ink = turned(_ink(text, font, height), rotation)
        if ink.shape[0] < plane.shape[0] - 8 and ink.shape[1] < plane.shape[1] - 8:
            break
    else:
        text = text[:4]
        ink = turned(_ink(text, font, height), rotation)
    box = _write(r, plane, ink, contrast, style)
    if style == "jpeg":
        plane = _jpeg(plane, int(r.integers(40, 90)))
    return WrittenImage(index, modality, store(r, plane), box, text, height, contrast, rotation, font, style)


# Ink


def _ink(text: str, font: str, height: int) -> Plane:
    """A line whose capitals are `height` pixels high, from 0 to 1."""
    if font == "strokes":
        return _trim(_strokes(text, height))
    if font == "courier bitmap":
        page = Image.new("L", (12 * len(text) + 8, 24))
        ImageDraw.Draw(page).text((3, 3), text, fill=255, font=ImageFont.load_default_imagefont())
        small = _trim(np.asarray(page) / 255)
        times = max(round(height / 7), 2)
        return np.kron(small, np.ones((times, times)))
    face = _face(font, height)
    left, top, right, bottom = face.getbbox(text)
    page = Image.new("L", (int(right - left) + 12, int(bottom - top) + 12))
    ImageDraw.Draw(page).text((6 - left, 6 - top), text, fill=255, font=face)
    return _trim(np.asarray(page) / 255)


@cache
def _face(font: str, height: int) -> ImageFont.FreeTypeFont:
    for folder in (_LIBERATION, _DEJAVU):
        if (folder / f"{font}.ttf").exists():
            return _sized(partial(ImageFont.truetype, str(folder / f"{font}.ttf")), height)
    return _sized(ImageFont.load_default, height)


def _sized(load: Callable[[int], Any], height: int) -> ImageFont.FreeTypeFont:
    size = height
    while True:
        _, top, _, bottom = load(size).getbbox("H")
        if bottom - top >= height:
            return load(size)
        size += 1


_STROKES = {  # polylines on a grid of 4 x 6, from the top left
    "A": "06,20,46 13,33", "B": "06,00,30,41,42,33,03 33,44,45,36,06", "C": "41,30,10,01,05,16,36,45",
    "D": "06,00,20,42,44,26,06", "E": "40,00,06,46 03,33", "F": "40,00,06 03,33",
    "G": "41,30,10,01,05,16,36,45,43,23", "H": "00,06 40,46 03,43", "I": "10,30 20,26 16,36", "J": "40,45,36,16,05",
    "K": "00,06 40,03 13,46", "L": "00,06,46", "M": "06,00,23,40,46", "N": "06,00,46,40",
    "O": "10,30,41,45,36,16,05,01,10", "P": "06,00,30,41,42,33,03", "Q": "10,30,41,45,36,16,05,01,10 34,46",
    "R": "06,00,30,41,42,33,03 23,46", "S": "41,30,10,01,02,13,33,44,45,36,16,05", "T": "00,40 20,26",
    "U": "00,05,16,36,45,40", "V": "00,26,40", "W": "00,16,23,36,40", "X": "00,46 40,06", "Y": "00,23,40 23,26",
    "Z": "00,40,06,46", "0": "10,30,41,45,36,16,05,01,10 41,05", "1": "11,20,26 16,36", "2": "01,10,30,41,42,06,46",
    "3": "00,40,22,33,44,45,36,16,05", "4": "36,30,04,44", "5": "40,00,02,32,43,45,36,06",
    "6": "30,10,01,05,16,36,45,44,33,03", "7": "00,40,16", "8": "10,30,41,42,33,13,04,05,16,36,45,44,33 13,02,01,10",
    "9": "16,36,45,41,30,10,01,02,13,43", ".": "16,26,25,15,16", ",": "25,17", ":": "12,22 14,24", "-": "13,33",
    "/": "40,06", "^": "02,20,42", "'": "20,22",
}  # fmt: skip


def _strokes(text: str, height: int) -> Plane:
    """Letters of lines, as plotters and old monitors draw them; small letters are drawn as capitals."""
    step = height / 6
    thick = max(1, height // 9)
    page = Image.new("L", (int(len(text) * 6 * step) + 12, int(8 * step) + 12))
    pen = ImageDraw.Draw(page)
    for place, letter in enumerate(text.upper()):
        for part in _STROKES.get(letter, "").split():
            points = [(6 + (place * 5.6 + int(xy[0])) * step, 6 + int(xy[1]) * step) for xy in part.split(",")]
            pen.line(points, fill=255, width=thick, joint="curve")
    return np.asarray(page) / 255


def _trim(ink: Plane) -> Plane:
    rows, columns = np.flatnonzero(ink.max(1) > 0.3), np.flatnonzero(ink.max(0) > 0.3)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def turned(ink: Plane, degrees: int) -> Plane:
    """Ink, turned."""
    if degrees % 90 == 0:
        return np.rot90(ink, degrees // 90)
    return _trim(np.clip(rotate(ink, degrees, order=1), 0, 1))


def _write(r: Generator, plane: Plane, ink: Plane, contrast: float, style: str) -> Box:
    """Draw ink somewhere into a plane; `contrast` is of what a viewer would show from black to white."""
    (rows, columns), (high, wide) = plane.shape, ink.shape
    top, left = int(r.integers(2, rows - high - 2)), int(r.integers(2, columns - wide - 2))
    if r.random() < 0.35:
        top, left = int(r.choice([3, rows - high - 3])), int(r.choice([3, columns - wide - 3]))
    low, top_value = np.percentile(plane, (0.5, 99.5))
    window = max(float(top_value - low), 0.25)
    part = plane[top : top + high, left : left + wide]
    base = float(np.median(part))
    brighter = base + contrast * window <= max(1.0, top_value) and (base - contrast * window < 0 or r.random() < 0.7)
    value = base + contrast * window * (1 if brighter or base - contrast * window < 0 else -1)
    if style == "box":
        part[:] = base
    elif style == "outline":
        part[binary_dilation(ink > 0.4, np.ones((3, 3)))] = base - (value - base)
    elif style == "soft":
        ink = np.clip(gaussian_filter(ink, 0.6) * 1.2, 0, 1)
    part[:] = part + ink * (value - base) if style == "sheer" else part * (1 - ink) + value * ink
    return left, top, wide, high


def _jpeg(plane: Plane, quality: int) -> Plane:
    with io.BytesIO() as file:
        Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file)) / 255


def _graphics(r: Generator, plane: Plane) -> None:
    """What scanners draw beside writing: a scale, a grey wedge, a crosshair, a measured distance, a frame."""
    side = plane.shape[0]
    page = Image.new("L", plane.shape[::-1])
    pen, at = ImageDraw.Draw(page), int(side * r.uniform(0.1, 0.9))
    match int(r.integers(5)):
        case 0:
            for index in range(21):
                y = side // 4 + index * side // 42
                pen.line([(side - 6 - (8 if index % 5 == 0 else 4), y), (side - 6, y)], fill=255)
            pen.line([(side - 6, side // 4), (side - 6, side // 4 + 20 * (side // 42))], fill=255)
        case 1:
            plane[side // 4 : side // 2, 6:18] = np.linspace(1, 0, side // 2 - side // 4)[:, None]
        case 2:
            pen.line([(0, at), (side, at)], fill=255)
            pen.line([(side - at, 0), (side - at, side)], fill=255)
        case 3:
            for x, y in ((at, side // 3), (side // 3, at)):
                pen.line([(x - 4, y), (x + 4, y)], fill=255)
                pen.line([(x, y - 4), (x, y + 4)], fill=255)
            for share in np.arange(0, 1, 0.04):
                pen.point([(at + share * (side // 3 - at), side // 3 + share * (at - side // 3))], fill=255)
        case _:
            pen.rectangle([at // 2, at // 2, side - at // 3, side - at // 3], outline=255)
    plane[np.asarray(page) > 0] = 1.0


# Anatomy


def _smooth(r: Generator, side: int, sigma: float) -> Plane:
    step = max(int(sigma // 4), 1)
    coarse = gaussian_filter(r.standard_normal((side // step + 3, side // step + 3)), sigma / step)
    plane = zoom(coarse, step, order=1)[:side, :side] if step > 1 else coarse[:side, :side]
    return (plane - plane.min()) / np.ptp(plane)


def _ellipse(side: int, x: float, y: float, a: float, b: float, turn: float = 0.0) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    u, v = columns - x, rows - y
    c, s = np.cos(turn), np.sin(turn)
    return ((u * c + v * s) / a) ** 2 + ((v * c - u * s) / b) ** 2 < 1


def _ct(r: Generator, side: int) -> Plane:
    plane = np.zeros((side, side))
    plane[_ellipse(side, 0, 0, 0.43, 0.32)] = 0.44
    plane[_ellipse(side, 0, 0, 0.40, 0.29)] = 0.5
    chest = r.random() < 0.4
    for mirror in (-1, 1) if chest else ():
        lung = _ellipse(side, mirror * 0.18, 0.0, 0.14, 0.2, mirror * 0.2)
        plane[lung] = 0.1 + 0.3 * (_smooth(r, side, 1.6)[lung] > 0.72)
    for _ in range(10):
        plane[_ellipse(side, *r.uniform(-0.22, 0.22, 2), *r.uniform(0.02, 0.1, 2), r.uniform(0, 3))] = r.uniform(
            0.42, 0.62
        )
    for angle in np.linspace(0, 2 * np.pi, int(r.integers(12, 22))):
        x, y = 0.37 * np.cos(angle), 0.26 * np.sin(angle)
        plane[_ellipse(side, x, y, 0.02, 0.008, angle + 1.6)] = 0.9
    plane[_ellipse(side, 0, 0.2, 0.05, 0.04)] = 0.92
    plane[_ellipse(side, 0, 0.2, 0.02, 0.015)] = 0.55
    plane = gaussian_filter(plane, 0.9)
    bed = int(side * 0.86)
    plane[bed : bed + 2, side // 5 : -side // 5] = 0.3
    return plane + gaussian_filter(r.normal(0, 1, plane.shape), 0.7) * r.uniform(0.01, 0.05)


def _mr(r: Generator, side: int) -> Plane:
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    radius, angle = np.hypot(rows / 0.42, columns / 0.34), np.arctan2(rows, columns)
    plane = np.where(radius < 1, 0.7, 0.0) * (radius > 0.93) + np.where(radius < 0.9, 0.12, 0)
    folds = 0.82 + 0.06 * np.cos(angle * int(r.integers(14, 30)) + 6 * _smooth(r, side, side / 12))
    folds += 0.12 * (_smooth(r, side, side / 50) - 0.5)
    grey = radius < folds
    white = radius < folds - 0.1 - 0.15 * _smooth(r, side, side / 40)
    levels = r.permutation([0.35, 0.55, 0.75])
    plane[grey], plane[white] = levels[0], levels[1]
    for mirror in (-1, 1):
        plane[_ellipse(side, mirror * 0.05, -0.02, 0.025, 0.1, mirror * 0.25)] = levels[2] if r.random() < 0.5 else 0.08
    plane = gaussian_filter(plane, 0.8) * (0.7 + 0.5 * _smooth(r, side, side / 3))
    noise = r.normal(0, r.uniform(0.008, 0.04), (2, side, side))
    return np.hypot(plane + noise[0], noise[1])


def _us(r: Generator, side: int) -> Plane:
    rows, columns = np.mgrid[:side, :side]
    angle, depth = np.arctan2(columns - side / 2, rows + side * 0.08), np.hypot(columns - side / 2, rows + side * 0.08)
    speckle = gaussian_filter(r.rayleigh(0.3, (side, side)), (0.8, 1.3))
    layers = 0.35 + 0.5 * _smooth(r, side, side / 22) + 0.2 * np.sin(depth / side * r.uniform(10, 40))
    sector = (np.abs(angle) < r.uniform(0.5, 0.9)) & (depth > side * 0.12) & (depth < side * 0.97)
    plane = speckle * layers * sector
    for _ in range(3):
        plane[_ellipse(side, *r.uniform(-0.25, 0.25, 2), *r.uniform(0.03, 0.12, 2))] *= 0.15
    return plane


def _tubes(r: Generator, side: int, count: int, width: tuple[int, int]) -> Plane:
    page = Image.new("L", (side, side))
    pen = ImageDraw.Draw(page)
    for _ in range(count):
        path = side / 2 + np.cumsum(r.normal(0, side / 22, (24, 2)), 0) + r.normal(0, side / 5, 2)
        path = gaussian_filter(path, (2, 0))
        pen.line(
            [tuple(point) for point in path],
            fill=int(r.integers(120, 255)),
            width=int(r.integers(*width)),
            joint="curve",
        )
    return gaussian_filter(np.asarray(page) / 255, 0.8)


def _xa(r: Generator, side: int) -> Plane:
    plane = 0.6 + 0.25 * (_smooth(r, side, side / 5) - 0.5) - 0.35 * _tubes(r, side, 7, (2, 9))
    plane -= 0.3 * _tubes(r, side, 2, (1, 3))
    if r.random() < 0.5:
        rows, columns = np.mgrid[:side, :side] / side - 0.5
        plane[np.hypot(rows, columns) > 0.5] = 0.0
    return plane + r.normal(0, r.uniform(0.01, 0.03), plane.shape)


def _cr(r: Generator, side: int) -> Plane:
    plane = 0.3 + 0.3 * _smooth(r, side, side / 7)
    for mirror in (-1, 1):
        plane -= 0.15 * gaussian_filter(_ellipse(side, mirror * 0.2, 0, 0.15, 0.33).astype(float), side / 90)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    for rib in range(10):
        arc = np.abs(rows + 0.42 - rib * 0.085 - 0.12 * np.cos(columns * 6)) < 0.011
        plane += 0.09 * gaussian_filter(arc.astype(float), 1.5)
    plane += 0.2 * gaussian_filter((np.abs(columns) < 0.04).astype(float), side / 60)
    if r.random() < 0.6:
        plane += 0.25 * _tubes(r, side, int(r.integers(1, 5)), (1, 5))
    if r.random() < 0.4:
        edge = int(side * r.uniform(0.02, 0.1))
        plane[:edge], plane[-edge:], plane[:, :edge], plane[:, -edge:] = 0, 0, 0, 0
    return plane + gaussian_filter(r.normal(0, 1, plane.shape), 0.5) * r.uniform(0.005, 0.02)


def _mg(r: Generator, side: int) -> Plane:
    breast = _ellipse(side, -0.5, 0, 0.75, 0.46)
    threads = _smooth(r, side, 3) * 0.3 + _smooth(r, side, side / 60) * 0.5 + _smooth(r, side, side / 12) * 0.5
    plane = gaussian_filter(breast.astype(float), 3) * (0.1 + 0.7 * threads**1.5)
    for _ in range(int(r.integers(0, 20))):
        x, y = r.integers(2, side - 2, 2)
        plane[y : y + 2, x : x + 2] += 0.3
    return plane + r.normal(0, 0.008, plane.shape) * breast


def _nm(r: Generator, side: int) -> Plane:
    plane = np.zeros((side, side))
    for _ in range(9):
        spot = _ellipse(side, *r.uniform(-0.35, 0.35, 2), *r.uniform(0.02, 0.1, 2)).astype(float)
        plane += r.uniform(0.2, 1) * gaussian_filter(spot, side / 45)
    counts = r.poisson(plane / plane.max() * r.uniform(12, 120) + 0.4)
    return counts / counts.max()


def _sc(r: Generator, side: int) -> Plane:
    plane = np.full((side, side), r.uniform(0, 0.9)) + 0.06 * _smooth(r, side, side / 4)
    for _ in range(int(r.integers(0, 4))):
        top, left = r.integers(0, side // 2, 2)
        height, width = r.integers(side // 8, side // 2, 2)
        plane[top : top + height, left : left + width] = r.uniform(0, 1)
    if r.random() < 0.4:
        top = int(r.integers(0, side // 2))
        plane[top : top + side // 2, : side // 2] = zoom(_mr(r, 256), side / 512, order=1)[: side // 2, : side // 2]
    return plane


# As files hold them


def _eight(r: Generator, plane: Plane) -> NDArray[np.generic]:
    return np.round(np.clip(plane, 0, 1) * 255).astype(np.uint8)


def _coloured(r: Generator, plane: Plane) -> NDArray[np.generic]:
    grey = _eight(r, plane)
    return np.repeat(grey[..., None], 3, 2) if r.random() < 0.5 else grey


def _hounsfield(r: Generator, plane: Plane) -> NDArray[np.generic]:
    return np.round(plane * r.uniform(1600, 3000) - 1024).astype(np.int16)


def _sixteen(r: Generator, plane: Plane) -> NDArray[np.generic]:
    return np.round(np.clip(plane, 0, None) * float(r.choice([600, 1500, 4095, 16383]))).astype(np.uint16)


Anatomy = Callable[[Generator, int], Plane]
Storing = Callable[[Generator, Plane], NDArray[np.generic]]
MODALITIES: dict[str, tuple[Anatomy, tuple[int, ...], Storing]] = {
    "CT": (_ct, (512,), _hounsfield),
    "MR": (_mr, (256, 320, 384, 512), _sixteen),
    "US": (_us, (480, 600, 768), _coloured),
    "XA": (_xa, (512, 768), _eight),
    "CR": (_cr, (768, 1024), _sixteen),
    "MG": (_mg, (768, 1024), _sixteen),
    "NM": (_nm, (128, 256), _sixteen),
    "SC": (_sc, (512, 640), _coloured),
}
