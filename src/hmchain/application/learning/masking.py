"""Hiding a quantised update under masks that cancel in the sum (Bonawitz et al., CCS 2017).

The vector is masked in blocks that stay in the processor's cache: for each seed a block of key stream is written into a
buffer that is used again, and added. So the cost is the key stream's and little more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.ciphers import CipherContext

from hmchain.errors import StudyError
from hmchain.keys import Redacted
from hmchain.ledger.arithmetic import (
    CHUNK_COORDINATES,
    I32,
    MASK_CHUNK_BYTES,
    U32,
    adds_pair_mask,
    mask_cipher,
    padded,
)

BLOCK_CHUNKS = 256
"""Chunks a block: 256 KiB of vector and as much key stream, which fit the second-level cache."""
BLOCK_COORDINATES = BLOCK_CHUNKS * CHUNK_COORDINATES
_ZEROS = memoryview(bytes(BLOCK_CHUNKS * MASK_CHUNK_BYTES))  # slices of a view are not copied

T = TypeVar("T")


class MaskingError(StudyError):
    """An update cannot be masked as asked."""

    code = "masking"


@dataclass(frozen=True, repr=False)
class MaskSeeds(Redacted):
    """The seeds that one hospital masks one update with, in one round and attempt. Use them for one vector only: two
    vectors under the same seeds give away their difference."""

    order: int
    """The hospital's own place among the participants."""
    self_seed: bytes
    pairs: Mapping[int, bytes]
    """The seed shared with each other participant, by its order."""

    def __post_init__(self) -> None:
        if not self.pairs or self.order in self.pairs:
            raise MaskingError("an update is masked with every other participant, and with at least one")


def mask_update(quantised: I32, seeds: MaskSeeds, *, threads: int = 1) -> U32:
    """Mask a quantised update: (d,) int32 -> the padded vector, (256 * chunks,) uint32. Padding is masked as well."""
    whole = padded(quantised)
    vector = (whole.copy() if whole is quantised else whole).view(np.uint32)

    def work(first: int, last: int) -> None:
        masker = Masker(seeds, first)
        for block in blocks(first, last):
            masker.mask(vector[block])

    run_threads(len(vector) // CHUNK_COORDINATES, threads, work)
    return vector


class Masker:
    """Masks block after block, from a first chunk on."""

    def __init__(self, seeds: MaskSeeds, first: int) -> None:
        self._added = [mask_cipher(seeds.self_seed, first)]
        self._subtracted: list[CipherContext] = []
        for other, seed in sorted(seeds.pairs.items()):
            side = self._added if adds_pair_mask(seeds.order, other) else self._subtracted
            side.append(mask_cipher(seed, first))
        self._stream = KeyStream()

    def mask(self, block: U32) -> None:
        """Mask the next coordinates, at most one block, in place."""
        for cipher in self._added:
            block += self._stream.read(cipher, len(block))
        for cipher in self._subtracted:
            block -= self._stream.read(cipher, len(block))


class KeyStream:
    """One block of key stream in a buffer that each read overwrites."""

    def __init__(self) -> None:
        self._buffer = bytearray(len(_ZEROS) + 15)  # update_into asks for one AES block less a byte to spare
        self._words = np.frombuffer(self._buffer, dtype="<u4", count=BLOCK_COORDINATES)

    def read(self, cipher: CipherContext, count: int) -> U32:
        """The next `count` words of a key stream, at most one block: a view, good until the next read."""
        cipher.update_into(_ZEROS[: 4 * count], self._buffer)
        return self._words[:count]


def blocks(first: int, last: int) -> Iterator[slice]:
    """The coordinates of chunks `first` to `last` (exclusive), block by block."""
    stop = last * CHUNK_COORDINATES
    for start in range(first * CHUNK_COORDINATES, stop, BLOCK_COORDINATES):
        yield slice(start, min(start + BLOCK_COORDINATES, stop))


def run_threads(chunks: int, threads: int, work: Callable[[int, int], T]) -> list[T]:
    """Call `work(first, last)` on up to `threads` runs of whole blocks that cover all chunks; results in order.

    Ciphers and array arithmetic release the interpreter's lock, so threads help.
    """
    block_count = -(-chunks // BLOCK_CHUNKS)
    share = -(-block_count // max(1, threads)) * BLOCK_CHUNKS
    runs = [(first, min(first + share, chunks)) for first in range(0, chunks, share)]
    if len(runs) == 1:
        return [work(*runs[0])]
    with ThreadPoolExecutor(len(runs)) as pool:
        return [task.result() for task in [pool.submit(work, *run) for run in runs]]
