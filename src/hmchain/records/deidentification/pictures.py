"""Image files: decoded, and written again with nothing but their pixels.

EXIF, XMP, IPTC, PNG text, comments, colour profiles, thumbnails, what lies under transparent pixels and what follows
the end of a file: none of it is copied, because nothing is. A file of several frames becomes as many records. Whether
a name is written into the pixels, no program can tell.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hmchain.records.deidentification.outcome import EMPTIED, GENERALISED, REMOVED, Action, Clean, Held, Outcome
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.pictures.decode import FILE_BYTES_MAX, PIXELS_MAX, flatten, metadata_kinds, readers
from hmchain.records.sources.item import Item, Rectangles

if TYPE_CHECKING:
    from PIL import Image

warnings.filterwarnings("ignore", module=r"PIL\.")  # they are about metadata, and may quote it

MEDIA_TYPE = "image/png"
FRAMES_MAX = 4096
PATIENT_KNOWN = "known"
"""Attribute `patient` of an image whose patient the hospital named."""

_TOO_MANY_PIXELS = f"more than {PIXELS_MAX // 10**6} million pixels"
_COMPRESSION = 3
"""zlib's level: the higher ones take several times as long for a few per cent."""


class ImageDeidentifier:
    """De-identifies image files, for one project."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms) -> None:
        """An image file gives a profile no choice: only its pixels are ever kept."""
        self._pseudonyms = pseudonyms

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """The frames of an image file as PNG, or a `Held`.

        Where nobody says whose image a file is, it is a subject of its own. Its record's id goes by its bytes.
        """
        from PIL import Image

        with item.open() as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            yield Held("too_large", f"larger than {FILE_BYTES_MAX >> 20} MiB", False)
            return
        try:
            with Image.open(io.BytesIO(data), formats=readers()) as image:
                problem = _problem(image)
                if problem:
                    yield Held("too_large", problem, False)
                    return
                digest = hashlib.sha256(data).hexdigest()
                subject = self._pseudonyms.identifier("image file", digest)
                known = {"label": item.label}
                if item.patient:
                    subject, known["patient"] = self._pseudonyms.subject(item.patient), PATIENT_KNOWN
                yield from self._frames(image, digest, subject, known, item.blank)
        except Image.DecompressionBombError:
            yield Held("too_large", _TOO_MANY_PIXELS, False)
        except Exception:  # decoders raise almost anything on damaged bytes
            yield Held("damaged", "not an image of a format that is read, or a damaged one", False)

    def _frames(
        self, image: Image.Image, digest: str, subject: str, known: dict[str, str], blank: Rectangles
    ) -> Iterator[Outcome]:
        count = _frame_count(image)
        for index in range(count if count > 1 else 0):  # all of a file, or nothing
            image.seek(index)
            image.load()
        for index in range(count):
            image.seek(index)
            yield self._frame(image, f"{digest} {index}", subject, {**known, "frame": f"{index + 1}/{count}"}, blank)

    def _frame(self, image: Image.Image, name: str, subject: str, known: dict[str, str], blank: Rectangles) -> Clean:
        removed = metadata_kinds(image)
        form, mode = image.format or "", image.mode
        bare = bare_pixels(image)
        for left, top, width, height in blank:
            bare.paste(0, (left, top, left + width, top + height))
        with io.BytesIO() as png:
            bare.save(png, "PNG", compress_level=_COMPRESSION, compress_type=_strategy(bare.mode))
            data = png.getvalue()
        found = {
            "format": form,
            "rows": str(bare.height),
            "columns": str(bare.width),
            "bits": "16" if bare.mode.startswith("I") else "8",
            "photometric": "RGB" if bare.mode == "RGB" else "MONOCHROME2",
            **known,
        }
        actions = [Action(kind, REMOVED) for kind in removed]
        if mode not in ("L", "RGB") and bare.mode != mode:
            actions.append(Action(f"pixels of mode {mode}", GENERALISED))
        if blank:
            actions.append(Action("parts of the pixels", EMPTIED))
        return Clean(
            record=self._pseudonyms.identifier("image", name),
            subject=subject,
            media_type=MEDIA_TYPE,
            pieces=lambda: (data,),
            attributes={key: value for key, value in found.items() if value},
            actions=tuple(actions),
        )


def bare_pixels(image: Image.Image) -> Image.Image:
    """A new image of the same pixels, upright: 8-bit grey or RGB, or 16-bit grey; nothing else is carried over.

    Grey that was saved as colour, as scans in JPEG files often are, is one channel: the same, at half the cost.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        samples = np.asarray(upright)
        if samples.min() >= 0 and samples.max() <= 0xFFFF:
            return Image.fromarray(samples.astype(np.uint16))
    pixels = np.asarray(flatten(upright))
    if pixels.ndim == 3 and (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all():
        pixels = pixels[..., 0].copy()
    return Image.fromarray(pixels)


def _strategy(mode: str) -> int:
    """What zlib looks for: in 8-bit grey, once PNG has filtered it, runs alone, which takes two thirds of the time."""
    return zlib.Z_RLE if mode == "L" else zlib.Z_DEFAULT_STRATEGY


def _frame_count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _problem(image: Image.Image) -> str:
    """Say why the image is not read; nothing if it is."""
    if image.width * image.height > PIXELS_MAX:
        return _TOO_MANY_PIXELS
    return f"more than {FRAMES_MAX} frames" if _frame_count(image) > FRAMES_MAX else ""
