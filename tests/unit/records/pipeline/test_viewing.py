"""What a reviewer sees of a held item that does not decode: why, and never a black picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from hmchain.records.pipeline import viewing
from support.dicom_objects import ct, written

NOISE = np.random.Generator(np.random.PCG64(1)).integers(0, 255, (64, 64), dtype=np.uint8)


def encoded(form: str) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(NOISE).save(file, form)
        return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_damaged_picture_says_why_it_is_not_shown(form: str) -> None:
    whole = encoded(form)
    assert viewing.view("image", io.BytesIO(whole)).pictures
    seen = viewing.view("image", io.BytesIO(whole[: len(whole) // 2]))
    assert seen.pictures is None and "cannot be decoded here" in seen.problem and "truncated" in seen.problem
    drawn = seen.thumb(224)
    assert drawn and np.asarray(Image.open(io.BytesIO(drawn))).mean() > 200, "words on white"
    nothing = viewing.view("image", io.BytesIO(b"no picture")).problem
    assert "identify" in nothing and "0x" not in nothing


def test_of_many_frames_those_that_do_not_decode_say_so_in_their_place() -> None:
    frame = encoded("JPEG")
    image = ct(Rows=64, Columns=64, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=3)
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    image.PixelData = encapsulate([frame, frame, frame[:900]])
    image["PixelData"].VR = "OB"
    seen = viewing.view("dicom", io.BytesIO(written(image)))
    sizes = [Image.open(io.BytesIO(seen.png(index) or b"")).size for index in range(3)]
    assert sizes == [(64, 64), (64, 64), (400, 400)] and seen.png(3) is None
