"""MR series as dcm2niix reads them, before and after de-identification: what differs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPARED = (
    "EchoTime", "EchoTrainLength", "EffectiveEchoSpacing", "FlipAngle", "ImageOrientationPatientDICOM",
    "MagneticFieldStrength", "MRAcquisitionType", "MultibandAccelerationFactor", "ParallelReductionFactorInPlane",
    "PartialFourier", "PhaseEncodingAxis", "PhaseEncodingDirection", "PhaseEncodingPolarityGE", "PixelBandwidth",
    "RepetitionTime", "SliceThickness", "SliceTiming", "SpacingBetweenSlices", "TotalReadoutTime",
)  # fmt: skip
"""What analyses read from the sidecar of a series."""


@dataclass(frozen=True)
class Volume:
    """A file of volumes that dcm2niix wrote."""

    header: bytes
    """The NIfTI header without its free texts: shape, type, scale, affine."""
    voxels: bytes
    sidecar: Mapping[str, Any]
    gradients: tuple[str, str]
    """b-values and directions, as written."""

    @property
    def series(self) -> str:
        """What tells it from others of the same folder, whatever they are called."""
        keys = ("SeriesNumber", "EchoNumber", "EchoTime", "ImageType")
        return json.dumps([self.sidecar.get(key) for key in keys])


def converted(files: Path, into: Path) -> list[Volume]:
    """What dcm2niix makes of the files in a folder, in the order of its names."""
    import dcm2niix

    into.mkdir(parents=True)
    command = [dcm2niix.bin, "-b", "y", "-ba", "n", "-z", "n", "-w", "2", "-f", "%s_%n", "-o", str(into), str(files)]
    subprocess.run(command, capture_output=True, timeout=600, check=False)
    return [_volume(path) for path in sorted(into.glob("*.nii"))]


def _volume(path: Path) -> Volume:
    data = path.read_bytes()
    offset = int.from_bytes(data[40:42], "little") and 352
    header = data[40:148] + data[252:344]  # 148 to 252: description and auxiliary file
    sidecar = json.loads(path.with_suffix(".json").read_text()) if path.with_suffix(".json").exists() else {}
    texts = [path.with_suffix(suffix) for suffix in (".bval", ".bvec")]
    bval, bvec = (text.read_text() if text.exists() else "" for text in texts)
    return Volume(header, data[offset:], sidecar, (bval, bvec))


def differences(before: Sequence[Volume], after: Sequence[Volume]) -> list[str]:
    """What differs, in words; nothing if an analysis could not tell them apart."""
    alone = unlike(before, after)
    if len(before) != len(after):
        return [f"{len(before)} volumes before, {len(after)} after"]
    others = unlike(after, before)
    return [found for pair in zip(alone, others, strict=True) for found in _differences(*pair)]


def unlike(these: Sequence[Volume], those: Sequence[Volume]) -> list[Volume]:
    """Those of the first that have no like one among the second, in a stable order."""
    left = list(those)
    alone = []
    for volume in sorted(these, key=lambda volume: (volume.series, volume.voxels)):
        like = next((other for other in left if not list(_differences(volume, other))), None)
        if like is None:
            alone.append(volume)
        else:
            left.remove(like)
    return alone


def _differences(before: Volume, after: Volume) -> Iterable[str]:
    if before.header != after.header:
        yield "header"
    if before.voxels != after.voxels:
        yield "voxels"
    if before.gradients != after.gradients:
        yield "b-values or directions"
    for key in COMPARED:
        if before.sidecar.get(key) != after.sidecar.get(key):
            yield f"{key}: {before.sidecar.get(key)} before, {after.sidecar.get(key)} after"
