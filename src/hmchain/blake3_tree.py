"""BLAKE3's own tree as a Merkle tree: roots by the library, paths and their proof by the rules of its paper.

BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020, section 2) hashes chunks of 1 KiB into *chaining values*, joins
them two by two, and marks the last step as the root. Its tree has the shape of RFC 6962's: a node without a sibling
moves up. So the hash of a vector is a Merkle root already, made by code that uses the whole processor and lets go of
the interpreter's lock. Only chaining values are not to be had from the library: `_compress` makes them, of many nodes
at a time, as arrays, for the path of a proof and for its judge.

A `Domain` gives roots a meaning: each has a key of its own (BLAKE3's `derive_key`), so that no root of one kind of
vector stands for another. Its leaf, what one path proves, is one or more adjacent chunks: a whole subtree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from blake3 import blake3

CHUNK_BYTES = 1024
HASH_BYTES = 32

Words = npt.NDArray[np.uint32]
"""Chaining values (8, n), key (8, 1), or blocks (16, n): a column a node."""
Data = bytes | memoryview

_BLOCK_BYTES = 64
_BLOCKS = CHUNK_BYTES // _BLOCK_BYTES
_LANES = 2048
"""Chunks hashed at a time: their state fits the processor's cache."""

_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_DERIVE_KEY_CONTEXT, _DERIVE_KEY_MATERIAL = 32, 64

_IV = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], np.uint32
).reshape(8, 1)
_PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
_ROUNDS = 7


def _schedule() -> Iterator[tuple[list[int], list[int], list[int], list[int]]]:
    """Which words of the message each round mixes: first and second of its columns, then of its diagonals."""
    order = list(range(16))
    for _ in range(_ROUNDS):
        yield order[0:8:2], order[1:8:2], order[8:16:2], order[9:16:2]
        order = [order[place] for place in _PERMUTATION]


_SCHEDULE = tuple(_schedule())


@dataclass(frozen=True)
class Domain:
    """One kind of vector: its roots, and what one path of them proves."""

    context: str
    """At most 64 bytes, nobody else's: BLAKE3's recommendation for `derive_key`."""
    leaf_bytes: int = CHUNK_BYTES
    """A power of two of chunks. A vector is a whole number of leaves, at least one."""


def root(data: Data, domain: Domain, threads: int = 1) -> bytes:
    """The root of a vector's bytes, 32 bytes: BLAKE3 of them in `derive_key` mode."""
    return root_of((data,), domain, threads)


def root_of(pieces: Iterable[Data], domain: Domain, threads: int = 1) -> bytes:
    """As `root`, of bytes that come in pieces of any size: no more of them than one need be in memory."""
    state, length = blake3(derive_key_context=domain.context, max_threads=threads), 0
    for piece in pieces:
        state.update(piece)
        length += len(piece)
    _size(length, domain)
    return state.digest()


def path(data: Data, index: int, domain: Domain) -> list[bytes]:
    """The siblings from leaf `index` up to the root, 32 bytes each. Raises `IndexError` if there is no such leaf."""
    size = _size(len(data), domain)
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of a vector of {size}")
    level, siblings = _leaves(data, domain, single=False) if size > 1 else np.empty((8, 1), np.uint32), []
    while level.shape[1] > 1:
        if index ^ 1 < level.shape[1]:
            siblings.append(level[:, index ^ 1].astype("<u4").tobytes())
        index, level = index >> 1, _up(level, domain)
    return siblings


def verify(
    leaves: Sequence[Data],
    index: int,
    size: int,
    paths: Sequence[Sequence[bytes]],
    roots: Sequence[bytes],
    domain: Domain,
) -> bool:
    """Whether each leaf is number `index` of the `size` leaves under its own root.

    All are checked together: many paths cost little more than one. Never raises: what a stranger sends is a path or is
    not.
    """
    if not (0 <= index < size and 0 < len(leaves) == len(paths) == len(roots)):
        return False
    length = _path_length(index, size)
    sound = all(len(leaf) == domain.leaf_bytes for leaf in leaves)
    sound &= all(len(path) == length and all(len(node) == HASH_BYTES for node in path) for path in paths)
    if not sound:
        return False
    node, last = _leaves(b"".join(leaves), domain, single=size == 1, first=index, same_place=True), size - 1
    levels = iter(zip(*paths, strict=True))
    while last:
        if index ^ 1 <= last:  # else the node has no sibling and moves up
            sibling = _words(b"".join(next(levels)), 8)
            left, right = (sibling, node) if index & 1 else (node, sibling)
            node = _parents(left, right, domain, is_root=last == 1)
        index, last = index >> 1, last >> 1
    return all(node[:, place].astype("<u4").tobytes() == expected for place, expected in enumerate(roots))


def _path_length(index: int, size: int) -> int:
    """How many siblings a leaf has on its way up."""
    length, last = 0, size - 1
    while last:
        length += index ^ 1 <= last
        index, last = index >> 1, last >> 1
    return length


def _size(length: int, domain: Domain) -> int:
    size, rest = divmod(length, domain.leaf_bytes)
    if rest or not size:
        raise ValueError(f"{length} bytes are no whole number of leaves of {domain.leaf_bytes}")
    return size


def _words(data: Data, rows: int) -> Words:
    """Little-endian words, `rows` of them a column."""
    return np.frombuffer(data, "<u4").astype(np.uint32, copy=False).reshape(-1, rows).T


# The rules of the tree


def _leaves(data: Data, domain: Domain, *, single: bool, first: int = 0, same_place: bool = False) -> Words:
    """The chaining values of leaves; of a `single` one, which is the whole vector, the root.

    They lie side by side from leaf `first` on, or all at the `same_place` of different vectors.
    """
    chunks_in_leaf = domain.leaf_bytes // CHUNK_BYTES
    count = len(data) // CHUNK_BYTES
    places = np.arange(count, dtype=np.uint64) % chunks_in_leaf if same_place else np.arange(count, dtype=np.uint64)
    places += np.uint64(first * chunks_in_leaf)
    view, level = memoryview(data), np.empty((8, count), np.uint32)
    for start in range(0, count, _LANES):
        stop = min(start + _LANES, count)
        part = view[start * CHUNK_BYTES : stop * CHUNK_BYTES]
        level[:, start:stop] = _chunks(part, places[start:stop], domain, is_root=single and chunks_in_leaf == 1)
    while chunks_in_leaf > 1:
        chunks_in_leaf >>= 1
        level = _parents(level[:, ::2], level[:, 1::2], domain, is_root=single and chunks_in_leaf == 1)
    return level


def _up(level: Words, domain: Domain) -> Words:
    """The level above one of at least two nodes."""
    even = level.shape[1] & ~1
    parents = _parents(level[:, 0:even:2], level[:, 1:even:2], domain, is_root=level.shape[1] == 2)
    return np.concatenate([parents, level[:, even:]], axis=1)


def _chunks(data: Data, places: npt.NDArray[np.uint64], domain: Domain, *, is_root: bool) -> Words:
    """Section 2.4: a chunk's blocks one after the other, each keyed by what came of the one before."""
    words = _words(data, _BLOCKS * 16).reshape(_BLOCKS, 16, -1)
    value = np.broadcast_to(_key(domain.context), (8, words.shape[2]))
    for place, block in enumerate(words):
        flags = (_CHUNK_START if place == 0 else 0) | (_CHUNK_END if place == _BLOCKS - 1 else 0)
        flags |= _ROOT if is_root and place == _BLOCKS - 1 else 0
        value = _compress(value, block, places, _BLOCK_BYTES, flags | _DERIVE_KEY_MATERIAL)
    return value


def _parents(left: Words, right: Words, domain: Domain, *, is_root: bool) -> Words:
    """Section 2.5: two chaining values are the block of their parent."""
    flags = _PARENT | _DERIVE_KEY_MATERIAL | (_ROOT if is_root else 0)
    places = np.zeros(left.shape[1], np.uint64)
    key = np.broadcast_to(_key(domain.context), left.shape)
    return _compress(key, np.concatenate([left, right]), places, _BLOCK_BYTES, flags)


@cache
def _key(context: str) -> Words:
    """Section 2.3: in `derive_key` mode the hash of the context, a single block, is the key of all that follows."""
    name = context.encode()
    assert len(name) <= _BLOCK_BYTES, "contexts are of one block"
    flags = _CHUNK_START | _CHUNK_END | _ROOT | _DERIVE_KEY_CONTEXT
    return _compress(_IV, _words(name.ljust(_BLOCK_BYTES, b"\0"), 16), np.zeros(1, np.uint64), len(name), flags)


def _compress(value: Words, block: Words, places: npt.NDArray[np.uint64], length: int, flags: int) -> Words:
    """Section 2.2: the compression function, a column a node; the first half of its output."""
    count = block.shape[1]
    a, b = value[:4].copy(), value[4:].copy()
    c = np.repeat(_IV[:4], count, axis=1)
    d = np.empty((4, count), np.uint32)
    d[0], d[1], d[2], d[3] = places & np.uint64(0xFFFFFFFF), places >> np.uint64(32), length, flags
    for x, y, z, w in _SCHEDULE:
        _mix(a, b, c, d, block[x], block[y])
        b, c, d = b[[1, 2, 3, 0]], c[[2, 3, 0, 1]], d[[3, 0, 1, 2]]  # columns become diagonals
        _mix(a, b, c, d, block[z], block[w])
        b, c, d = b[[3, 0, 1, 2]], c[[2, 3, 0, 1]], d[[1, 2, 3, 0]]
    return np.concatenate([a ^ c, b ^ d])


def _mix(a: Words, b: Words, c: Words, d: Words, x: Words, y: Words) -> None:
    """The quarter round G on four columns of every node, in place."""
    for message, first, second in ((x, 16, 12), (y, 8, 7)):
        a += b
        a += message
        d ^= a
        _rotate(d, first)
        c += d
        b ^= c
        _rotate(b, second)


def _rotate(words: Words, bits: int) -> None:
    """Rotate to the right, in place."""
    low = words << np.uint32(32 - bits)
    words >>= np.uint32(bits)
    words |= low
