"""Pictures and arrays as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hmchain.records.deidentification.writing import Region, Verdict, Writing

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


def seen_as_writing(ink: npt.NDArray[np.bool_], *, doubt_max: int) -> Writing:
    """What a detector answers that takes these pixels for writing, and as many as `doubt_max` or fewer for a doubt."""
    rows, columns = np.nonzero(ink)
    if not len(rows):
        return Writing(Verdict.CLEAN)
    left, top = int(columns.min()), int(rows.min())
    region = Region(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top, 0.9)
    return Writing(Verdict.LOOK if len(rows) <= doubt_max else Verdict.UNSAFE, (region,))
