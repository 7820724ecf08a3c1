"""Files that lie together: in a folder and the folders below it, or in a .zip file; given in a stable order."""

from __future__ import annotations

from pathlib import Path

from hmchain.records.sources.containers import archive
from hmchain.records.sources.containers.archive import Archive
from hmchain.records.sources.containers.entry import Container, ContainerEntry
from hmchain.records.sources.containers.folder import Folder, SingleFile, head_of
from hmchain.records.sources.item import SourceError

__all__ = ["Container", "ContainerEntry", "open_container"]


def open_container(path: Path) -> Container:
    """The container at `path`. Raises `SourceError` if there is none, or it must not be unpacked."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise SourceError(f"{path} does not exist", "give a folder, a file or a .zip file")
    packed = path.suffix.lower() == ".zip" or head_of(path, len(archive.BEGINNING)) == archive.BEGINNING
    return Archive(path) if packed else SingleFile(path)
