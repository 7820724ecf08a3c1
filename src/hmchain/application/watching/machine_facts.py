"""What a hospital's machine tells of itself for notifications: looked at now and then, and read at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.watching import machine_figures
from hmchain.application.watching.doctor import examine
from hmchain.application.watching.findings import Examination, Verdict
from hmchain.application.watching.notifications import NOTHING, Facts
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey

LOOK_SECONDS = 1800.0
"""An examination verifies the whole state, and tries the stores."""


class MachineFacts:
    """The facts of one machine. One thread looks, any may ask."""

    def __init__(
        self,
        place: Path,
        hospital: HospitalFolder,
        local: SecretKey | None = None,
        examined: Callable[[Path], Examination] = examine,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place, self._hospital, self._local = place, hospital, local
        self._examined, self._seconds = examined, seconds
        self._facts, self._next = NOTHING, seconds()

    def get(self) -> Facts:
        """As of the last look."""
        return self._facts

    def look(self) -> None:
        """Look, if the last time is long enough ago."""
        if self._seconds() < self._next:
            return
        self._next = self._seconds() + LOOK_SECONDS
        with suppress(HMChainError, OSError):
            failures = self._examined(self._place).of(Verdict.FAIL)
            held = machine_figures.held(self._hospital, self._local) if self._local else None
            self._facts = Facts(held or 0, failures)
