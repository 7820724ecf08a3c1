"""Allocator tuning: keep the memory of one training step for the next.

glibc gives large blocks back to the system as soon as they are freed, so that every training step of a small network
faults its activations in again: up to three times the step's time. Raising two thresholds before the first large
allocation ends that. Other C libraries are left alone.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30


def tune_allocator() -> bool:
    """Tell glibc's malloc to keep freed memory; call before importing torch. Returns whether it was told."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES))
