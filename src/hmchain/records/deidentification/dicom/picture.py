"""The picture of one object: how its pixels are written, what writing they show, and what of it is blanked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from hmchain.records.deidentification.dicom.bitstreams import holds_text
from hmchain.records.deidentification.dicom.frames import planes_of
from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.dicom.image import ImagePixels, image_pixels
from hmchain.records.deidentification.dicom.mosaics import by_tiles, tile_shape
from hmchain.records.deidentification.dicom.pixels import PixelOutput, goes_beyond, pixel_output
from hmchain.records.deidentification.dicom.reading import NATIVE, DicomHeader, PixelElement
from hmchain.records.deidentification.dicom.windows import windows_of
from hmchain.records.deidentification.outcome import Held
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.writing.answer import Verdict, Writing
from hmchain.records.deidentification.writing.judging import (
    combined,
    detector,
    doubts,
    further,
    judge,
    through,
    to_blank,
)
from hmchain.records.sources.item import Rectangles

FRAMES_MAX = 2048
_OVERLAYS, _OVERLAY_BIT = range(0x6000, 0x6020, 2), 0x0102


@dataclass(frozen=True)
class Picture:
    """The pixels of an object, judged."""

    image: ImagePixels
    """Their shape in the file."""
    output: PixelOutput
    blanked: bool
    """Whether parts of them are set to 0."""
    cut: bool
    """Whether bits are cleared that are set and not among those stored."""
    found: Rectangles = ()
    """Those parts that showed writing and were blanked for it."""
    doubts: tuple[Held, ...] = ()
    """Why a person must look at them."""


def picture(
    opened: DicomHeader,
    element: PixelElement,
    profile: Profile,
    known: Rectangles,
    drawn: Rectangles,
    *,
    reviewed: bool,
    words: Collection[bytes] = (),
) -> Picture:
    """Decide how the pixels are written, with what its device writes to (`known`) and what a reviewer drew set to 0.

    Compressed pixels that seem to hold text, or one of `words` in lower case, between their markers are decoded.
    Writing is looked for in what would be written, unless the profile says not to. After a review that is done where
    something was drawn, and only what the reviewer cannot have seen is a doubt; and where the profile blanks what is
    found, also of what a reviewer lets pass for another reason.

    Raises `Hold` if the pixels cannot be written.
    """
    image, blank = image_pixels(opened, element), (*known, *drawn)
    if any(left >= image.columns or top >= image.rows for left, top, *_ in drawn):
        raise Hold("burned_in_text", "a place that was to be blanked lies outside of its picture", releasable=True)
    write = partial(pixel_output, opened, element, image)
    decode = profile.dicom.decode_pixels
    output = write(blank, decode=decode)
    if output.syntax not in NATIVE and any(holds_text(frame, words) for frame in output.frames()):
        decode = True
        output = write(blank, decode=decode)
    cut = not _has_overlays(opened) and goes_beyond(opened, element, image)
    seen = Picture(image, output, bool(blank), cut)
    if reviewed and drawn and profile.pixels.find_writing:
        before = lambda: _look(opened, write(known, decode=decode))  # noqa: E731
        return replace(seen, doubts=tuple(further(before, _look(opened, output), drawn)))
    if reviewed and not (profile.pixels.find_writing and profile.pixels.blank_found):
        return seen
    unsure = [Held("unused_bits", "samples have more bits than it says, which a release clears", True)] if cut else []
    if not profile.pixels.find_writing:
        return replace(seen, doubts=tuple(unsure))
    found = _look(opened, output)
    if profile.pixels.blank_found and (where := to_blank(found, image.rows, image.columns)):
        again = write((*blank, *where), decode=decode)
        if (left := _look(opened, again)).verdict is Verdict.CLEAN:
            return replace(seen, output=again, blanked=True, found=where, doubts=() if reviewed else tuple(unsure))
        found = combined((found, left))
    return seen if reviewed else replace(seen, doubts=(*unsure, *doubts(found)))


def _look(opened: DicomHeader, output: PixelOutput) -> Writing:
    """Judge what would be written; frames that do not decode here are for a person, who may have a viewer for them, and
    so are the tiles of a slide, which nobody's patience would outlast."""
    if output.image.frames > FRAMES_MAX:
        return Writing(Verdict.LOOK)
    look, tile = through(detector().look, windows_of(opened)), tile_shape(opened)
    try:
        return judge(planes_of(output, opened.elements), output.image.frames, by_tiles(look, tile) if tile else look)
    except Hold:
        return Writing(Verdict.LOOK)


def _has_overlays(opened: DicomHeader) -> bool:
    """Tell whether it says that overlays, which go, lie in bits of its pixels."""
    return any(opened.number(group << 16 | _OVERLAY_BIT) for group in _OVERLAYS)
