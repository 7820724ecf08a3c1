"""LtHash16: a hash of a set that is updated in O(changes) (Bellare and Micciancio 1997; Lewi et al., ePrint 2019/227).

Each element is expanded by BLAKE3 to 1024 lanes of 16 bits; the hash of a set is the lane-wise sum of its elements.
It is a *set* hash: 65 536 copies of one element cancel, so whoever checks a snapshot must refuse duplicate keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice, starmap

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

LANES = 1024
BYTES = 2 * LANES

Lanes = NDArray[np.uint16]
Pair = tuple[bytes, bytes]

_BATCH = 64
_KEPT, _KEPT_BYTES_MAX = 1024, 4096


def empty() -> Lanes:
    """The hash of the empty set."""
    return np.zeros(LANES, np.uint16)


def _expanded(key: bytes, value: bytes) -> bytes:
    """The lanes of one key-value pair; lengths are prefixed so that no two pairs expand alike."""
    data = len(key).to_bytes(4, "little") + key + len(value).to_bytes(4, "little") + value
    return blake3(data).digest(length=BYTES)


# What a block adds the next one often removes, and the validators of one process all do the same.
_lately_expanded = lru_cache(_KEPT)(_expanded)


def _lanes_of(key: bytes, value: bytes) -> bytes:
    return _lately_expanded(key, value) if len(value) <= _KEPT_BYTES_MAX else _expanded(key, value)


def of_all(pairs: Iterable[Pair]) -> Lanes:
    """The hash of a whole set, of which nothing is worth remembering: of a million pairs once, when it is opened."""
    return _total(pairs, _expanded)


def updated(lanes: Lanes, removed: Iterable[Pair], added: Iterable[Pair]) -> Lanes:
    """The hash of the set without the `removed` pairs and with the `added` ones."""
    return lanes - _total(removed) + _total(added)


def _total(pairs: Iterable[Pair], lanes_of: Callable[[bytes, bytes], bytes] = _lanes_of) -> Lanes:
    """The sum of elements, a batch at a time: one call of numpy for many elements."""
    total = empty()
    remaining = iter(pairs)
    while batch := list(starmap(lanes_of, islice(remaining, _BATCH))):
        rows = np.frombuffer(b"".join(batch), np.dtype("<u2")).reshape(-1, LANES)
        total += rows.sum(axis=0, dtype=np.uint16)
    return total


def to_bytes(lanes: Lanes) -> bytes:
    """2048 little-endian bytes."""
    return lanes.astype("<u2").tobytes()


def from_bytes(data: bytes) -> Lanes:
    """The lanes again."""
    return np.frombuffer(data, np.dtype("<u2")).astype(np.uint16)


def commitment(lanes: Lanes) -> bytes:
    """The 32-byte digest that goes into a block header."""
    return hashlib.sha256(b"hmchain state" + to_bytes(lanes)).digest()
