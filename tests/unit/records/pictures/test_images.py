"""Images come in as bare pixels, whatever the files are; what is wrong with them is counted or named."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hmchain.records.pictures.decode import (
    PIXELS_MAX,
    NotAnImageError,
    decode_image,
    quiet,
    read_image,
    resize,
)
from support.image_files import CANARY, encoded, picture

# --- one file


def test_every_format_decodes_to_its_pixels() -> None:
    image = picture(64)
    reference = np.asarray(image).astype(int)
    for form in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"):
        decoded = decode_image(encoded(image, form), 64)
        assert decoded.format == form
        assert np.abs(decoded.pixels.astype(int) - reference).mean() < 12, form
        assert decoded.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_eight_bits(mode: str) -> None:
    base = picture(32, channels=1)
    image = Image.fromarray(np.asarray(base).astype(np.uint16) * 200) if mode == "I;16" else base.convert(mode)
    decoded = decode_image(encoded(image, "PNG" if mode in ("1", "L", "LA", "P", "RGBA", "I;16") else "TIFF"), 32)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.converted is (mode != "L")
    assert np.corrcoef(decoded.pixels.mean(axis=2).ravel(), np.asarray(base).ravel())[0, 1] > (
        0.2 if mode == "1" else 0.95
    )


def test_sixteen_bits_use_the_range_of_the_image() -> None:
    """Twelve bits in a file of sixteen would else be black."""
    ramp = np.linspace(100, 4000, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = decode_image(encoded(Image.fromarray(ramp), "PNG"), 32).pixels
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_transparent_pixels_are_black() -> None:
    hidden = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    assert decode_image(encoded(hidden, "PNG"), 16).pixels.max() == 0


def test_the_first_frame_of_several_is_read() -> None:
    frames = [Image.new("L", (16, 16), grey) for grey in (50, 200)]
    decoded = decode_image(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), 16)
    assert decoded.converted
    assert set(decoded.pixels.ravel()) == {50}


def test_exif_orientation_is_applied_and_then_dropped() -> None:
    image = Image.new("L", (40, 40))
    image.paste(255, (0, 0, 40, 20))  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: upper becomes right
    decoded = decode_image(encoded(image, "PNG", exif=exif), 40)
    assert decoded.pixels[:, 25:].min() == 255
    assert decoded.pixels[:, :15].max() == 0
    assert decoded.removed == ("EXIF",)
    assert decoded.converted


def test_metadata_of_every_kind_is_found() -> None:
    exif = Image.Exif()
    exif[0x013B] = CANARY.decode()
    text = PngInfo()
    text.add_text("Patient", CANARY.decode())
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    jpeg = encoded(picture(), "JPEG", exif=exif, comment=CANARY, xmp=xmp, icc_profile=CANARY * 20)
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x0d\x1c\x02\x50\x00\x08" + CANARY + b"\x00"
    marked = jpeg[:2] + b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc + jpeg[2:]
    assert decode_image(marked, 16).removed == ("EXIF", "ICC", "IPTC", "XMP", "comment")
    assert decode_image(encoded(picture(), "PNG", pnginfo=text), 16).removed == ("PNG text",)
    assert decode_image(encoded(picture(), "TIFF", tiffinfo={270: CANARY.decode()}), 16).removed == ("TIFF text",)
    assert decode_image(encoded(picture(), "GIF", comment=CANARY), 16).removed == ("comment",)
    assert decode_image(encoded(picture(), "PNG"), 16).removed == ()


def test_a_decompression_bomb_is_refused_unread() -> None:
    side = int(PIXELS_MAX**0.5) + 1
    for pixels in (side, 3 * side):
        header = encoded(Image.new("1", (pixels, 8)), "PNG")
        size = pixels.to_bytes(4, "big")
        start = header.index(b"IHDR")
        body = b"IHDR" + size + size + header[start + 12 : start + 17]
        bomb = header[:start] + body + zlib.crc32(body).to_bytes(4, "big") + header[start + 21 :]
        with pytest.raises(NotAnImageError, match="64 million"):
            decode_image(bomb, 16)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"patient,age\n1,52\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (bytes(128) + b"DICM" + bytes(100), "not an image"),
        (encoded(picture(200), "JPEG")[:900], "damaged"),
        (encoded(picture(200), "PNG")[:-300], "damaged"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotAnImageError, match=reason):
        decode_image(data, 16)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_give_pixels_or_the_one_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]))
    damaged = bytearray(DAMAGED[form])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with quiet(), contextlib.suppress(NotAnImageError):
        assert decode_image(bytes(damaged), 16).pixels.shape == (16, 16, 3)


DAMAGED = {form: encoded(picture(24), form) for form in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")}


def test_one_image_for_prediction(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    picture(50).save(path)
    assert read_image(path, 64, 1).shape == (64, 64, 1)
    assert read_image(path, 64, 3).shape == (64, 64, 3)
    path.write_text("hello")
    with pytest.raises(NotAnImageError, match=r"scan\.png cannot be used: not an image") as error:
        read_image(path, 64, 1)
    assert "PNG" in error.value.hint
    with pytest.raises(NotAnImageError, match="cannot be read"):
        read_image(tmp_path / "none.png", 64, 1)


def test_the_same_picture_gives_the_same_pixels_from_a_file_and_from_an_array(tmp_path: Path) -> None:
    image = picture(50)
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", 32, 3), resize(np.asarray(image), 32))
