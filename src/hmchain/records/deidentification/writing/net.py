"""The net that finds writing: a score for every 4 x 4 pixels of an image, of any size.

`net.onnx` is trained by `scripts/writing/train.py` on images that it makes; it runs on one thread.
"""

from __future__ import annotations

import importlib.resources
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hmchain.records.deidentification.writing.planes import CHANNELS, Levels, Plane, Shown, channels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CELL = 4
"""Pixels to a side that share a score."""
_STEP = 8
"""The net halves an image three times."""
PIXELS_A_TIME = 3 << 19
_OVERLAP = 144
"""Rows that a strip shares with the next: as far as the net looks."""


class Net:
    """The trained net, loaded when it is first asked."""

    def __init__(self) -> None:
        self._session: InferenceSession | None = None

    def __getstate__(self) -> dict[str, None]:
        return {"_session": None}

    def scores(self, plane: Plane, shown: Shown | None = None) -> Plane:
        """A score from 0 to 1 for every cell of an image, strip by strip, so that memory is bounded by a strip."""
        levels = Levels.of(plane, shown)
        strip = max(PIXELS_A_TIME // plane.shape[1] // _STEP * _STEP, 2 * _OVERLAP + _STEP)
        if plane.shape[0] <= strip:
            return self._strip(plane, levels)
        rows = -(-plane.shape[0] // CELL)
        out = np.zeros((rows, -(-plane.shape[1] // CELL)), np.float32)
        edge = _OVERLAP // 2 // CELL
        for top in range(0, plane.shape[0] - _OVERLAP, strip - _OVERLAP):
            part = self._strip(plane[top : top + strip], levels)
            skip = edge if top else 0
            first = top // CELL + skip
            out[first : first + len(part) - skip] = part[skip:]
        return out

    def _strip(self, plane: Plane, levels: Levels) -> Plane:
        rows, columns = plane.shape
        padded = np.zeros((1, CHANNELS, -(-rows // _STEP) * _STEP, -(-columns // _STEP) * _STEP), np.float32)
        padded[0, :, :rows, :columns] = channels(plane, levels)
        (found,) = self._loaded().run(None, {"planes": padded})
        scores: NDArray[np.float32] = np.asarray(found)[0, 0, : -(-rows // CELL), : -(-columns // CELL)]
        return scores

    def _loaded(self) -> InferenceSession:
        if self._session is None:
            os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # heard at the import, by builds from 1.31 on
            from onnxruntime import InferenceSession, SessionOptions, disable_telemetry_events

            disable_telemetry_events()

            options = SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            weights = importlib.resources.files(__package__).joinpath("net.onnx").read_bytes()
            self._session = InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        return self._session
