"""Frames as they are written into the record: what is judged is what comes out, not what a viewer would show.

Each frame is given as planes, an array of rows and columns each: its samples as they are stored, of colour one plane a
sample (what has the brightness of its surroundings differs in one of them), and of a palette also the colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import BaseTag

from hmchain.records.deidentification.dicom.holding import damaged
from hmchain.records.deidentification.dicom.image import ImagePixels
from hmchain.records.deidentification.dicom.pixels import PixelOutput, decoded
from hmchain.records.deidentification.dicom.reading import NATIVE, Element

Samples = npt.NDArray[Any]

_PALETTE = (0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203, 0x00281221, 0x00281222, 0x00281223)


def planes_of(output: PixelOutput, elements: Mapping[int, Element]) -> Iterator[Sequence[Samples]]:
    """The planes of each frame of an output; raises `Hold` where a frame does not decode.

    `elements` has the palette, if the colours are indices into one.
    """
    palette = Dataset()
    if output.image.photometric == "PALETTE COLOR":
        palette = Dataset({BaseTag(tag): elements[tag] for tag in _PALETTE if tag in elements})
    native = output.syntax in NATIVE
    image = output.image if native else replace(output.image, planar=0)
    for frame in _native(output) if native else _compressed(output):
        planes = _planes(frame, image)
        yield [*planes, *_colours(planes[0], palette)] if palette else planes


def _native(output: PixelOutput) -> Iterator[Samples]:
    """Frames of samples as they are written: little endian, with no gap between frames of single bits."""
    image, buffer, start = output.image, bytearray(), 0
    pieces = output.pieces()
    for _ in range(image.frames):
        end = start + image.frame_bits
        while len(buffer) * 8 < end:
            buffer += next(pieces)
        if image.allocated == 1:
            bits = np.frombuffer(bytes(buffer[: (end + 7) // 8]), np.uint8)
            yield np.unpackbits(bits, bitorder="little")[start:end]
        else:
            kind = "f" if image.floating else "i" if image.signed else "u"
            yield np.frombuffer(bytes(buffer[: end // 8]), f"<{kind}{image.allocated // 8}")
        del buffer[: end // 8]
        start = end % 8


def _compressed(output: PixelOutput) -> Iterator[Samples]:
    for frame in output.frames():
        samples, _ = decoded(encapsulate([frame]), output.syntax, output.image)
        yield np.ascontiguousarray(samples).reshape(-1)  # which has the samples of a pixel side by side


def _planes(frame: Samples, image: ImagePixels) -> list[Samples]:
    """The planes of one frame's samples, which come in the order in which they are stored."""
    shape = image.rows, image.columns
    if image.photometric == "YBR_FULL_422" and len(frame) == 2 * image.rows * image.columns:
        pairs = frame.reshape(image.rows, -1, 4)
        return [pairs[..., :2].reshape(shape), *(pairs[..., at].repeat(2, axis=1) for at in (2, 3))]
    if len(frame) != image.rows * image.columns * image.samples:
        raise damaged("a frame has another shape than its description")
    if image.samples == 1:
        return _finite(frame.reshape(shape))
    planar = frame.reshape(image.samples, *shape) if image.planar else np.moveaxis(frame.reshape(*shape, -1), -1, 0)
    grey = all((planar[0] == other).all() for other in planar[1:])
    return [np.ascontiguousarray(plane) for plane in (planar[:1] if grey else planar)]


def _finite(plane: Samples) -> list[Samples]:
    """A plane without infinite values, and, if there were some, where: they can be written with as well."""
    if plane.dtype.kind != "f" or (finite := np.isfinite(plane)).all():
        return [plane]
    least = plane[finite].min() if finite.any() else 0
    return [np.where(finite, plane, least), finite.astype(np.uint8)]


def _colours(indices: Samples, palette: Dataset) -> list[Samples]:
    try:
        colours = apply_color_lut(indices, palette)
    except Exception as error:  # pydicom's, of a palette that makes no sense
        raise damaged("its palette cannot be read") from error
    return [np.ascontiguousarray(colours[..., number]) for number in range(3)]
