"""One image file in, bare pixels out.

A file is decoded by what it contains, not by what it is called, and only its pixels are kept: EXIF, XMP, IPTC, text,
comments and colour profiles never leave this module except as a count. Of files with several frames the first is read,
transparent pixels are laid on black, and deeper than 8 bits is windowed to the image's own range.

Images are resized to a square without keeping the aspect ratio: a padded border would tell a network the size of the
original, which in sets put together from several sources gives away the class.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hmchain.errors import DataError
from hmchain.processes import hushed

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

PIXELS_MAX = 64_000_000
FILE_BYTES_MAX = 256 << 20

# Formats by the suffixes that they may carry. Nothing else is tried: some of Pillow's readers start other programs.
FORMATS: dict[str, tuple[str, ...]] = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}

_ORIENTATION = 0x0112
_IPTC_TIFF, _XMP_TIFF, _PHOTOSHOP_TIFF = 33723, 700, 34377
_TEXT_TIFF = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432)  # document name, description, make ... copyright
_PROFILED_TEXT = {"Raw profile type exif": "EXIF", "Raw profile type iptc": "IPTC", "XML:com.adobe.xmp": "XMP"}


class NotAnImageError(DataError):
    """A file does not decode as an image of a format that is read."""

    code = "not_an_image"


@dataclass(frozen=True)
class DecodedImage:
    """The result of one file."""

    pixels: Pixels
    """uint8, (size, size, 3)."""
    format: str
    """A key of `FORMATS`."""
    removed: tuple[str, ...]
    """Kinds of metadata left behind, sorted."""
    converted: bool
    """Whether the file held anything but one opaque frame of 8-bit grey or RGB, upright."""


def decode_image(data: bytes, size: int) -> DecodedImage:
    """Decode the bytes of one image file to `size` x `size` RGB.

    Raises `NotAnImageError` with the reason, whatever the bytes are.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise NotAnImageError("an empty file")
    try:
        with Image.open(io.BytesIO(data), formats=readers()) as image:
            if image.width * image.height > PIXELS_MAX:
                raise NotAnImageError(f"more than {PIXELS_MAX // 10**6} million pixels")
            return _read(image, size)
    except NotAnImageError:
        raise
    except UnidentifiedImageError as error:
        raise NotAnImageError("not an image of a format that is read") from error
    except Image.DecompressionBombError as error:
        raise NotAnImageError(f"more than {PIXELS_MAX // 10**6} million pixels") from error
    except MemoryError as error:
        raise NotAnImageError("more than there is memory for") from error
    except Exception as error:  # decoders raise almost anything on damaged bytes; all of it means the same here
        raise NotAnImageError("a damaged or truncated image") from error


def read_image(path: Path, size: int, channels: int) -> Pixels:
    """Read one image file as a network wants it: uint8 (size, size, channels), `channels` 1 (grey) or 3 (RGB).

    Raises `NotAnImageError` if it cannot be read or is no image.
    """
    try:
        with quiet():
            pixels = decode_image(read_bytes(path), size).pixels
    except NotAnImageError as error:
        raise NotAnImageError(f"{path} cannot be used: {error.what}", f"give one of {', '.join(FORMATS)}") from error
    return to_grey(pixels) if channels == 1 else pixels


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings to itself: they are about metadata, which is dropped, and sizes, which have our own limit.

    For the thread that starts and ends the work, since warnings are filtered for the whole process.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file; raises `NotAnImageError` if it is unreadable or beyond `FILE_BYTES_MAX`."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise NotAnImageError(f"larger than {FILE_BYTES_MAX >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise NotAnImageError("a file that cannot be read") from error


def to_grey(pixels: Pixels) -> Pixels:
    """RGB (..., 3) to luma (..., 1), uint8, by the weights of ITU-R BT.601 in 16-bit fixed point."""
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    luma: Pixels = ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
    return luma[..., np.newaxis]


def resize(pixels: Pixels, size: int) -> Pixels:
    """Resize one image (h, w, c), c in {1, 3}, to (size, size, c), with anti-aliasing."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, -1)


def as_png(pixels: Pixels) -> bytes:
    """The file of one image (h, w), (h, w, 1) or (h, w, 3), quickly written and not very small."""
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()


@functools.cache
def readers() -> tuple[str, ...]:
    """The formats that this build of Pillow can read (MPO comes with JPEG)."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@hushed()
def _read(image: Image.Image, size: int) -> DecodedImage:
    from PIL import Image, ImageOps

    form, mode = image.format or "", image.mode
    if form in ("JPEG", "MPO") and mode in ("L", "RGB"):
        image.draft(mode, (2 * size, 2 * size))  # the decoder halves large images at no cost; never below twice `size`
    image.load()
    removed = metadata_kinds(image)
    turned = bool(removed) and image.getexif().get(_ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if turned else image
    converted = turned or mode not in ("L", "RGB") or getattr(image, "n_frames", 1) > 1 or "transparency" in image.info
    flat = flatten(upright)
    pixels = np.asarray(flat.resize((size, size), Image.Resampling.BILINEAR))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    return DecodedImage(pixels, form, removed, converted)


def flatten(image: Image.Image) -> Image.Image:
    """The image as 8-bit grey or RGB, opaque."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_window(np.asarray(image, np.float64)))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        behind = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(behind, image.convert("RGBA")).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def _window(values: npt.NDArray[np.float64]) -> Pixels:
    low, high = values.min(), values.max()
    if not np.isfinite(low + high):
        raise NotAnImageError("pixels that are not numbers")
    span = high - low or 1.0
    windowed: Pixels = np.rint((values - low) * (255.0 / span)).astype(np.uint8)
    return windowed


def metadata_kinds(image: Image.Image) -> tuple[str, ...]:
    """The kinds of metadata that the file carries, sorted."""
    info = {str(key): value for key, value in image.info.items()}
    text = getattr(image, "text", {})  # PNG
    found = {_PROFILED_TEXT.get(key, "PNG text") for key in text}
    tags = getattr(image, "tag_v2", {})  # TIFF
    for kind, present in (
        ("EXIF", "exif" in info or 34665 in tags or _ORIENTATION in tags),
        ("XMP", "xmp" in info or "XML:com.adobe.xmp" in info or _XMP_TIFF in tags),
        ("IPTC", "photoshop" in info or _IPTC_TIFF in tags or _PHOTOSHOP_TIFF in tags),
        ("ICC", bool(info.get("icc_profile"))),
        ("comment", bool(info.get("comment"))),
        ("TIFF text", any(tag in tags for tag in _TEXT_TIFF)),
    ):
        if present:
            found.add(kind)
    return tuple(sorted(found))
