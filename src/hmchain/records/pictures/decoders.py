"""Decoders of coded frames of DICOM: which library is asked, and where.

GDCM ends its whole process on one in a hundred damaged frames, be it a worker's or that of the review page. So it is
asked only for what no other library decodes (lossless JPEG, in which much of CT and MR is stored), and then in a
process of its own: when that ends, the frame is damaged.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hmchain.apart import UNBOUNDED, ChildEndedError, ChildProcess
from hmchain.processes import hushed

if TYPE_CHECKING:
    from pydicom import Dataset

Samples = npt.NDArray[Any]

_SYNTAX = "1.2.840.10008.1.2.4."
_JPEG, _JPEG_LS, _JPEG_2000, _LOSSLESS_JPEG = ("50", "51"), ("80", "81"), ("90", "91"), ("57", "70")
_PILLOW_BITS = 8
"""Bits of a sample, beyond which Pillow takes grey alone."""
_GDCM = "gdcm"
_SECONDS_MAX = 600
"""More than any frame takes: a decoder that has not answered by then never will."""


class DecoderError(ValueError):
    """A decoder's refusal, or its end."""


def decode(frame: bytes, syntax: str, options: Mapping[str, Any]) -> tuple[Samples, str]:
    """The samples of a frame, which is the whole value of Pixel Data, and their photometric interpretation.

    `options` are pydicom's, which describe the pixels. Raises almost anything if the frame is damaged.
    """
    plugin = plugin_for(syntax, int(options["samples_per_pixel"]), int(options["bits_stored"]))
    if plugin == _GDCM:
        return _decode_apart(frame, syntax, options)
    return _decode(frame, syntax, options, plugin)


def plugin_for(syntax: str, samples: int, stored: int) -> str:
    """Name the library, as pydicom calls it; nothing where pydicom alone will do, or none is known."""
    number = syntax.removeprefix(_SYNTAX)
    if number in _JPEG_LS:
        return "pyjpegls"
    if number in _LOSSLESS_JPEG or (number in _JPEG_2000 and samples > 1 and stored > _PILLOW_BITS):
        return _GDCM
    return "pillow" if number in (*_JPEG, *_JPEG_2000) else ""


def _decode(frame: bytes, syntax: str, options: Mapping[str, Any], plugin: str) -> tuple[Samples, str]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    with hushed():
        samples, properties = get_decoder(UID(syntax)).as_array(frame, index=0, decoding_plugin=plugin, **options)
    return np.asarray(samples), str(properties["photometric_interpretation"])


def frame_of(dataset: Dataset, index: int) -> Samples:
    """One frame of an object that pydicom has read. Raises almost anything if it is damaged."""
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.pixels.utils import pixel_array

    syntax, samples = str(dataset.file_meta.TransferSyntaxUID), int(dataset.get("SamplesPerPixel") or 1)
    plugin = plugin_for(syntax, samples, int(dataset.get("BitsStored") or _PILLOW_BITS))
    if plugin != _GDCM:
        with hushed():
            found: Samples = pixel_array(dataset, index=index, decoding_plugin=plugin)
        return found
    frames = int(dataset.get("NumberOfFrames") or 1)
    frame = encapsulate([get_frame(dataset.PixelData, index, number_of_frames=frames)])
    options = {
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "number_of_frames": 1,
        "samples_per_pixel": samples,
        "photometric_interpretation": str(dataset.PhotometricInterpretation),
        "bits_allocated": int(dataset.BitsAllocated),
        "bits_stored": int(dataset.BitsStored),
        "pixel_representation": int(dataset.PixelRepresentation),
        "planar_configuration": int(dataset.get("PlanarConfiguration") or 0),
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB",
    }
    return decode(frame, syntax, options)[0]


DECODER = ChildProcess(answer_seconds=_SECONDS_MAX, memory_bytes=UNBOUNDED, turn_seconds=_SECONDS_MAX, nicer=0)
"""The process that GDCM is in: it begins with the first frame that needs it, and again after it ended."""


def _decode_apart(frame: bytes, syntax: str, options: Mapping[str, Any]) -> tuple[Samples, str]:
    """As `decode`; raises `DecoderError` where GDCM refuses the frame, or ends."""
    try:
        answer = DECODER.run(decode_here, frame, syntax, dict(options))
    except ChildEndedError as error:
        raise DecoderError("its decoder ended") from error
    if isinstance(answer, str):
        raise DecoderError(answer)
    return np.frombuffer(answer.data, answer.dtype).reshape(answer.shape).copy(), answer.photometric


@dataclass(frozen=True)
class _Decoded:
    """Samples, as a process may answer."""

    data: bytes
    dtype: str
    shape: tuple[int, ...]
    photometric: str


def decode_here(frame: bytes, syntax: str, options: Mapping[str, Any]) -> _Decoded | str:
    """Have GDCM decode a frame in this process, or say why it does not. It ends where that takes for ever."""
    signal.alarm(_SECONDS_MAX)  # also within a library, and where nobody waits any more
    try:
        samples, photometric = _decode(frame, syntax, options, _GDCM)
        return _Decoded(samples.tobytes(), samples.dtype.str, samples.shape, photometric)
    except Exception as error:  # decoders raise almost anything on damaged bytes
        return str(error) or type(error).__name__
    finally:
        signal.alarm(0)
