"""Trying again what failed for a moment: a system that restarts, a network that flaps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class MomentaryError(Exception):
    """Something failed that may succeed in a while; its text is fit for people."""


@dataclass(frozen=True)
class Patience:
    """How often something is tried again, and after how long."""

    delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    pause: Callable[[float], None] = time.sleep

    def insist(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` gives, however many `MomentaryError` it raises first; the last one goes through."""
        for delay in self.delays_s:
            try:
                return attempt()
            except MomentaryError:
                self.pause(delay)
        return attempt()


PATIENT = Patience()
