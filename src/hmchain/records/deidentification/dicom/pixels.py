"""Pixels on their way from the file to the record: streamed, stripped or decoded, a piece or a frame at a time.

Pixels that are not compressed are copied in pieces, without the bits that no sample uses (old overlays and text hide
there) and without what follows the last frame. Compressed frames lose everything but the picture. Frames are decoded
where a region is to be blanked, where the profile wants it, and where they are run-length coded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from hmchain.records.deidentification.dicom import encoding
from hmchain.records.deidentification.dicom.bitstreams import strip
from hmchain.records.deidentification.dicom.encapsulated import FRAME_BYTES_MAX, encapsulated
from hmchain.records.deidentification.dicom.holding import Hold, UnknownParts, damaged
from hmchain.records.deidentification.dicom.image import ALLOCATED, PHOTOMETRIC, PLANAR, ImagePixels
from hmchain.records.deidentification.dicom.reading import NATIVE, PIXEL_DATA, DicomHeader, PixelElement
from hmchain.records.envelope import Buffer
from hmchain.records.pictures.decoders import decode
from hmchain.records.sources.item import Rectangles, SourceError

PIECE_BYTES = 1 << 20
EAGER_BYTES = 64 << 20
"""Frames of less than this together are worked on once and held; more are gone through twice, a frame at a time."""

Samples = npt.NDArray[Any]

_JPEG, _UNDEFINED = "1.2.840.10008.1.2.4.", 0xFFFFFFFF
_STRIPPED = frozenset(f"{_JPEG}{last}" for last in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93, 201, 202, 203))


@dataclass(frozen=True)
class PixelOutput:
    """The way in which an object's pixels are written."""

    syntax: UID
    header: bytes
    pieces: Callable[[], Iterator[Buffer]]
    image: ImagePixels
    """The shape in which the samples are written, or coded."""
    changed: Mapping[int, bytes] = field(default_factory=dict)
    """Elements of the data set, as encoded, that say how the pixels are now coded."""
    frames: Callable[[], Iterable[bytes]] = tuple
    """Frames that are worked on, to be looked through before the first piece is asked for: raises `Hold`."""
    trimmed: bool = False
    """Whether bytes after the last frame were left out."""


def pixel_output(
    opened: DicomHeader, element: PixelElement, image: ImagePixels, blank: Rectangles, *, decode: bool
) -> PixelOutput:
    """Decide how the pixels of an object are written; raises `Hold` if they cannot be."""
    compressed = opened.syntax not in NATIVE
    if compressed and opened.syntax not in _STRIPPED and opened.syntax != RLELossless:
        raise Hold("unsupported_syntax", f"pixels in {opened.syntax.name}")
    if blank or (compressed and (decode or opened.syntax == RLELossless)):
        return _decoded(opened, element, image, blank)
    if not compressed:
        return _native(opened, element, image)
    try:
        return _stripped(opened, element, image)
    except UnknownParts:  # what they say goes with them
        return _decoded(opened, element, image, blank)


def _native(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> PixelOutput:
    length = _available(opened, element, image)
    vr = {32: "OF", 64: "OD"}[image.allocated] if image.floating else "OW" if image.allocated > 8 else "OB"
    swap = 1 if opened.little else 2 if image.allocated == 8 and element.vr == "OW" else image.allocated // 8 or 1
    convert = _converter(image, swap)
    total = image.total_bytes + (image.total_bytes % 2 if swap == 2 else 0)
    return PixelOutput(
        ExplicitVRLittleEndian,
        encoding.header(element.tag, vr, total + total % 2),
        lambda: _pieces(opened.file, element.offset, total, convert),
        image,
        trimmed=length > total + total % 2,
    )


def _available(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> int:
    """The length of pixels that are not compressed, which must hold all frames and lie in the file."""
    if element.length is None:
        raise damaged("its pixels are not stored as its transfer syntax says")
    if element.offset + element.length > opened.size:
        raise damaged("the file is cut short in its pixels")
    if element.length < image.total_bytes:
        raise damaged("it has fewer pixels than its rows, columns and frames say")
    return element.length


def _pieces(file: BinaryIO, offset: int, length: int, convert: Callable[[bytes], Buffer]) -> Iterator[Buffer]:
    for at in range(0, length, PIECE_BYTES):
        count = min(PIECE_BYTES, length - at)
        file.seek(offset + at)
        data = file.read(count)
        if len(data) != count:
            raise SourceError("a file changed while it was read", "extract it again")
        yield convert(data)
    if length % 2:
        yield b"\0"


def _converter(image: ImagePixels, swap: int) -> Callable[[bytes], Buffer]:
    """Make what turns the file's bytes into the record's: little endian, and no bits set that no sample uses."""
    unused = not image.floating and image.allocated in (8, 16, 32) and image.stored < image.allocated

    def convert(data: bytes) -> Buffer:
        array = np.frombuffer(data, f"<u{swap}").byteswap() if swap > 1 else np.frombuffer(data, np.uint8)
        if unused:
            array = used_bits(array.view(f"<{'i' if image.signed else 'u'}{image.allocated // 8}"), image)
        return memoryview(array.tobytes())

    return convert if unused or swap > 1 else bytes


def used_bits(samples: Samples, image: ImagePixels) -> Samples:
    """Samples with the bits below the lowest cleared, and those above the highest cleared or filled with the sign."""
    above, low = image.allocated - 1 - image.high, image.high + 1 - image.stored
    result: Samples = ((samples << above) >> (above + low)) << low
    return result


def goes_beyond(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> bool:
    """Tell whether samples that are not compressed have bits set that are not among those stored: a larger value than
    the header admits, or something else. Signs that are filled up to the highest bit, or are not, are neither."""
    if opened.syntax not in NATIVE or image.floating or image.allocated not in (8, 16, 32) or element.length is None:
        return False
    if image.stored == image.allocated:
        return False
    bits = image.allocated // 8
    kind = np.dtype(f"{'<' if opened.little else '>'}{'i' if image.signed else 'u'}{bits}")
    return any(
        _loses_bits(np.frombuffer(bytes(piece), kind), image)
        for piece in _pieces(opened.file, element.offset, image.total_bytes, bytes)
    )


def _loses_bits(samples: Samples, image: ImagePixels) -> bool:
    """Tell whether samples lose more than copies of a sign where only the bits stored stay."""
    used = ((1 << image.stored) - 1) << (image.high + 1 - image.stored)
    if not int(np.bitwise_or.reduce(samples)) & ~used & ((1 << image.allocated) - 1):
        return False
    changed = samples != used_bits(samples, image)
    below = samples & ((1 << (image.high + 1 - image.stored)) - 1)
    return bool((below[changed] != 0).any() or ((samples >> (image.high + 1))[changed] != 0).any())


def _stripped(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> PixelOutput:
    if element.length is not None:
        raise damaged("its pixels are not stored as its transfer syntax says")
    source = encapsulated(opened.file, element, image.frames, runs=False)
    frames = _once_or_again(lambda: (strip(frame) for frame in source), source.total_bytes)

    def pieces() -> Iterator[Buffer]:
        yield from encoding.item(b"")  # an empty Basic Offset Table
        for frame in _unchanged(frames()):
            yield from encoding.item(frame)
        yield encoding.SEQUENCE_END

    return PixelOutput(opened.syntax, encoding.header(PIXEL_DATA, "OB", _UNDEFINED), pieces, image, frames=frames)


def _decoded(opened: DicomHeader, element: PixelElement, image: ImagePixels, blank: Rectangles) -> PixelOutput:
    if image.floating or image.allocated == 1 or (image.frame_bits + 7) // 8 > FRAME_BYTES_MAX:
        raise Hold("unsupported_pixels", "pixels of a kind that is not decoded here")
    first, photometric = next(_decode(opened, element, image))
    width = first.dtype.itemsize
    total = first.nbytes * image.frames
    changed = {
        ALLOCATED: encoding.element(ALLOCATED, "US", (width * 8).to_bytes(2, "little")),
        PHOTOMETRIC: encoding.element(PHOTOMETRIC, "CS", photometric),
    }
    written = replace(image, allocated=width * 8, photometric=photometric, planar=0, signed=first.dtype.kind == "i")
    if image.samples > 1:
        changed[PLANAR] = encoding.element(PLANAR, "US", b"\0\0")

    def work() -> Iterator[bytes]:
        for samples, _ in _decode(opened, element, image):
            if samples.shape != first.shape or samples.dtype != first.dtype:
                raise damaged("its frames are of unlike shape")
            for left, top, columns, rows in blank:
                samples[top : top + rows, left : left + columns] = 0
            yield samples.tobytes()

    frames = _once_or_again(work, total)
    header = encoding.header(PIXEL_DATA, "OW" if width > 1 else "OB", total + total % 2)
    pieces = lambda: _padded(_unchanged(frames()), total)  # noqa: E731
    return PixelOutput(ExplicitVRLittleEndian, header, pieces, written, changed, frames)


def _decode(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> Iterator[tuple[Samples, str]]:
    """The frames as (rows, columns) or (rows, columns, samples), and their photometric interpretation."""
    for frame in _frames(opened, element, image):
        samples, photometric = decoded(frame, opened.syntax, image, element.vr)
        native = samples.astype(samples.dtype.newbyteorder("<"), copy=True)
        if image.stored < image.allocated and image.samples == 1:
            native = used_bits(native, image)
        yield native, photometric


def decoded(frame: bytes, syntax: UID, image: ImagePixels, vr: str = "OB") -> tuple[Samples, str]:
    """One frame's samples with all their bits, and their photometric interpretation; raises `Hold`."""
    options: dict[str, Any] = {
        "rows": image.rows,
        "columns": image.columns,
        "number_of_frames": 1,
        "samples_per_pixel": image.samples,
        "photometric_interpretation": image.photometric,
        "bits_allocated": image.allocated,
        "bits_stored": image.stored,
        "pixel_representation": int(image.signed),
        "planar_configuration": image.planar,
        "pixel_keyword": "PixelData",
        "pixel_vr": vr,
    }
    try:
        return decode(frame, syntax, options)
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise damaged("a frame does not decode") from error


def _frames(opened: DicomHeader, element: PixelElement, image: ImagePixels) -> Iterator[bytes]:
    """Give a decoder what it takes: each frame as the value of an element of its own."""
    if opened.syntax not in NATIVE and element.length is None:
        for frame in encapsulated(opened.file, element, image.frames, runs=opened.syntax == RLELossless):
            yield encapsulate([frame])
        return
    _available(opened, element, image)
    size = image.frame_bits // 8
    for index in range(image.frames):
        opened.file.seek(element.offset + index * size)
        yield opened.file.read(size)


def _padded(frames: Iterable[bytes], total: int) -> Iterator[Buffer]:
    yield from frames
    if total % 2:
        yield b"\0"


def _once_or_again(work: Callable[[], Iterator[bytes]], size: int) -> Callable[[], Iterable[bytes]]:
    """`work`, done now and held if its result is small, else done again whenever its frames are asked for."""
    if size > EAGER_BYTES:
        return work
    done = list(work())
    return lambda: done


def _unchanged(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Frames that were looked through before; what was sound then and is not now has changed on disk."""
    try:
        yield from frames
    except Hold as hold:
        raise SourceError("a file changed while it was read", "extract it again") from hold
