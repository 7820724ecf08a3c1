"""Records as files in a folder: de-identified, but no longer encrypted, so only their owner may read them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import InputError
from hmchain.files import PRIVATE, make_folder, sync_tree, write_whole
from hmchain.records.envelope import Buffer
from hmchain.records.objects import DiskFullError

_SUFFIXES = {
    "application/dicom": ".dcm",
    "application/fhir+json": ".json",
    "application/vnd.apache.parquet": ".parquet",
    "image/png": ".png",
    "text/csv": ".csv",
    "x-application/hl7-v2+er7": ".hl7",
}
_OTHER_SUFFIX = ".bin"


_UNFINISHED = ".hmchain-unfinished"
"""While a folder is being written, this file in it says by what: the same command goes on with it."""
_RECORD_FILE = re.compile(r"[0-9a-f]{32}\.\w+(\.part)?")


class FolderInUseError(InputError):
    """The folder to write to holds something."""

    code = "folder_in_use"


@contextmanager
def filled(folder: Path, what: str) -> Iterator[None]:
    """Make a folder to be filled with `what`, or go on with one in which that was cut short.

    Raises `FolderInUseError` for one that holds anything else, or `DiskFullError` if it cannot be made.
    """
    marker = folder / _UNFINISHED
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise FolderInUseError(f"{folder} is not a folder", "give the name of a new folder")
        if folder.exists() and any(folder.iterdir()):
            _require_same(folder, marker, what)
        make_folder(folder, mode=0o700)
    write(marker, [what.encode()], durable=True)
    yield
    with writing(folder):
        sync_tree(folder)  # all of it is on disk before the folder passes for whole
        marker.unlink()


def _require_same(folder: Path, marker: Path, what: str) -> None:
    begun = marker.read_text("utf-8", errors="replace") if marker.is_file() else ""
    if begun == what:
        return
    if begun.isprintable() and begun:
        hint = "run that command again to finish it, or give the name of a new folder"
        raise FolderInUseError(f"{folder} holds part of the {begun}", hint)
    raise FolderInUseError(f"{folder} is not empty", "give the name of a new folder")


def drop_others(folder: Path, names: Container[str]) -> None:
    """Delete records that an earlier run wrote into a folder and that are not among `names`: erased since, say."""
    with writing(folder):
        for path in folder.iterdir():
            if _RECORD_FILE.fullmatch(path.name) and path.name not in names:
                path.unlink()


def file_name(record: str, media_type: str) -> str:
    """Name the file of a record."""
    return record + _SUFFIXES.get(media_type, _OTHER_SUFFIX)


def write(path: Path, pieces: Iterable[Buffer], *, durable: bool = False) -> None:
    """Write a file of mode 0600, whole or not at all; one that is there gives way.

    It is on disk when this returns if `durable`, or else when the folder is `filled`.
    Raises `DiskFullError`, or what making the pieces raises.
    """
    with writing(path):
        write_whole(path, pieces, durable=durable, mode=PRIVATE)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what the system says of a failed write, in words that name the way out."""
    try:
        yield
    except OSError as error:
        hint = "check the owner of its folder and the free space, then run the same command again"
        raise DiskFullError(f"{path} cannot be written", hint) from error
