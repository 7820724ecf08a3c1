"""LtHash16: a hash of a set that is updated in O(changes) (Bellare and Micciancio 1997; Lewi et al., ePrint 2019/227).

Each element is expanded by BLAKE3 to 1024 lanes of 16 bits; the hash of a set is the lane-wise sum of its elements.
It is a *set* hash: 65 536 copies of one element cancel, so whoever checks a snapshot must refuse duplicate keys.
"""

from __future__ import annotations

import hashlib

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

LANES = 1024
BYTES = 2 * LANES

Lanes = NDArray[np.uint16]


def empty() -> Lanes:
    """The hash of the empty set."""
    return np.zeros(LANES, np.uint16)


def element(key: bytes, value: bytes) -> Lanes:
    """The lanes of one key-value pair; lengths are prefixed so that no two pairs expand alike."""
    data = len(key).to_bytes(4, "little") + key + len(value).to_bytes(4, "little") + value
    return np.frombuffer(blake3(data).digest(length=BYTES), np.dtype("<u2"))


def add(lanes: Lanes, key: bytes, value: bytes) -> None:
    """Add an element in place."""
    np.add(lanes, element(key, value), out=lanes)


def remove(lanes: Lanes, key: bytes, value: bytes) -> None:
    """Remove an element in place."""
    np.subtract(lanes, element(key, value), out=lanes)


def to_bytes(lanes: Lanes) -> bytes:
    """2048 little-endian bytes."""
    return lanes.astype("<u2").tobytes()


def from_bytes(data: bytes) -> Lanes:
    """The lanes again."""
    return np.frombuffer(data, np.dtype("<u2")).astype(np.uint16)


def commitment(lanes: Lanes) -> bytes:
    """The 32-byte digest that goes into a block header."""
    return hashlib.sha256(b"hmchain state" + to_bytes(lanes)).digest()
