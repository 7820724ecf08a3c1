"""Records as files in a folder: de-identified, but no longer encrypted, so only their owner may read them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import InputError
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


class FolderInUseError(InputError):
    """The folder to write to holds something."""

    code = "folder_in_use"


def new_folder(folder: Path) -> None:
    """Make a folder, or take an empty one. Raises `FolderInUseError`, or `DiskFullError` if it cannot be made."""
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FolderInUseError(f"{folder} is not empty", "give the name of a new folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def file_name(record: str, media_type: str) -> str:
    """What the file of a record is called."""
    return record + _SUFFIXES.get(media_type, ".bin")


def write(path: Path, pieces: Iterable[Buffer]) -> None:
    """Write a new file of mode 0600. Raises `DiskFullError`, or what making the pieces raises."""
    with writing(path):
        try:
            with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                for piece in pieces:
                    file.write(piece)
        except FileExistsError:
            raise
        except BaseException:
            path.unlink(missing_ok=True)  # half a record is none
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says of a failed write, in words that name the way out."""
    try:
        yield
    except OSError as error:
        hint = "check the owner of its folder and the free space, then begin again with a new folder"
        raise DiskFullError(f"{path} cannot be written", hint) from error
