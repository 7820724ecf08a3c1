"""Near-duplicate images.

Public sets, and archives, hold one picture many times over: re-encoded, cropped by a pixel.
A copy on the other side of a split inflates every figure, so copies are found here and kept together from then on.

Two images are near-duplicates if their 16 x 16 grey thumbnails correlate above a threshold. Memory stays flat: images
are reduced, and thumbnails compared, a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.99

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]

_SIDE = 16
_BLOCK = 4096  # thumbnails: a block of correlations is 64 MiB
_BLOCK_PIXELS = 1 << 24
_BLANK_DEVIATION = 0.5  # grey levels: below this a thumbnail is a blank, whose correlation means nothing


def near_duplicate_groups(images: Images, threshold: float = THRESHOLD) -> Indices:
    """Give every image the number of its group of near-duplicates: int64 (n,), numbered from 0 in order of appearance.

    `images` is uint8 (n, h, w, c). A group is a connected component: a chain of near-duplicates is one group. Blank
    images are one group.
    """
    thumbnails = _thumbnails(images)
    parent = np.arange(len(images))
    for left in _blocks(len(images)):
        for right in _blocks(len(images), left.start):
            near = thumbnails[left] @ thumbnails[right].T > threshold
            rows, columns = np.nonzero(np.triu(near, 1) if left == right else near)
            _join(parent, rows + left.start, columns + right.start)
    # A root is the least member of its group, so sorting roots numbers the groups by first appearance.
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)


def near_duplicates_of(images: Images, reference: Images, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
    """Which of `images` (n, h, w, c) have a near-duplicate among `reference` (m, h, w, c): bool (n,)."""
    thumbnails, others = _thumbnails(images), _thumbnails(reference)
    found = np.zeros(len(images), np.bool_)
    for left in _blocks(len(images)):
        for right in _blocks(len(reference)):
            found[left] |= (thumbnails[left] @ others[right].T > threshold).any(axis=1)
    return found


def _blocks(count: int, start: int = 0, step: int = _BLOCK) -> Iterator[slice]:
    for first in range(start, count, step):
        yield slice(first, min(first + step, count))


def _thumbnails(images: Images) -> Features:
    """Unit vectors (n, 257) whose inner products are the correlations of the thumbnails."""
    n, height, width, _ = images.shape
    rows, columns = _area_weights(height), _area_weights(width)
    features = np.zeros((n, _SIDE * _SIDE + 1), np.float32)
    for block in _blocks(n, step=max(1, _BLOCK_PIXELS // (height * width))):
        grey = images[block].mean(axis=3, dtype=np.float32)
        small = (rows @ grey @ columns.T).reshape(len(grey), -1)
        small -= small.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(small, axis=1, keepdims=True)
        blank = norm[:, 0] < _BLANK_DEVIATION * _SIDE
        features[block, :-1] = np.where(blank[:, np.newaxis], 0, small / np.maximum(norm, 1e-6))
        features[block, -1] = blank  # one more direction, so that blanks correlate with each other and nothing else
    return features


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
