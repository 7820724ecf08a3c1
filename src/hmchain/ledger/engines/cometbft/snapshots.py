"""Snapshots for state sync: chunks of the state in files, and a state put together from a stranger's chunks.

Only the app hash is trusted: CometBFT's light client verified it. The hashes that come with an offer merely say which
chunk is bad and who sent it; in the end the whole state must have the app hash.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain import files
from hmchain.canonical import NotCanonicalError, Record, decode, encode
from hmchain.ledger.state import SnapshotError, State
from hmchain.ledger.unreadable import UnreadableError

if TYPE_CHECKING:
    from hmchain.ledger.engines.cometbft import abci_pb2 as abci

BEGINNING = "beginning"
"""Where a node that joined from a snapshot keeps it, in its ledger's directory: its log begins after that height."""

FORMAT = 1
CHUNK_BYTES_MAX = 4 << 20
"""Of keys and values; CometBFT takes chunks below 16 MB, and one value adds 64 KiB at most."""
CHUNK_FILE_BYTES_MAX = 2 * CHUNK_BYTES_MAX + (64 << 10)
"""Of a chunk with its last value, encoded: what stands between the least keys and values is shorter than they are."""
CHUNKS_MAX = 10_000
KEPT = 2
_HASH_BYTES = 32
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")


class UnreadableSnapshotError(SnapshotError, UnreadableError):
    """A file of a snapshot is not there, or may not be opened."""

    code = "unreadable"


class Chunk(Record, frozen=True):
    """Part of the state, in order of key."""

    pairs: tuple[tuple[bytes, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes of its keys and values."""
        return sum(len(key) + len(value) for key, value in self.pairs)


class SnapshotStore:
    """The last snapshots of one node: a directory a height, a file a chunk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def take(self, state: State) -> None:
        """Write a snapshot of the committed state, on disk when this returns, and drop old ones."""
        place = self._directory / str(state.height)
        unfinished = place.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        files.make_folder(unfinished)
        for number, chunk in enumerate(_chunks(state)):
            (unfinished / str(number)).write_bytes(chunk)
        files.sync_tree(unfinished)
        shutil.rmtree(place, ignore_errors=True)
        files.rename(unfinished, place)
        for height in self._heights()[:-KEPT]:
            shutil.rmtree(self._directory / str(height))

    def offers(self) -> list[abci.Snapshot]:
        """The snapshots that peers may fetch, the newest last."""
        return [self._offer(height) for height in self._heights()]

    def chunk(self, height: int, number: int) -> bytes:
        """One chunk; empty if there is no such chunk any more."""
        path = self._directory / str(height) / str(number)
        return path.read_bytes() if path.is_file() else b""

    @property
    def height(self) -> int:
        """Height of the last snapshot, 0 if there is none."""
        return max(self._heights(), default=0)

    def files(self) -> list[Path]:
        """The files of the last snapshot, in order."""
        place = self._directory / str(self.height)
        return _numbered(place) if place.is_dir() else []

    def restore(self, state: State, commitment: bytes) -> None:
        """Fill an empty state from the last snapshot.

        Raises `SnapshotError`, also for a damaged file, and `UnreadableSnapshotError` for one that cannot be read.
        """
        place, known = self._directory / str(self.height), self.files()
        count = int(known[-1].name) + 1 if known else 1
        numbers, last = range(count), 0
        for number in numbers:
            last = _read(place / str(number)).size  # and once more below: one at a time is in memory
        pairs = (pair for number in numbers for pair in _read(place / str(number)).pairs)
        try:
            state.restore(pairs, self.height, commitment)
        except SnapshotError as error:
            if last < CHUNK_BYTES_MAX:
                raise
            what = f"{place / str(count)} is missing, or a chunk before it was changed"  # the last is hardly ever full
            raise UnreadableSnapshotError(what, "fetch it from another member") from error

    def _heights(self) -> list[int]:
        return [int(path.name) for path in _numbered(self._directory)] if self._directory.is_dir() else []

    def _offer(self, height: int) -> abci.Snapshot:
        from hmchain.ledger.engines.cometbft import abci_pb2 as abci  # an auditor needs no protobuf

        paths = _numbered(self._directory / str(height))
        hashes = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
        return abci.Snapshot(
            height=height, format=FORMAT, chunks=len(paths), hash=hashlib.sha256(hashes).digest(), metadata=hashes
        )


def begins_after(directory: Path) -> int:
    """The height after which the log in a ledger's directory begins: 0 unless the node joined from a snapshot."""
    return SnapshotStore(directory / BEGINNING).height


def _numbered(place: Path) -> list[Path]:
    """What lies in a folder under a number, in order: a desktop may leave other things there."""
    found = (path for path in place.iterdir() if _NUMBER.fullmatch(path.name))
    return sorted(found, key=lambda path: int(path.name))


def _read(path: Path) -> Chunk:
    try:
        return decode(files.read(path, limit=CHUNK_FILE_BYTES_MAX), Chunk)
    except files.TooLargeError as error:
        what = f"{path} is damaged: it has more than a chunk has"
        raise SnapshotError(what, "fetch it from another member") from error
    except files.UNREADABLE as error:
        raise UnreadableSnapshotError(f"{path} cannot be read", "check path, owner and mode") from error
    except NotCanonicalError as error:
        raise SnapshotError(f"{path} is damaged", "fetch it from another member") from error


def _chunks(state: State) -> Iterator[bytes]:
    pairs: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in state.snapshot():
        pairs.append((key, value))
        size += len(key) + len(value)
        if size >= CHUNK_BYTES_MAX:
            yield encode(Chunk(tuple(pairs)))
            pairs, size = [], 0
    if pairs:
        yield encode(Chunk(tuple(pairs)))


@dataclass
class Restoration:
    """A snapshot that is being fetched; chunks come in any order and are put together when all are there."""

    height: int
    app_hash: bytes
    hashes: tuple[bytes, ...]
    chunks: dict[int, Chunk] = field(default_factory=dict)

    @classmethod
    def of(cls, offer: abci.Snapshot, app_hash: bytes) -> Restoration | None:
        """Begin with an offer; None if it contradicts itself."""
        bounds = range(0, len(offer.metadata) + 1, _HASH_BYTES)
        hashes = tuple(offer.metadata[start:end] for start, end in pairwise(bounds))
        consistent = (
            0 < offer.chunks <= CHUNKS_MAX
            and len(offer.metadata) == offer.chunks * _HASH_BYTES
            and hashlib.sha256(offer.metadata).digest() == offer.hash
        )
        return cls(offer.height, app_hash, hashes) if consistent else None

    def add(self, number: int, data: bytes) -> bool:
        """Keep a chunk; False if it is not the one that was offered."""
        if number >= len(self.hashes) or hashlib.sha256(data).digest() != self.hashes[number]:
            return False
        try:
            self.chunks[number] = decode(data, Chunk)
        except NotCanonicalError:
            return False
        return True

    @property
    def is_whole(self) -> bool:
        """True once all chunks are there."""
        return len(self.chunks) == len(self.hashes)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Everything in order of chunk, for `State.restore`, which refuses duplicates and a wrong commitment."""
        for number in range(len(self.hashes)):
            yield from self.chunks[number].pairs
