"""A held item as a person sees it who decides: pictures a frame at a time, or text.

The item as it came shows a patient, and so does what is made of it here: it goes to the reviewer's screen, and nowhere
else. Bytes that make no sense give a view that says so, never an error that quotes them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from hmchain.processes import hushed
from hmchain.records.deidentification.profile import BlankedDevice
from hmchain.records.pictures.decode import FILE_BYTES_MAX, PIXELS_MAX, flatten, readers
from hmchain.records.pictures.decoders import frame_of
from hmchain.records.sources.item import DICOM, IMAGE

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydicom import Dataset

TEXT_LETTERS_MAX = 200_000
"""More of a text is not shown."""
SIDE_MAX = 2048
UNSEEN = "its pixels cannot be decoded here: look at it with another program before you decide"
_FRAMES_MAX = 1 << 16
_THUMB_LETTERS, _THUMB_LINES = 44, 15
_WHY_LETTERS_MAX = 240
_NOTICE_SIDE = 400
_PERCENT = (1, 99)
_FACTS = (
    "Modality", "Manufacturer", "ManufacturerModelName", "SOPClassUID", "ImageType", "BurnedInAnnotation",
    "BodyPartExamined", "SeriesDescription", "StudyDescription", "ProtocolName", "ContentLabel",
)  # fmt: skip

Samples = npt.NDArray[Any]


class Pictures(Protocol):
    """The frames of an item."""

    frames: int
    rows: int
    columns: int
    is_grey: bool

    def samples(self, index: int) -> Samples:
        """A frame: (rows, columns) of any numbers, or (rows, columns, 3) of bytes. Raises almost anything."""
        ...


@dataclass(frozen=True)
class View:
    """An item, ready to be looked at."""

    pictures: Pictures | None = None
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """What the item says of itself, for the reviewer's eyes."""
    device: BlankedDevice | None = None
    """The device as a rule would name it; its rectangles are to be replaced."""
    window: tuple[float, float] | None = None
    """Centre and width that grey is shown with at first; None if its own values say."""
    problem: str = ""
    """The reason why nothing can be shown."""

    def png(self, index: int, *, window: tuple[float, float] | None = None, side: int = SIDE_MAX) -> bytes | None:
        """A frame as PNG of at most `side` pixels a side, grey within a window; why, if it does not decode.

        None if there is no such frame.
        """
        from PIL import Image

        if self.pictures is None or not 0 <= index < self.pictures.frames:
            return None
        try:
            samples = self.pictures.samples(index)
            if samples.ndim == 2:
                samples = _windowed(samples, window or self.window)
            image = Image.fromarray(np.ascontiguousarray(samples.astype(np.uint8)))
            image.thumbnail((side, side))
            return _png(image)
        except Exception as error:  # decoders raise almost anything on damaged bytes
            return _written(f"Frame {index + 1} cannot be decoded:\n{_why(error)}", min(side, _NOTICE_SIDE))

    def thumb(self, side: int) -> bytes | None:
        """A small picture of it as PNG: the middle frame, or how a text begins; why, if it does not decode."""
        if self.pictures is not None:
            return self.png(self.pictures.frames // 2, side=side)
        return _written(self.problem or self.text, side)

    def limits(self, index: int = 0) -> tuple[float, float]:
        """Centre and width of the window that shows a frame at first."""
        if self.window is not None:
            return self.window
        with suppress(Exception):
            if self.pictures is not None and self.pictures.is_grey:
                return _own_window(self.pictures.samples(index))
        return 128.0, 256.0


def view(kind: str, file: BinaryIO) -> View:
    """Make an item ready to be looked at."""
    try:
        if kind == DICOM:
            return _dicom(file)
        if kind == IMAGE:
            pictures = _ImageFile(file.read(FILE_BYTES_MAX))
            pictures.samples(pictures.frames // 2)
            return View(pictures)
        return View(text=_text(file.read(TEXT_LETTERS_MAX * 4)))
    except Exception as error:  # bytes that are not what they say raise almost anything
        return View(problem=f"it cannot be decoded here: look at it with another program, or reject it ({_why(error)})")


def header(file: BinaryIO) -> str:
    """Return the header of a DICOM object, a line an element; of its pixels, how many bytes and a digest."""
    import pydicom

    dataset = pydicom.dcmread(file, force=True)
    pixels = dataset.get("PixelData")
    if pixels is not None:
        told = f"{len(pixels)} bytes, SHA-256 {hashlib.sha256(pixels).hexdigest()[:16]}"
        del dataset.PixelData
        return f"{dataset}\nPixel Data: {told}"
    return str(dataset)


class _DicomPictures:
    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.frames = min(max(int(dataset.get("NumberOfFrames") or 1), 1), _FRAMES_MAX)
        self.rows, self.columns = int(dataset.Rows), int(dataset.Columns)
        if self.rows * self.columns > PIXELS_MAX:
            raise ValueError
        self.is_grey = int(dataset.get("SamplesPerPixel") or 1) == 1 and not self._has_palette
        self._last: tuple[int, Samples] | None = None

    @property
    def _has_palette(self) -> bool:
        return str(self._dataset.get("PhotometricInterpretation", "")) == "PALETTE COLOR"

    def samples(self, index: int) -> Samples:
        if self._last is None or self._last[0] != index:
            self._last = (index, self._decoded(index))
        return self._last[1]

    def _decoded(self, index: int) -> Samples:
        from pydicom.pixels.processing import apply_color_lut

        found = frame_of(self._dataset, index)
        if self._has_palette:
            found = apply_color_lut(found, self._dataset)
        if found.ndim == 3:
            return (found >> 8 if found.dtype == np.uint16 else found)[..., :3]
        return -found.astype(np.float32) if self._is_inverted else found.astype(np.float32)

    @property
    def _is_inverted(self) -> bool:
        return str(self._dataset.get("PhotometricInterpretation", "")) == "MONOCHROME1"


class _ImageFile:
    def __init__(self, data: bytes) -> None:
        from PIL import Image

        self._image = Image.open(io.BytesIO(data), formats=readers())
        self.frames = int(getattr(self._image, "n_frames", 1))
        self.columns, self.rows = self._image.size
        if self.rows * self.columns > PIXELS_MAX:
            raise ValueError
        self.is_grey = False

    @hushed()
    def samples(self, index: int) -> Samples:
        from PIL import ImageOps

        self._image.seek(index)
        return np.asarray(flatten(ImageOps.exif_transpose(self._image)))


def _dicom(file: BinaryIO) -> View:
    import pydicom

    dataset = pydicom.dcmread(file, force=True)
    facts = tuple((pydicom.datadict.dictionary_description(name), text) for name, text in _facts(dataset))
    if "PixelData" not in dataset or "Rows" not in dataset:
        return View(text=str(dataset)[:TEXT_LETTERS_MAX], facts=facts)
    try:
        pictures = _DicomPictures(dataset)
        pictures.samples(pictures.frames // 2)
    except Exception as error:  # decoders raise almost anything on damaged bytes
        return View(text=str(dataset)[:TEXT_LETTERS_MAX], facts=facts, problem=f"{UNSEEN} ({_why(error)})")
    return View(pictures, facts=facts, device=_device(dataset, pictures), window=_said_window(dataset, pictures))


def _why(error: Exception) -> str:
    """Say in a line why bytes do not decode, in the decoder's words: for the reviewer's eyes."""
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1]  # of several decoders, of the last one
    said = re.sub(r"\s*<[^>]*>", "", " ".join(last.split()))
    return said if len(said) <= _WHY_LETTERS_MAX else f"{said[:_WHY_LETTERS_MAX]}..."


def _written(text: str, side: int) -> bytes:
    """Draw how a text begins, as PNG."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (side, side), 250)
    lines = [part for line in text.split("\n") for part in (wrap(line, _THUMB_LETTERS) or [""])]
    ImageDraw.Draw(image).multiline_text((6, 6), "\n".join(lines[:_THUMB_LINES]), fill=40)
    return _png(image)


def _png(image: Image) -> bytes:
    with io.BytesIO() as file:
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()


def _facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for name in _FACTS:
        value = dataset.get(name)
        if value not in (None, ""):
            text = (
                "\\".join(map(str, value))
                if isinstance(value, list | tuple) or hasattr(value, "append")
                else str(value)
            )
            yield name, getattr(value, "name", None) or text


def _device(dataset: Dataset, pictures: Pictures) -> BlankedDevice:
    named = (
        str(dataset.get(name) or "").strip(" \0") for name in ("Modality", "Manufacturer", "ManufacturerModelName")
    )
    modality, manufacturer, model = named
    return BlankedDevice(
        rectangles=((0, 0, 1, 1),), modality=modality, manufacturer=manufacturer, model=model,
        rows=pictures.rows, columns=pictures.columns,
    )  # fmt: skip


def _said_window(dataset: Dataset, pictures: _DicomPictures) -> tuple[float, float] | None:
    """The window that the object says, in the values that are stored; None if it says none that makes sense."""
    with suppress(Exception):
        centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
        slope, intercept = _first(dataset.get("RescaleSlope", 1)), _first(dataset.get("RescaleIntercept", 0))
        if pictures.is_grey and width > 0 and slope > 0:
            sign = -1 if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1" else 1
            return sign * (centre - intercept) / slope, width / slope
    return None


def _first(value: Any) -> float:
    return float(value if isinstance(value, int | float | str) else value[0])


def _windowed(samples: Samples, window: tuple[float, float] | None) -> Samples:
    centre, width = window or _own_window(samples)
    low = centre - width / 2
    shown: Samples = np.clip((samples.astype(np.float32) - low) * (255 / max(width, 1e-6)), 0, 255)
    return shown


def _own_window(samples: Samples) -> tuple[float, float]:
    """The window that shows nearly all values of a frame; of a drawing of few values, all of them."""
    low, high = (float(edge) for edge in np.percentile(samples, _PERCENT))
    if high <= low:
        low, high = float(samples.min()), float(samples.max())
    return (low + high) / 2, max(high - low, 1.0)


def _text(data: bytes) -> str:
    """A text as people read it: JSON with its lines, messages with a line a segment."""
    for encoding in ("utf-8-sig", "latin-1"):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            break
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text[:TEXT_LETTERS_MAX]
