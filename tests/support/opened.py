"""What tests opened, so that it is closed with the test that opened it, however that ends."""

from __future__ import annotations

from typing import Protocol


class Open(Protocol):
    """Something that runs threads or holds files; closing it again does nothing."""

    def close(self) -> None: ...


OPENED: list[Open] = []


def closed(what: Open) -> None:
    """Say that something is closed."""
    OPENED[:] = (each for each in OPENED if each is not what)


def close_since(count: int) -> None:
    """Close all but the first so many, the last one first."""
    for each in reversed(OPENED[count:]):
        each.close()
