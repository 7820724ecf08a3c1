"""Pictures and arrays as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(7)
CANARY = b"Jane Roe"


def picture(side: int = 32, channels: int = 3) -> Image.Image:
    """Blurred noise: no two are near-duplicates, and JPEG keeps it."""
    noise = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    return image if channels == 3 else image.convert("L")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def arrays(n: int = 12, channels: int = 1) -> dict[str, np.ndarray]:
    shape = (n, 20, 20) if channels == 1 else (n, 20, 20, channels)
    return {"images": RNG.integers(0, 256, shape, np.uint8), "labels": np.arange(n) % 2}


def saved(path: Path, **content: np.ndarray) -> str:
    np.savez(path, allow_pickle=False, **content)
    return str(path)
