"""Decoders of coded frames of DICOM: which library is asked, and where.

GDCM ends its whole process on one in a hundred damaged frames, be it a worker's or that of the review page. So it is
asked only for what no other library decodes (lossless JPEG, in which much of CT and MR is stored), and then in a
process of its own: when that ends, the frame is damaged.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hmchain.processes import child_environment, hushed, leave_no_core_dump

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
        return APART.decode(frame, syntax, options)
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


class Apart:
    """GDCM in a process of its own, started when it is first asked, and again after it ended."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        atexit.register(self.end)

    def decode(self, frame: bytes, syntax: str, options: Mapping[str, Any]) -> tuple[Samples, str]:
        """As the function `decode`; raises `DecoderError` where GDCM refuses the frame, or ends."""
        with self._lock:
            process = self._started()
            assert process.stdin and process.stdout
            try:
                _tell(process.stdin, (frame, syntax, dict(options)))
                answer = pickle.load(process.stdout)  # noqa: S301 - of our own process
            except BaseException as error:  # whatever it is: an answer that nobody took is not the next frame's
                self._end()
                if isinstance(error, OSError | EOFError | pickle.UnpicklingError):
                    raise DecoderError("its decoder ended") from error
                raise
        if isinstance(answer, str):
            raise DecoderError(answer)
        samples, photometric = answer
        return samples, photometric

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],  # no module of the folder that the command is called in
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,  # Ctrl-C is for the process that asks
            )
        return self.process

    def end(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()


APART = Apart()


def _tell(stream: IO[bytes], what: object) -> None:
    pickle.dump(what, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()


def _serve() -> None:
    """Decode what is asked for until nobody is left to ask: this process ends with the one that started it."""
    leave_no_core_dump()
    with suppress(EOFError), os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries may print
        while True:
            frame, syntax, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the process that started this one
            signal.alarm(_SECONDS_MAX)  # ends this process also within a library, and where nobody waits any more
            _answer(answers, frame, syntax, options)
            signal.alarm(0)


def _answer(answers: BinaryIO, frame: bytes, syntax: str, options: Mapping[str, Any]) -> None:
    try:
        _tell(answers, _decode(frame, syntax, options, _GDCM))
    except Exception as error:  # decoders raise almost anything on damaged bytes
        _tell(answers, str(error) or type(error).__name__)


if __name__ == "__main__":
    _serve()
