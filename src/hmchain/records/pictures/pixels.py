"""The pixels of a de-identified record, as a network wants them."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hmchain.records.pictures.decode import NotAnImageError, Pixels, decode_image, resize, to_grey
from hmchain.records.pictures.decoders import frame_of

DICOM_TYPE = "application/dicom"

Values = npt.NDArray[np.float64]


def to_pixels(
    data: bytes, media_type: str, size: int, channels: int, frame: Literal["first", "middle"] = "middle"
) -> Pixels:
    """The image of a record: uint8, (size, size, channels), `channels` 1 (grey) or 3 (RGB).

    Grey DICOM images go through rescaling and their first window or VOI table, as a viewer would show them (PS3.4
    N.2); without one, from their least to their greatest value. Of several frames the first or the middle one is
    taken. Raises `NotAnImageError` if the record holds no image, or one that does not decode.
    """
    if media_type == DICOM_TYPE:
        image = _dicom(data, frame)
        pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 and channels == 3 else image
        pixels = resize(pixels, size)
    elif media_type.startswith("image/"):
        pixels = decode_image(data, size).pixels
    else:
        raise NotAnImageError(f"a record of type {media_type}", "choose records of images")
    return to_grey(pixels) if channels == 1 and pixels.shape[2] == 3 else pixels


def _dicom(data: bytes, frame: str) -> Pixels:
    """One frame, uint8 (rows, columns, 1 or 3)."""
    import pydicom
    from pydicom.pixels.processing import apply_color_lut

    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        frames = int(dataset.get("NumberOfFrames") or 1)
        index = frames // 2 if frame == "middle" else 0
        samples = frame_of(dataset, index)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            samples = apply_color_lut(samples, dataset)
        if samples.ndim == 3:
            return _eight_bits(samples[..., :3])
        return _shown(samples, dataset, index)[..., np.newaxis]
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise NotAnImageError("a DICOM record whose pixels do not decode", "validate the dataset") from error


def _eight_bits(samples: npt.NDArray[Any]) -> Pixels:
    """Colour samples; those of 16 bits are scaled by their own greatest value."""
    if samples.dtype == np.uint8:
        return np.ascontiguousarray(samples)
    return _stretch(samples.astype(np.float64), 0.0, float(samples.max()))


def _shown(samples: npt.NDArray[Any], dataset: Any, index: int) -> Pixels:
    """Grey samples as they are displayed: 0 is black."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    module = _of_frame(dataset, index, "PixelValueTransformationSequence")
    values: Values = np.asarray(apply_modality_lut(samples, module), np.float64)
    window = _of_frame(dataset, index, "FrameVOILUTSequence")
    if window.get("VOILUTSequence"):
        values = np.asarray(apply_voi(values.astype(np.int32), window), np.float64)
        shown = _stretch(values, values.min(), values.max())
    elif window.get("WindowWidth") and window.get("WindowCenter") is not None:
        centre, width = _first(window.WindowCenter), max(_first(window.WindowWidth), 1.0)
        low = centre - 0.5 - (width - 1) / 2  # PS3.3 C.11.2.1.2.1
        shown = _stretch(values, low, low + width - 1)
    else:
        inside = values[samples != dataset.PixelPaddingValue] if "PixelPaddingValue" in dataset else values
        inside = inside if inside.size else values
        shown = _stretch(values, inside.min(), inside.max())
    return 255 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def _of_frame(dataset: Any, index: int, group: str) -> Any:
    """The functional group of a frame in an enhanced object (PS3.3 C.7.6.16), else the data set itself."""
    places = [
        dataset.get("PerFrameFunctionalGroupsSequence") or (),
        dataset.get("SharedFunctionalGroupsSequence") or (),
    ]
    for items, position in zip(places, (index, 0), strict=True):
        if position < len(items) and items[position].get(group):
            return items[position].get(group)[0]
    return dataset


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, list | tuple) or hasattr(value, "append") else value)


def _stretch(values: Values, low: float, high: float) -> Pixels:
    """Values from `low` to `high` as 0 to 255; what lies outside is cut off."""
    span = high - low or 1.0
    stretched: Pixels = np.rint(np.clip((values - low) / span, 0.0, 1.0) * 255.0).astype(np.uint8)
    return stretched
