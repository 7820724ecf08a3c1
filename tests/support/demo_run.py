"""The demo as a user runs it, on small images."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from hmchain.interfaces.report import RunSummary, from_json

SEED = 5


DEMO_SECONDS = 240


def hmchain(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "hmchain", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )


def write_images(folder: Path, per_class: int = 60, seed: int = SEED) -> Path:
    """Three classes that a small network can tell apart: bright bars at three heights, with noise; one EXIF each."""
    random = np.random.default_rng(seed)
    for label, row in (("high", 2), ("low", 11), ("middle", 7)):
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            pixels = random.integers(0, 90, (16, 16))
            pixels[row : row + 3, :] += int(random.integers(60, 160))
            image = Image.fromarray(pixels.astype(np.uint8))
            exif = image.getexif()
            exif[0x013B] = "JANE DOE"
            image.save(folder / label / f"{number:03d}.png", exif=exif)
    return folder


def summary_of(run: Path) -> RunSummary:
    return from_json((run / "summary.json").read_bytes())


def wait_for_blocks(process: subprocess.Popen[str], ledger: Path, height: int) -> None:
    """Wait until a running demo has decided `height` blocks."""
    deadline = time.monotonic() + DEMO_SECONDS
    while time.monotonic() < deadline:
        if ledger.exists():
            try:
                with sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True) as database:
                    found = database.execute("SELECT max(height) FROM blocks").fetchone()[0]
            except sqlite3.OperationalError:
                found = None
            if found and found >= height:
                return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the demo did not get that far")
