"""Images prepared to learn from: pixels of one size, a label, and a side of the split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.canonical import Record, decode_trusted, encode

TRAIN, VALIDATION = "train", "validation"


class ImageRecord(Record, frozen=True):
    """One image as the vault keeps it: pixels and label, nothing else."""

    split: str
    label: int
    shape: tuple[int, int, int]
    """Height, width, channels."""
    pixels: bytes

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Pixels (h, w, c)."""
        return np.frombuffer(self.pixels, np.uint8).reshape(self.shape)


@dataclass(frozen=True)
class Images:
    """Images of one split: (n, h, w, c) uint8 and labels (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def by_content(self) -> Images:
        """The same images in an order that follows from what they are."""
        digests = [blake3(image.tobytes()).digest() for image in self.images]
        order = sorted(range(len(digests)), key=lambda at: (digests[at], self.labels[at]))
        return Images(self.images[order], self.labels[order])


def encode_image(split: str, label: int, image: npt.NDArray[np.uint8]) -> bytes:
    """The content that the vault keeps of an image (h, w, c)."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    return encode(ImageRecord(split, int(label), shape, image.tobytes()))


def decode_image(data: bytes) -> ImageRecord:
    """The image that `encode_image` wrote. Raises `NotCanonicalError` for other bytes."""
    return decode_trusted(data, ImageRecord)


def stack(records: Sequence[ImageRecord]) -> Images:
    """Images of one size as arrays, in their order."""
    labels = np.array([record.label for record in records], np.int64)
    return Images(np.stack([record.image for record in records]), labels)
