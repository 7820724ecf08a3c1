"""One file that lies with others, and what all containers offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from hmchain.records.sources.finds import Finds

_LEFT_BY_DESKTOPS = {"thumbs.db", "ehthumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class ContainerEntry:
    """One file of a container."""

    name: str
    """Its path in the container, parts joined by `/`; unique, and can be written as UTF-8."""
    label: str
    """The name in words that may be shown: it tells nothing of what is in the file's name."""
    size: int
    head: Callable[[int], bytes]
    """The first bytes, fewer if the file is shorter or damaged."""
    open: Callable[[], BinaryIO]
    """The whole from the start, seekable. Raises `ItemUnavailableError`."""
    mark: Callable[[], str]
    """What it is remembered by; of a file this reads both its ends."""


class Container(Protocol):
    """A folder or an archive."""

    def entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        """The files in a stable order. `finds` is told of each file, and of why one is not given."""
        ...

    def tops(self) -> list[str]:
        """The names of the folders at its top, sorted."""
        ...


@dataclass(frozen=True)
class Packed:
    """An archive, wherever it lies."""

    label: str
    """The name in words that may be shown."""
    size: int
    open: Callable[[], BinaryIO]
    mark: Callable[[], str]
    prefix: str = ""
    """What the names of its files begin with: its own, if it lies with others."""


def plain_path(name: str) -> str:
    """A path without `./` before it."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def text_of(name: str) -> str:
    """A name that can be written as UTF-8, and differs for names that differ."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def why_not_data(name: str, size: int) -> str:
    """Say why a file of that path and size is none of data, whatever is in it; nothing if it may be one."""
    *folders, own = name.split("/")
    if "__MACOSX" in folders or own.lower() in _LEFT_BY_DESKTOPS:
        return "left by a desktop"
    if own.startswith("."):
        return "a hidden file"
    if any(folder.startswith(".") and folder.strip(".") for folder in folders):
        return "in a hidden folder"
    return "" if size else "an empty file"
