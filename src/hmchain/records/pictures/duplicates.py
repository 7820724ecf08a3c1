"""Duplicates: records of the same content, and near-duplicate images.

Public sets, and archives, hold one picture many times over: re-encoded, cropped by a pixel.
A copy on the other side of a split inflates every figure, so copies are found here and kept together from then on.

Two images are near-duplicates if their 16 x 16 grey thumbnails correlate above a threshold. Memory stays flat: images
are reduced, and thumbnails compared, a block at a time.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.99

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]

_SIDE = 16
BLOCK_THUMBNAILS = 4096  # a block of correlations is 64 MiB
BLOCK_PIXELS = 1 << 24  # of images that are made thumbnails at once
_BLANK_DEVIATION = 0.5  # grey levels: below this a thumbnail is a blank, whose correlation means nothing


_ROW = np.dtype([("record", "S64"), ("label", "i4"), ("content", "S32"), ("image", "?"), ("thumbnail", "f4", (257,))])
DIGEST_ROWS = 1 << 16  # that are read at once to compare contents

Group = tuple[str, ...]
"""Ids of records that belong together, in the order in which they came."""


class Duplicates:
    """Finds duplicates among records that come one by one.

    What it keeps of a record, a kilobyte, lies in a file without a name; in memory are a few bytes a record.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._count = 0
        self._labels: dict[str, int] = {}
        self._roots: Indices | None = None  # of the groups of near-duplicates, once they are known

    def __enter__(self) -> Duplicates:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._file.close()

    def add(self, record: str, label: str, content: bytes, image: npt.NDArray[np.uint8] | None) -> None:
        """Take in a record: its id (64 letters at most), a digest of its content, and its grey image (h, w), if any."""
        row = np.zeros(1, _ROW)
        row["record"], row["content"] = record.encode(), content
        row["label"] = self._labels.setdefault(label, len(self._labels))
        if image is not None:
            row["image"], row["thumbnail"] = True, _thumbnails(image[np.newaxis, ..., np.newaxis])
        self._file.write(row.tobytes())
        self._count += 1
        self._roots = None

    def exact(self) -> list[Group]:
        """Groups of records of one content, in order of appearance."""
        rows = self._rows()
        digests = np.empty(self._count, _ROW["content"])
        for block in _blocks(self._count, step=DIGEST_ROWS):
            digests[block] = rows["content"][block]
        _, first, group = np.unique(digests, return_index=True, return_inverse=True)
        return self._groups(first[group].astype(np.int64))

    def near(self) -> list[Group]:
        """Groups of near-duplicate images, in order of appearance; copies are among them."""
        return self._groups(self._near_roots())

    def near_with_two_labels(self) -> list[Group]:
        """Those groups of near-duplicate images whose members are labelled differently."""
        roots, labels = self._near_roots(), np.asarray(self._rows()["label"])
        mixed = np.zeros(self._count, np.bool_)
        np.logical_or.at(mixed, roots, labels != labels[roots])
        return self._groups(np.where(mixed[roots], roots, np.arange(self._count)))

    def _near_roots(self) -> Indices:
        if self._roots is None:
            rows = self._rows()
            images = np.flatnonzero(rows["image"])
            near = _connected(len(images), lambda block: np.asarray(rows["thumbnail"][images[block]]), self._threshold)
            self._roots = np.arange(self._count)
            self._roots[images] = images[near]
        return self._roots

    def _rows(self) -> npt.NDArray[Any]:
        self._file.flush()
        if not self._count:
            return np.zeros(0, _ROW)
        return np.memmap(self._file, _ROW, "r", shape=(self._count,))

    def _groups(self, roots: Indices) -> list[Group]:
        """The groups of more than one, from the root of each record."""
        records = self._rows()["record"]
        sizes = np.bincount(roots, minlength=self._count)
        groups: dict[int, list[str]] = {}
        for index in np.flatnonzero(sizes[roots] > 1):
            groups.setdefault(int(roots[index]), []).append(records[index].decode())
        return [tuple(members) for members in groups.values()]


def near_duplicate_groups(images: Images, threshold: float = THRESHOLD) -> Indices:
    """Give every image the number of its group of near-duplicates: int64 (n,), numbered from 0 in order of appearance.

    `images` is uint8 (n, h, w, c). A group is a connected component: a chain of near-duplicates is one group. Blank
    images are one group.
    """
    thumbnails = _thumbnails(images)
    parent = _connected(len(images), lambda block: thumbnails[block], threshold)
    # A root is the least member of its group, so sorting roots numbers the groups by first appearance.
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)


def joined_groups(groups: Indices, keys: Sequence[str]) -> Indices:
    """Join groups that have a key in common, chains included: int64 (n,), numbered from 0 in order of appearance.

    `groups` and `keys` say of each of n things its group, and another reason to stay together: its patient, say.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    _, first_of_key, key = np.unique(np.array(keys), return_index=True, return_inverse=True)
    parent = first[group].astype(np.int64)
    _join(parent, np.arange(len(parent)), first_of_key[key].astype(np.int64))
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)


def near_duplicates_of(images: Images, reference: Images, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
    """Mark those of `images` (n, h, w, c) that have a near-duplicate among `reference` (m, h, w, c): bool (n,)."""
    thumbnails, others = _thumbnails(images), _thumbnails(reference)
    found = np.zeros(len(images), np.bool_)
    for left in _blocks(len(images)):
        for right in _blocks(len(reference)):
            found[left] |= (thumbnails[left] @ others[right].T > threshold).any(axis=1)
    return found


def _connected(count: int, thumbnails: Callable[[slice], Features], threshold: float) -> Indices:
    """The root, the least member, of the group of each of `count` images."""
    parent = np.arange(count)
    for left in _blocks(count):
        rows_of = thumbnails(left)
        for right in _blocks(count, left.start):
            near = rows_of @ thumbnails(right).T > threshold
            rows, columns = np.nonzero(np.triu(near, 1) if left == right else near)
            _join(parent, rows + left.start, columns + right.start)
    return parent


def _blocks(count: int, start: int = 0, step: int | None = None) -> Iterator[slice]:
    step = step or BLOCK_THUMBNAILS
    for first in range(start, count, step):
        yield slice(first, min(first + step, count))


def _thumbnails(images: Images) -> Features:
    """Unit vectors (n, 257) whose inner products are the correlations of the thumbnails."""
    n, height, width, _ = images.shape
    rows, columns = _area_weights(height), _area_weights(width)
    features = np.zeros((n, _SIDE * _SIDE + 1), np.float32)
    for block in _blocks(n, step=max(1, BLOCK_PIXELS // (height * width))):
        grey = images[block].mean(axis=3, dtype=np.float32)
        small = (rows @ grey @ columns.T).reshape(len(grey), -1)
        small -= small.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(small, axis=1, keepdims=True)
        blank = norm[:, 0] < _BLANK_DEVIATION * _SIDE
        features[block, :-1] = np.where(blank[:, np.newaxis], 0, small / np.maximum(norm, 1e-6))
        features[block, -1] = blank  # one more direction, so that blanks correlate with each other and nothing else
    return features


@functools.lru_cache(maxsize=64)
def _area_weights(length: int) -> Features:
    """The (16, length) matrix that averages `length` pixels into 16 equal areas, fractions of a pixel included."""
    edges = np.linspace(0, length, _SIDE + 1)[:, np.newaxis]
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.asarray(np.maximum(overlap, 0) * _SIDE / length, np.float32)


def _join(parent: Indices, left: Indices, right: Indices) -> None:
    """Merge the groups of each pair; `parent` names each image's root, the least member, before and after."""
    while True:
        a, b = parent[left], parent[right]
        apart = a != b
        if not apart.any():
            return
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))  # roots point down only: no cycle can form
        while (parent != parent[parent]).any():
            parent[:] = parent[parent]
