"""The interface between an object store and the place where its objects lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class Entry(NamedTuple):
    """One file, as a listing tells of it."""

    name: str
    written_s: float
    """Seconds since 1970."""
    size: int
    """Bytes."""


class StagedWrite(Protocol):
    """An object that is being written and has no name yet."""

    def write(self, piece: Buffer) -> None:
        """Append."""

    def publish(self, name: str) -> None:
        """Give the finished object its name, durably. One that has the name already gives way."""

    def discard(self) -> None:
        """Drop it; after `publish` this does nothing."""


class Backend(Protocol):
    """Files by name: a directory, or what obstore reaches. What is missing raises `FileNotFoundError`.

    Writes never show half a file under its name. Safe to use from several threads and processes.
    """

    @property
    def at_once(self) -> int:
        """How many small files are best asked for at once: more than one where a network answers."""

    @property
    def place(self) -> str:
        """The name of where they lie, the same for all who reach it there."""

    def passing(self) -> AbstractContextManager[Backend]:
        """The same files, for gigabytes that are read or written once: the system's memory is left to what is used.

        What is written is durable once the block has ended.
        """

    def write_many(self, files: Sequence[tuple[str, Buffer]]) -> None:
        """Write files, all durable when it returns; one that is there keeps its bytes only if they are these."""

    def settle(self, names: Sequence[str]) -> None:
        """Make files durable that lie there: who wrote them may have been killed before it could."""

    def stage(self) -> StagedWrite:
        """Begin a file whose name is known only when it is finished."""

    def read(self, name: str, limit: int | None = None) -> bytes:
        """All bytes of a file, or as many of the first ones as `limit` says."""

    def stream(self, name: str) -> Iterator[Buffer]:
        """The bytes of a file, in pieces that are valid until the next one is asked for."""

    def size(self, name: str) -> int:
        """Bytes of a file, of which none is read."""

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""

    def delete_many(self, names: Sequence[str]) -> None:
        """Remove files durably; one that is not there is no error."""

    def list(self) -> Iterator[Entry]:
        """All files, in no particular order."""

    def check(self) -> None:
        """Touch the place once, so that an error says early what is wrong with it."""
