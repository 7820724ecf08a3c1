"""Merkle trees of RFC 6962, section 2.1: roots, inclusion paths and their verification.

Leaves are hashed with the prefix 0x00 and inner nodes with 0x01, so that a node can never pass for a leaf. A node
without a sibling moves up unchanged, which gives the tree that the RFC defines by its largest power of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of no leaves at all."""

Leaf = bytes | memoryview

_LEAF = sha256(b"\x00")
_NODE = b"\x01"


def leaf_hash(data: Leaf) -> bytes:
    """The hash of one leaf's data, 32 bytes."""
    state = _LEAF.copy()  # a fifth faster than hashing prefix and data anew, and the data need not be copied
    state.update(data)
    return state.digest()


class Tree:
    """A whole tree kept in memory (64 bytes a leaf), for when many paths are wanted."""

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        level = [leaf_hash(leaf) for leaf in leaves]
        self._levels = [level]
        while len(level) > 1:
            level = _parents(level)
            self._levels.append(level)

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The tree's root, 32 bytes."""
        return self._levels[-1][0] if len(self) else EMPTY_ROOT

    def path(self, index: int) -> list[bytes]:
        """The siblings from leaf `index` up to the root (RFC 6962, section 2.1.1).

        Raises `IndexError` if there is no such leaf.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"leaf {index} of a tree of {len(self)}")
        siblings = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index >>= 1
        return siblings


def root(leaves: Iterable[Leaf]) -> bytes:
    """The root over the leaves' data, 32 bytes; `EMPTY_ROOT` if there are none."""
    level = [leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else EMPTY_ROOT


class RunningRoot:
    """The root over leaves that come one after the other: what is held grows with the logarithm of their number."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        """Roots of whole trees, the largest first: one for each bit that is set in their number."""
        self.size = 0

    def add(self, leaf: Leaf) -> None:
        """Append a leaf's data."""
        node, size = leaf_hash(leaf), self.size
        while size & 1:
            node, size = _parent(self._peaks.pop(), node), size >> 1
        self._peaks.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        *others, node = self._peaks
        for left in reversed(others):
            node = _parent(left, node)
        return node


def path(leaves: Iterable[Leaf], index: int) -> list[bytes]:
    """The inclusion path of one leaf; build a `Tree` once where several are wanted."""
    return Tree(leaves).path(index)


def verify(leaf: Leaf, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` is number `index` of the `size` leaves under `root` (RFC 9162, section 2.1.3.2).

    Never raises: whatever a stranger sends is a path or is not.
    """
    if not 0 <= index < size:
        return False
    siblings = iter(path)
    node, last = leaf_hash(leaf), size - 1
    while last:
        if index ^ 1 <= last:  # else the node has no sibling and moves up
            sibling = next(siblings, b"")
            if len(sibling) != HASH_BYTES:
                return False
            node = sha256(_NODE + sibling + node if index & 1 else _NODE + node + sibling).digest()
        index, last = index >> 1, last >> 1
    return node == root and next(siblings, None) is None


def _parent(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _parents(level: list[bytes]) -> list[bytes]:
    pairs = iter(level)
    parents = [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    if len(level) & 1:
        parents.append(level[-1])
    return parents
