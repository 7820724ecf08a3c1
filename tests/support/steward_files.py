"""Files that a steward takes in, and commands on them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from support.steward import NAME, NUMBER, Steward
from support.steward import scans as scans
from support.steward import steward as steward


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def command(steward: Steward, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "hmchain", "data", *arguments, "--dir", str(steward.folder), "--json"]


def pictures(folder: Path, count: int, side: int = 96) -> Path:
    rng = np.random.Generator(np.random.PCG64(5))
    for number in range(count):
        path = folder / ("ill" if number % 2 else "well") / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8)).save(path, compress_level=1)
    return folder


def no_name_in(data: bytes) -> None:
    assert NAME.lower().encode() not in data.lower() and NUMBER.encode() not in data
