"""Many frames, one verdict.

Frames are looked at one by one as long as they are few, or small. Of more, neighbours are looked at together: the
brightest and the darkest value of each pixel of some show what is drawn into any of them, and one of them is looked at
alone. Memory holds one frame of each, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from hmchain.records.deidentification.outcome import Held
from hmchain.records.deidentification.writing.answer import Region, Verdict, Writing
from hmchain.records.deidentification.writing.detector import SIDE_MIN, Detector
from hmchain.records.deidentification.writing.planes import Levels, Shown
from hmchain.records.deidentification.writing.regions import merged
from hmchain.records.sources.item import Rectangles

ALONE_MAX = 16
"""Up to so many frames are looked at one by one; of more, so many are looked at together."""
ALONE_PIXELS_MAX = ALONE_MAX << 18
"""Smaller frames are looked at one by one up to so many pixels: as long as those of 512 x 512 would take."""
SIDE_MAX = 32
"""Pixels both ways, up to which a doubt is none; several such frames may hold a page that none of them shows."""
STRIP, STRIP_OF_PAGE = 32, 8
"""Times as long as wide, from which an image is none of anything, and frames are the strips of a page."""
SMALL_MAX = 96
"""An image of at most so many pixels both ways is looked at in twice its size."""
FURTHER_LOOK = 0.65
"""The score from which a person looks where each image is many looks, through windows or at dozens of tiles."""
BLANKED_MAX = 0.4
"""The share of an image that is blanked without a person: of a page of a report nothing else would be left."""
_MARGIN = 8
"""Regions of several frames that lie closer than this are one."""
_WORST = (Verdict.UNSAFE, Verdict.LOOK, Verdict.CLEAN)

Plane = npt.NDArray[Any]
Look = Callable[[Plane], Writing]


def judge(frames: Iterable[Sequence[Plane]], count: int, look: Look) -> Writing:
    """The verdict on `count` frames, each of one plane or several (of its colours, say)."""
    rest = iter(frames)
    if not (first := next(rest, ())):
        return Writing(Verdict.CLEAN)
    frames, shape = chain((first,), rest), first[0].shape
    if is_scrap(shape, count):
        return Writing(Verdict.LOOK if _differ(frames) else Verdict.CLEAN)
    together = frames if count <= _alone_max(shape) else _in_groups(frames)
    return combined(_judged(look, plane) for planes in together for plane in planes)


def _judged(look: Look, plane: Plane) -> Writing:
    """A look at a plane; in one so small a spot may be taken for a letter, so what is sure counts alone."""
    found = closely(look, plane)
    return found if max(plane.shape) > SIDE_MAX or found.verdict is Verdict.UNSAFE else Writing(Verdict.CLEAN)


def is_scrap(shape: tuple[int, ...], count: int) -> bool:
    """Tell whether frames of this shape hold no word that can be looked for, and may yet hold a page together."""
    short, long = sorted(shape[:2])
    if count == 1:
        return long > SIDE_MAX and (short < SIDE_MIN or long > STRIP * short)
    is_piece = long <= SIDE_MAX or short < SIDE_MIN or long >= STRIP_OF_PAGE * short
    return is_piece and count * short * long > 2 * SIDE_MAX**2


def _differ(frames: Iterable[Sequence[Plane]]) -> bool:
    """Tell whether the samples of any plane are not all the same over all frames."""
    first: Sequence[Any] = ()
    for planes in frames:
        first = first or [plane.flat[0] for plane in planes]
        if len(first) != len(planes) or any((plane != one).any() for plane, one in zip(planes, first, strict=True)):
            return True
    return False


def _alone_max(shape: tuple[int, ...]) -> int:
    doubled = 4 if max(shape) <= SMALL_MAX else 1
    return max(ALONE_MAX, ALONE_PIXELS_MAX // (shape[0] * shape[1] * doubled))


def through(look: Callable[..., Writing], windows: Sequence[Shown]) -> Look:
    """A detector's look at an image, and one through each of the windows that are narrow in it."""

    def look_through(plane: Plane) -> Writing:
        levels = Levels.of(plane) if windows else None
        narrow = [shown for shown in windows if levels and levels.hide(shown)]
        return combined((look(plane), *(_surer(look(plane, shown)) for shown in narrow)))

    return look_through


def closely(look: Look, plane: Plane) -> Writing:
    """A look at a small image as at one of twice its size: a head of 60 pixels looks like a letter, and a letter of 10
    like nothing much."""
    if max(plane.shape) > SMALL_MAX:
        return look(plane)
    found = _surer(look(_doubled(_doubled(plane.astype(np.float64)).T).T))
    return Writing(found.verdict, tuple(_halved(region) for region in found.regions))


def _surer(found: Writing) -> Writing:
    """A verdict without its faintest doubts; one without regions is of what could not be judged."""
    regions = tuple(region for region in found.regions if region.score >= FURTHER_LOOK)
    return Writing(found.verdict if regions or not found.regions else Verdict.CLEAN, regions)


def _doubled(plane: Plane) -> Plane:
    """Twice as many rows, in between linearly."""
    above = np.concatenate((plane[:1], plane[:-1]))
    below = np.concatenate((plane[1:], plane[-1:]))
    return np.stack((0.75 * plane + 0.25 * above, 0.75 * plane + 0.25 * below), axis=1).reshape(-1, plane.shape[1])


def _halved(region: Region) -> Region:
    left, top = region.left // 2, region.top // 2
    right, bottom = -(-(region.left + region.width) // 2), -(-(region.top + region.height) // 2)
    return Region(left, top, right - left, bottom - top, region.score)


def combined(found: Iterable[Writing]) -> Writing:
    """The worst of several verdicts, and all regions."""
    verdicts, regions = {Verdict.CLEAN}, list[Region]()
    for writing in found:
        verdicts.add(writing.verdict)
        regions += writing.regions
    return Writing(next(verdict for verdict in _WORST if verdict in verdicts), tuple(merged(regions, _MARGIN)))


def to_blank(writing: Writing, rows: int, columns: int) -> Rectangles:
    """What to set to 0 in an image of this size; nothing if no writing is sure, or too little would be left of it."""
    found = widened(writing) if writing.verdict is Verdict.UNSAFE else ()
    covered = np.zeros((rows, columns), bool)
    for left, top, width, height in found:
        covered[top : top + height, left : left + width] = True
    return found if covered.mean() <= BLANKED_MAX else ()


def widened(writing: Writing) -> Rectangles:
    """The regions of a verdict, with a margin for what a letter may stand out."""
    return tuple(_widened(region) for region in writing.regions)


def doubts(writing: Writing) -> list[Held]:
    """Why a person must look at an image of this verdict, and where; none if it is clean."""
    where = widened(writing)
    if writing.verdict is Verdict.UNSAFE:
        return [Held("burned_in_text", "its pixels show writing", True, regions=where)]
    if writing.verdict is Verdict.LOOK:
        why = "its pixels show marks that may be letters" if where else "its pixels cannot be searched for writing"
        return [Held("writing_suspected", why, True, regions=where)]
    return []


def further(before: Callable[[], Writing], after: Writing, drawn: Rectangles) -> list[Held]:
    """Why a person must look once more at an image of which parts were blanked: writing that was not found before, and
    that nobody was shown. What was found and is left, the person has seen; where none is left, `before` is not asked.
    """
    if after.verdict is not Verdict.UNSAFE:
        return []
    seen = before().regions
    new = [one for one in after.regions if not any(one.meets(other, _MARGIN) for other in seen)]
    if not new:
        return []
    where = (*drawn, *widened(Writing(after.verdict, tuple(new))))
    return [Held("burned_in_text", "without what was blanked, its pixels show more writing", True, regions=where)]


@cache
def detector() -> Detector:
    """The detector of this process, made when the first image is looked at."""
    return Detector()


def _widened(region: Region) -> tuple[int, int, int, int]:
    margin = 2 + min(region.width, region.height) // 4
    left, top = max(region.left - margin, 0), max(region.top - margin, 0)
    return left, top, region.left + region.width + margin - left, region.top + region.height + margin - top


def _in_groups(frames: Iterable[Sequence[Plane]]) -> Iterator[Sequence[Plane]]:
    """Of each group of neighbours the first frame, the brightest and the darkest values."""
    rest = iter(frames)
    while first := next(rest, None):
        brightest, darkest = [plane.copy() for plane in first], [plane.copy() for plane in first]
        yield first
        for planes in islice(rest, ALONE_MAX - 1):
            if [plane.shape for plane in planes] != [plane.shape for plane in first]:
                yield planes  # a frame that is grey among coloured ones, or of another size
                continue
            for bright, dark, plane in zip(brightest, darkest, planes, strict=True):
                np.maximum(bright, plane, out=bright)
                np.minimum(dark, plane, out=dark)
        yield brightest
        yield darkest
