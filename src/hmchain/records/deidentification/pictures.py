"""Image files: decoded, and written again with nothing but their pixels.

EXIF, XMP, IPTC, PNG text, comments, colour profiles, thumbnails, what lies under transparent pixels and what follows
the end of a file: none of it is copied, because nothing is. A file of several frames becomes as many records. What is
written into the pixels is looked for; where there is some, or may be, all of the file is held.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hmchain.processes import hushed
from hmchain.records.deidentification.outcome import (
    EMPTIED,
    GENERALISED,
    REMOVED,
    Action,
    Clean,
    Finding,
    Held,
    Outcome,
)
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.writing.answer import Verdict, Writing
from hmchain.records.deidentification.writing.judging import detector, doubts, further, judge, to_blank
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


@dataclass(frozen=True)
class _Page:
    """A frame of a file."""

    form: str
    mode: str
    removed: tuple[str, ...]
    bare: Image.Image


_Pages = Callable[[], Iterable[_Page]]


class ImageDeidentifier:
    """De-identifies image files, for one project."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms) -> None:
        """An image file gives a profile one choice: what is done about writing in its pixels."""
        self._rules = profile.pixels
        self._pseudonyms = pseudonyms

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """None: what a picture says besides its pixels goes."""
        return ()

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
                yield from self._outcomes(image, hashlib.sha256(data).hexdigest(), item, reviewed)
        except Image.DecompressionBombError:
            yield Held("too_large", _TOO_MANY_PIXELS, False)
        except ImportError:
            raise  # what is not installed is no fault of the file's
        except Exception:  # decoders raise almost anything on damaged bytes
            yield Held("damaged", "not an image of a format that is read, or a damaged one", False)

    def _outcomes(self, image: Image.Image, digest: str, item: Item, reviewed: bool) -> Iterator[Outcome]:
        subject = self._pseudonyms.identifier("image file", digest)
        known = {"label": item.label}
        if item.patient:
            subject, known["patient"] = self._pseudonyms.subject(item.patient), PATIENT_KNOWN
        count, pages = _frame_count(image), _pages(image)
        blank, unsure = item.blank, list[Held]()
        if any(_is_outside(region, pages()) for region in blank):
            why = "a place that was to be blanked lies outside of its picture"
            yield Held("burned_in_text", why, True, subjects=(subject,), parts=count, of=count)
            return
        if self._rules.find_writing and not reviewed:
            blank, unsure = self._judged(pages, count, blank)
        elif self._rules.find_writing and blank:
            unsure = further(lambda: _look(pages(), count, ()), _look(pages(), count, blank), blank)
        if unsure:
            yield replace(unsure[0], subjects=(subject,), parts=count, of=count)
            return
        for index, page in enumerate(pages()):
            frame = {**known, "frame": f"{index + 1}/{count}"}
            yield replace(self._clean(page, f"{digest} {index}", subject, frame, blank), of=count)

    def _judged(self, pages: _Pages, count: int, blank: Rectangles) -> tuple[Rectangles, list[Held]]:
        """What is to be set to 0, and why a person must look."""
        found = _look(pages(), count, blank)
        if self._rules.blank_found:
            first = next(iter(pages())).bare
            where = to_blank(found, first.height, first.width)
            if where and _look(pages(), count, (*blank, *where)).verdict is Verdict.CLEAN:
                return (*blank, *where), []
        return blank, doubts(found)

    def _clean(self, page: _Page, name: str, subject: str, known: dict[str, str], blank: Rectangles) -> Clean:
        bare = _blanked(page.bare, blank)
        with io.BytesIO() as png:
            bare.save(png, "PNG", compress_level=_COMPRESSION, compress_type=_strategy(bare.mode))
            data = png.getvalue()
        found = {
            "format": page.form,
            "rows": str(bare.height),
            "columns": str(bare.width),
            "bits": "16" if bare.mode.startswith("I") else "8",
            "photometric": "RGB" if bare.mode == "RGB" else "MONOCHROME2",
            **known,
        }
        actions = [Action(kind, REMOVED) for kind in page.removed]
        if page.mode not in ("L", "RGB") and bare.mode != page.mode:
            actions.append(Action(f"pixels of mode {page.mode}", GENERALISED))
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


@hushed()
def _pages(image: Image.Image) -> _Pages:
    """The frames of a file, as often as they are asked for; those of several, once all are known to be whole."""
    count = _frame_count(image)
    if count == 1:
        only = (_page(image),)
        return lambda: only
    for index in range(count):
        image.seek(index)
        image.load()
    return lambda: (_page(image, index) for index in range(count))


@hushed()
def _page(image: Image.Image, index: int = 0) -> _Page:
    image.seek(index)
    removed = metadata_kinds(image)
    return _Page(image.format or "", image.mode, tuple(removed), bare_pixels(image))


def _look(pages: Iterable[_Page], count: int, blank: Rectangles) -> Writing:
    frames = (_planes(np.asarray(_blanked(page.bare, blank))) for page in pages)
    return judge(frames, count, detector().look)


def _is_outside(region: tuple[int, int, int, int], pages: Iterable[_Page]) -> bool:
    return all(region[0] >= page.bare.width or region[1] >= page.bare.height for page in pages)


def _planes(pixels: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [pixels] if pixels.ndim == 2 else [np.ascontiguousarray(pixels[..., colour]) for colour in range(3)]


def _blanked(bare: Image.Image, blank: Rectangles) -> Image.Image:
    if not blank:
        return bare
    changed = bare.copy()
    for left, top, width, height in blank:
        changed.paste(0, (left, top, left + width, top + height))
    return changed


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
