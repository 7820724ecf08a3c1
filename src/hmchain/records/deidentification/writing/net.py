"""The net that finds writing: a score for every 4 x 4 pixels of an image, of any size.

`net.onnx` is trained by `scripts/writing/train.py` on images that it makes; it runs on one thread.
"""

from __future__ import annotations

import importlib.resources
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hmchain.records.deidentification.writing.answer import Region
from hmchain.records.deidentification.writing.planes import CHANNELS, Levels, Plane, Shown, channels
from hmchain.records.deidentification.writing.regions import regions

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CELL = 4
"""Pixels to a side that share a score."""
_STEP = 8
"""The net halves an image three times."""
PIXELS_A_TIME = 3 << 19
_OVERLAP = 144
"""Rows that a strip shares with the next: as far as the net looks."""
DOUBTFUL, SURE = 0.15, 0.95
"""Scores between which a part of an image is looked at again."""
_AGAIN_MAX = 12
"""Parts of an image that are looked at again, the surest first."""
_AROUND = 16
"""Cells around a part, for the net to see what it is part of."""
_TURNS = (1, 2, 3)
"""Quarter turns of the looks that follow the first."""


class Net:
    """The trained net, loaded when it is first asked."""

    def __init__(self) -> None:
        self._session: InferenceSession | None = None

    def __getstate__(self) -> dict[str, None]:
        return {"_session": None}

    def scores(self, plane: Plane, shown: Shown | None = None) -> Plane:
        """A score from 0 to 1 for every cell of an image; what is doubtful is looked at from all four sides."""
        levels = Levels.of(plane, shown)
        scores = self._once(plane, levels)
        for one in regions(scores, DOUBTFUL, DOUBTFUL / 2)[:_AGAIN_MAX]:
            if one.score < SURE:
                self._again(plane, levels, scores, one)
        return scores

    def _again(self, plane: Plane, levels: Levels, scores: Plane, one: Region) -> None:
        """Make the scores of a part the mean of four looks: what is writing is so on its side and upside down too."""
        top, left = (max(at - _AROUND, 0) // 2 * 2 for at in (one.top, one.left))
        low, right = (at + _AROUND for at in (one.top + one.height, one.left + one.width))
        around = plane[top * CELL : low * CELL, left * CELL : right * CELL]
        if around.size > PIXELS_A_TIME:
            return
        seen = _padded(around, levels)
        inside = (
            slice(max(one.top - 1, 0), one.top + one.height + 1),
            slice(max(one.left - 1, 0), one.left + one.width + 1),
        )
        here = tuple(slice(at.start - begin, at.stop - begin) for at, begin in zip(inside, (top, left), strict=True))
        first = _odds(scores[inside])
        total = first.copy()
        for turn in _TURNS:
            turned = np.rot90(self._run(np.ascontiguousarray(np.rot90(seen, turn, (2, 3)))), -turn)
            total += _odds(turned[here][: first.shape[0], : first.shape[1]])
        scores[inside] = 1 / (1 + np.exp(-total / (len(_TURNS) + 1)))

    def _once(self, plane: Plane, levels: Levels) -> Plane:
        """One look, strip by strip, so that memory is bounded by a strip."""
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
        return self._run(_padded(plane, levels))[: -(-rows // CELL), : -(-columns // CELL)]

    def _run(self, planes: Plane) -> Plane:
        (found,) = self._loaded().run(None, {"planes": planes})
        scores: NDArray[np.float32] = np.asarray(found)[0, 0]
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


def _padded(plane: Plane, levels: Levels) -> Plane:
    """What the net sees of a part of an image, up to the next multiple of its step."""
    rows, columns = plane.shape
    padded = np.zeros((1, CHANNELS, -(-rows // _STEP) * _STEP, -(-columns // _STEP) * _STEP), np.float32)
    padded[0, :, :rows, :columns] = channels(plane, levels)
    return padded


def _odds(scores: Plane) -> Plane:
    """Scores as logarithms of odds."""
    kept = np.clip(scores, 1e-4, 1 - 1e-4)
    odds: Plane = np.log(kept / (1 - kept))
    return odds
