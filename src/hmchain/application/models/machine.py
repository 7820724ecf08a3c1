"""What a study took of its hospital's own machine, as the agent measured it: a file for the hospital's people.

The agent's own count is in its sealed memory; this is a copy of it. Nobody else sees either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hmchain import decoding, files
from hmchain.application.site.hospital import HospitalFolder
from hmchain.clock import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:  # it stands on numpy, which whoever only looks does not need
    from hmchain.application.learning.trainers.allowance import Allowance

_GIB_MIB = 1 << 10


@dataclass(frozen=True)
class MachineUse:
    """What a study has taken of a machine by now."""

    study: str
    work_ms: int
    """Time of training and scoring."""
    hours_asked: int | None
    """None for a study from before requests, which asked for nothing."""
    memory_mib: int
    """The most at one time."""
    memory_mib_asked: int | None
    over: str
    """`hours` or `memory` where that was used up, and the hospital left; else empty."""

    def __str__(self) -> str:
        hours = "" if self.hours_asked is None else f" of {self.hours_asked} h"
        memory = "" if self.memory_mib_asked is None else f" of {self.memory_mib_asked / _GIB_MIB:g} GiB"
        left = f"; it left: {self.over} used up" if self.over else ""
        return f"{_time(self.work_ms)}{hours}, {self.memory_mib / _GIB_MIB:.1f}{memory or ' GiB'} at most{left}"


def _time(work_ms: int) -> str:
    return f"{work_ms // MINUTE_MS} min" if work_ms < HOUR_MS else f"{work_ms / HOUR_MS:.1f} h"


def of(study: str, allowance: Allowance) -> MachineUse:
    """What an agent knows of it."""
    asked, used = allowance.asked, allowance.used
    limits = (None, None) if asked is None else (asked.hours, asked.memory_mib)
    return MachineUse(study, used.work_ms, limits[0], used.memory_mib, limits[1], used.over)


def save(path: Path, use: MachineUse) -> None:
    """Write it, for the hospital's own people alone. Raises `OSError`."""
    files.make_folder(path.parent, mode=0o700)
    files.write_whole(path, msgspec.json.encode(use) + b"\n", durable=False, mode=files.PRIVATE)


def used_here(hospital: HospitalFolder, study: str) -> MachineUse | None:
    """What a study took at a hospital; None where nothing was measured, or what was cannot be read."""
    try:
        return decoding.from_json(files.read(hospital.study(study).used), MachineUse)
    except (*files.UNREADABLE, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
