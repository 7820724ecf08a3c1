"""The Image Pixel Module (PS3.3 C.7.6.3): what is needed to find a frame among the pixel bytes."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.reading import DOUBLE_PIXELS, FLOAT_PIXELS, DicomHeader, PixelElement

FRAMES_MAX = 1 << 20

SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
ROWS, COLUMNS = 0x00280010, 0x00280011
ALLOCATED, STORED, HIGH, REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
DESCRIPTION = (SAMPLES, PHOTOMETRIC, PLANAR, FRAMES, ROWS, COLUMNS, ALLOCATED, STORED, HIGH, REPRESENTATION)
"""The elements that a reader needs to make sense of the pixels."""

_FLOAT_BITS = {FLOAT_PIXELS: 32, DOUBLE_PIXELS: 64}
_DEPTHS = (1, 8, 16, 32, 64)


@dataclass(frozen=True)
class ImagePixels:
    """The shape of the pixels."""

    rows: int
    columns: int
    frames: int
    samples: int
    """1, or 3 for colour."""
    allocated: int
    """Bits for each sample; `stored` of them are used, up to bit `high`."""
    stored: int
    high: int
    signed: bool
    planar: int
    """1 if all red samples of a frame come first, then all green, then all blue."""
    photometric: str
    floating: bool

    @property
    def frame_bits(self) -> int:
        """Bits of a frame that is not compressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.allocated

    @property
    def total_bytes(self) -> int:
        """Bytes of all frames, not compressed, without padding; frames of single bits are packed without gaps."""
        return (self.frame_bits * self.frames + 7) // 8


def image_pixels(opened: DicomHeader, element: PixelElement) -> ImagePixels:
    """The shape of an object's pixels; raises `Hold` if it makes no sense."""
    frames = opened.ascii(FRAMES) or "1"
    rows, columns = opened.number(ROWS), opened.number(COLUMNS)
    allocated = _FLOAT_BITS.get(element.tag) or opened.number(ALLOCATED)
    if not rows or not columns or not allocated or not frames.isdigit() or not 0 < int(frames) <= FRAMES_MAX:
        raise damaged("its rows, columns, frames or bits are missing, or make no sense")
    stored = opened.number(STORED) or allocated
    image = ImagePixels(
        rows=rows,
        columns=columns,
        frames=int(frames),
        samples=opened.number(SAMPLES) or 1,
        allocated=allocated,
        stored=stored,
        high=_or(opened.number(HIGH), stored - 1),
        signed=opened.number(REPRESENTATION) == 1,
        planar=opened.number(PLANAR) or 0,
        photometric=opened.ascii(PHOTOMETRIC),
        floating=element.tag in _FLOAT_BITS,
    )
    if image.allocated not in _DEPTHS or image.samples not in (1, 3, 4):
        raise Hold("unsupported_pixels", "pixels of a depth or number of samples that is not read")
    if not 0 < image.stored <= image.high + 1 <= image.allocated:
        raise damaged("its bits stored do not fit its bits allocated")
    return image


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
