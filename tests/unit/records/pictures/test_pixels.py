"""Pixels of a record for a network: as a viewer shows them, in the size and channels asked for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hmchain.records.pictures.decode import NotAnImageError
from hmchain.records.pictures.pixels import to_pixels
from support.dicom_objects import ct, written

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
VALUES = np.arange(64).reshape(8, 8) * 60

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def shown(size: int = 8, channels: int = 1, **values: Any) -> Any:
    return to_pixels(written(ct(**values)), "application/dicom", size, channels)


def test_without_a_window_the_whole_range_is_shown() -> None:
    expected = np.rint(VALUES / VALUES.max() * 255)
    assert np.array_equal(shown()[..., 0], expected)


def test_a_window_cuts_off_what_lies_outside() -> None:
    pixels = shown(WindowCenter=1000, WindowWidth=100)[..., 0]
    assert (pixels[VALUES < 940] == 0).all() and (pixels[VALUES > 1060] == 255).all()
    assert 0 < pixels[VALUES == 1020][0] < 255


def test_the_window_is_of_rescaled_values() -> None:
    rescaled = shown(WindowCenter=[-24, 40], WindowWidth=[100, 400], RescaleSlope=1, RescaleIntercept=-1024)
    assert np.array_equal(rescaled, shown(WindowCenter=1000, WindowWidth=100))


def test_monochrome1_is_inverted() -> None:
    assert np.array_equal(shown(PhotometricInterpretation="MONOCHROME1"), 255 - shown())


def test_padding_does_not_stretch_the_range() -> None:
    before = ct(PixelPaddingValue=4095, BitsStored=12)
    values = VALUES.astype("<u2")
    values[0] = 4095
    before.PixelData = values.tobytes()
    pixels = to_pixels(written(before), "application/dicom", 8, 1)[..., 0]
    assert pixels[7, 7] == 255 and pixels[1, 0] == 0


def test_of_several_frames_the_first_or_the_middle_one_is_taken() -> None:
    before = ct(NumberOfFrames=3, WindowCenter=128, WindowWidth=256)
    before.PixelData = b"".join(np.full((8, 8), level, "<u2").tobytes() for level in (10, 100, 200))
    data = written(before)
    assert abs(int(to_pixels(data, "application/dicom", 8, 1)[0, 0, 0]) - 100) <= 1
    assert abs(int(to_pixels(data, "application/dicom", 8, 1, "first")[0, 0, 0]) - 10) <= 1


def test_the_window_of_an_enhanced_object_is_that_of_its_frame() -> None:
    def group(centre: int) -> Dataset:
        window, frame = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 100
        frame.FrameVOILUTSequence = Sequence([window])
        return frame

    before = ct(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=Sequence([group(5000), group(1000)]))
    before.PixelData = VALUES.astype("<u2").tobytes() * 2
    after = to_pixels(written(before), "application/dicom", 8, 1)
    assert np.array_equal(after, shown(WindowCenter=1000, WindowWidth=100))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (16, 3), (5, 1)])
def test_size_and_channels_are_as_asked_for(size: int, channels: int) -> None:
    pixels = shown(size, channels)
    assert pixels.shape == (size, size, channels) and pixels.dtype == np.uint8
    assert channels == 1 or np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "693_J2KI.dcm",
        "examples_palette.dcm", "liver_1frame.dcm", "SC_rgb_small_odd.dcm", "examples_ybr_color.dcm",
    ],
)  # fmt: skip
def test_compressed_colour_palette_and_segmented_objects_give_a_picture(name: str) -> None:
    pixels = to_pixels((FILES / name).read_bytes(), "application/dicom", 32, 3)
    assert pixels.shape == (32, 32, 3) and pixels.std() > 1


def test_image_records_are_read_too() -> None:
    with io.BytesIO() as file:
        Image.fromarray((VALUES % 256).astype(np.uint8)).save(file, "PNG")
        data = file.getvalue()
    assert np.array_equal(to_pixels(data, "image/png", 8, 1)[..., 0], VALUES % 256)
    assert to_pixels(data, "image/png", 8, 3).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(b"", "application/dicom"), (b"x", "image/png"), (b"{}", "application/fhir+json")],
    ids=["dicom", "png", "fhir"],
)
def test_what_holds_no_image_is_refused(data: bytes, media_type: str) -> None:
    with pytest.raises(NotAnImageError):
        to_pixels(data, media_type, 8, 1)
