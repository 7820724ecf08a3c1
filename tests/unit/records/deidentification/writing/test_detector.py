"""A detector looks at an image and says: clean, unsafe, or a person must look."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hmchain.records.deidentification.writing import Detector, Region, Verdict
from hmchain.records.deidentification.writing.planes import Shown


def _written(text: str, dtype: str = "uint16") -> NDArray[np.generic]:
    """A slice of soft anatomy and a little noise, with a text from (40, 60) on."""
    rows, columns = np.mgrid[:256, :256]
    soft = 300 + 200 * np.cos(rows / 40) * np.sin(columns / 50) + np.random.default_rng(5).normal(0, 5, (256, 256))
    page = Image.new("L", (256, 256))
    ImageDraw.Draw(page).text((40, 60), text, fill=255, font=ImageFont.load_default(16))
    ink = np.asarray(page) / 255
    return (soft * (1 - ink) + 1000 * ink).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
def test_a_name_in_an_image_is_found_where_it_stands(dtype: str) -> None:
    answer = Detector().look(_written("MUELLER ANNA 1957", dtype))
    assert answer.verdict is Verdict.UNSAFE
    assert any(region.meets(Region(50, 64, 100, 8, 1)) for region in answer.regions)


@pytest.mark.parametrize("window", [None, (2.0**30, 2.0**30 + 100)])
def test_a_name_in_samples_of_more_bits_than_single_precision_holds_is_found(window: Shown | None) -> None:
    faint = (_written("MUELLER ANNA 1957", "uint32") // 10 + 2**30).astype(np.uint32)
    faint[0, 0] = 0
    assert Detector().look(faint, window).verdict is Verdict.UNSAFE


def test_an_image_without_writing_is_clean() -> None:
    assert Detector().look(_written("")).verdict is Verdict.CLEAN


def test_a_name_in_colour_is_found() -> None:
    grey = _written("MUELLER ANNA 1957", "float32") / 4
    for colour in np.eye(3):
        answer = Detector().look((grey[..., None] * colour).astype(np.uint8))
        assert answer.verdict is Verdict.UNSAFE


@pytest.mark.parametrize("height", [24, 90, 200, 400])
def test_letters_of_every_size_are_found(height: int) -> None:
    page = Image.new("L", (1024, 640))
    ImageDraw.Draw(page).text((20, 40), "MEIER"[: 2400 // height], fill=255, font=ImageFont.load_default(height))
    noise = np.random.default_rng(2).normal(800, 20, (640, 1024))
    assert Detector().look(noise + 6 * np.asarray(page)).verdict is Verdict.UNSAFE


@pytest.mark.parametrize(("height", "size"), [(125, 112), (230, 220), (240, 240)])
def test_letters_that_fill_an_image_are_found(height: int, size: int) -> None:
    page = Image.new("L", (3 * height, height))
    ImageDraw.Draw(page).text((5, -size // 6), "MEIER", fill=255, font=ImageFont.load_default(size))
    noise = np.random.default_rng(2).normal(800, 20, (height, 3 * height))
    assert Detector().look(noise + 6.0 * np.asarray(page)).verdict is not Verdict.CLEAN


@pytest.mark.parametrize(
    "image",
    [np.full((64, 64), np.nan, np.float32), np.zeros((4, 64, 64), np.uint8), np.zeros((64,), np.uint8)],
    ids=["not a number", "a volume", "a row"],
)
def test_what_cannot_be_judged_is_for_a_person(image: NDArray[np.generic]) -> None:
    assert Detector().look(image).verdict is Verdict.LOOK


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3), (1, 1), (7, 500), (3000, 2)])
def test_an_image_of_one_value_or_too_small_for_letters_is_clean(shape: tuple[int, ...]) -> None:
    assert Detector().look(np.full(shape, 1000, np.int32)).verdict is Verdict.CLEAN


def test_a_detector_travels_to_a_worker() -> None:
    image = _written("MUELLER ANNA 1957")
    detector = Detector()
    before = detector.look(image)
    assert pickle.loads(pickle.dumps(detector)).look(image) == before


@pytest.mark.process
def test_a_look_writes_no_file_and_opens_no_connection(tmp_path: Path) -> None:
    """Some builds of the library that runs the net report their use to its maker: none of them may be installed."""
    look = "import numpy; from hmchain.records.deidentification.writing import Detector; Detector().look(numpy.eye(64))"
    subprocess.run([sys.executable, "-c", look], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert not list(tmp_path.iterdir())
    folder = Path(onnxruntime.__file__).parent / "capi"
    assert not any(b"OneDsTelemetry" in path.read_bytes() for path in folder.glob("onnxruntime_pybind11_state*"))
