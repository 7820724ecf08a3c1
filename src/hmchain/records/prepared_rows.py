"""Rows prepared to learn from: numbers, a label, and a side of the split; those of one patient lie in one record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.canonical import Record, decode_trusted, encode

MEDIA_TYPE = "application/x-hmchain-rows"


class RowsRecord(Record, frozen=True, tag="rows"):
    """The rows of one patient as the vault keeps them."""

    split: str
    labels: tuple[int, ...]
    width: int
    values: bytes
    """(rows, width) float32, little-endian."""


@dataclass(frozen=True)
class RowSet:
    """Rows of one split: (n, width) float32, and labels (n,)."""

    values: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def by_content(self) -> RowSet:
        """The same rows in an order that follows from what they are."""
        digests = [blake3(row.tobytes()).digest() for row in self.values]
        order = sorted(range(len(digests)), key=lambda at: (digests[at], self.labels[at]))
        return RowSet(self.values[order], self.labels[order])


def encode_rows(split: str, rows: RowSet) -> bytes:
    """The content that the vault keeps of a patient's rows."""
    values = np.ascontiguousarray(rows.values, "<f4")
    return encode(RowsRecord(split, tuple(rows.labels.tolist()), values.shape[1], values.tobytes()))


def decode_rows(data: bytes) -> tuple[str, RowSet]:
    """Side of the split and rows that `encode_rows` wrote. Raises `NotCanonicalError` for other bytes."""
    found = decode_trusted(data, RowsRecord)
    values = np.frombuffer(found.values, "<f4").reshape(-1, found.width).astype(np.float32)
    return found.split, RowSet(values, np.array(found.labels, np.int64))


def stack_rows(parts: Iterable[RowSet]) -> RowSet:
    """The rows of several patients, in their order."""
    found = list(parts)
    return RowSet(np.concatenate([rows.values for rows in found]), np.concatenate([rows.labels for rows in found]))
