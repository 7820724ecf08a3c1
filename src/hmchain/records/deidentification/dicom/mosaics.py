"""Mosaics: a volume as one picture, of which each tile is looked at by itself, and then all of it.

Rows of small heads beside each other are to a detector what rows of round letters may be, so a doubt about the whole
counts for nothing. Letters that are written over several tiles are none in any of them, so what is sure counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hmchain.records.deidentification.dicom.image import COLUMNS, ROWS
from hmchain.records.deidentification.dicom.reading import DicomHeader
from hmchain.records.deidentification.writing.answer import Region, Verdict, Writing
from hmchain.records.deidentification.writing.judging import SIDE_MAX, Look, closely, combined

_IMAGE_TYPE, _ACQUISITION_MATRIX, _TILES_SIEMENS = 0x00080008, 0x00181310, 0x0019100A
_KINDS = frozenset({"MOSAIC", "VFRAME"})
"""How Siemens and UIH call a mosaic in the type of an image."""


def tile_shape(opened: DicomHeader) -> tuple[int, int] | None:
    """Rows and columns of a tile; None for what is no mosaic, or none whose tiles can be told."""
    kinds = {value.strip(" \0").upper() for value in opened.ascii(_IMAGE_TYPE).split("\\")}
    rows, columns = opened.number(ROWS) or 0, opened.number(COLUMNS) or 0
    if not kinds & _KINDS:
        return None
    across = math.isqrt(max((opened.number(_TILES_SIEMENS) or 0) - 1, 0)) + 1
    side = max(_numbers(opened.value(_ACQUISITION_MATRIX), little=opened.little), default=0)
    for tall, wide in ((rows // across, columns // across), (side, side)):
        fits = tall and wide and not rows % tall and not columns % wide
        if fits and min(tall, wide) > SIDE_MAX and (tall, wide) != (rows, columns):
            return tall, wide
    return None


def by_tiles(look: Look, shape: tuple[int, int]) -> Look:
    """The same look, at one tile after the other and for sure writing at all; a plane of another make as a whole."""
    tall, wide = shape

    def look_at_each(plane: npt.NDArray[Any]) -> Writing:
        if plane.shape[0] % tall or plane.shape[1] % wide:
            return look(plane)
        corners = [(top, left) for top in range(0, plane.shape[0], tall) for left in range(0, plane.shape[1], wide)]
        tiles = ((top, left, plane[top : top + tall, left : left + wide]) for top, left in corners)
        found = combined(_moved(closely(look, np.ascontiguousarray(tile)), top, left) for top, left, tile in tiles)
        if found.verdict is Verdict.UNSAFE:
            return found
        across = look(plane)
        return combined((found, across)) if across.verdict is Verdict.UNSAFE else found

    return look_at_each


def _moved(writing: Writing, top: int, left: int) -> Writing:
    """A verdict on a tile, with its regions where they are in the mosaic."""
    regions = (Region(one.left + left, one.top + top, one.width, one.height, one.score) for one in writing.regions)
    return Writing(writing.verdict, tuple(regions))


def _numbers(value: bytes, *, little: bool) -> list[int]:
    return [int(number) for number in np.frombuffer(value[: len(value) // 2 * 2], "<u2" if little else ">u2")]
