"""Made-up images with and without writing burned into them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.float32]
Box = tuple[int, int, int, int]
SIDE = 192
LETTER_PIXELS = (14, 26)


def anatomy(r: Generator, dark: bool = True) -> Plane:
    """Values between 0 and 1: ellipses of tissue with noise, on black or on grey."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE - 0.5
    plane = np.full((SIDE, SIDE), 0.02 if dark else 0.35, np.float32)
    for _ in range(7):
        cx, cy = r.uniform(-0.2, 0.2, 2)
        a, b = r.uniform(0.06, 0.36, 2)
        inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2
        plane += np.float32(r.uniform(0.05, 0.25)) / (1 + np.exp(np.clip((inside - 1) * 12, -40, 40)))
    noise = r.normal(0, 0.015, plane.shape) * (plane > 0.05)
    return np.clip(plane + noise, 0, 1).astype(np.float32)


def write(r: Generator, plane: Plane, lines: list[str]) -> tuple[Plane, tuple[Box, ...]]:
    """The plane with lines of text in a corner, and the boxes that the letters lie in."""
    size = int(r.integers(*LETTER_PIXELS))
    font = ImageFont.load_default(size)
    ink = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(ink)
    top = int(r.integers(2, 10)) if r.random() < 0.5 else SIDE - 8 - int(1.4 * size) * len(lines)
    boxes = []
    for line in lines:
        wide = draw.textlength(line, font)
        left = 4 if r.random() < 0.5 else max(2, SIDE - 4 - int(wide))
        draw.text((left, top), line, fill=255, font=font)
        x0, y0, x1, y1 = (int(each) for each in draw.textbbox((left, top), line, font))
        boxes.append((x0, y0, min(x1, SIDE) - x0, min(y1, SIDE) - y0))
        top += int(1.4 * size)
    mask = np.asarray(ink, np.float32) / 255
    bright = np.float32(r.uniform(0.75, 1.0))
    return (plane * (1 - mask) + bright * mask).astype(np.float32), tuple(boxes)
