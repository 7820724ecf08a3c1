"""Records as files in a folder: de-identified, but no longer encrypted, so only their owner may read them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import InputError
from hmchain.files import PRIVATE, make_folder, sync, sync_tree, write_whole
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.envelope import Buffer
from hmchain.records.objects import DiskFullError
from hmchain.records.pipeline.storing import CountedPieces, KnownRecord, PutResult, clean_of, decide, read, sha256_of
from hmchain.records.pipeline.workers import SealedRecord
from hmchain.records.vault import SealedContent

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
WORK = ".hmchain-work"
"""While clean files are written, this folder beside them knows what is done."""
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
        if (work := folder / WORK).exists():
            shutil.rmtree(work)
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


class FolderStore:
    """Records as files in a folder (a `Store`); what is held is not kept here."""

    sealer = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[Path] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """At once."""
        yield
        self.flush()

    def put(self, found: Clean | SealedRecord, known: KnownRecord | None, *, replacing: bool) -> PutResult:
        """Write a record's file."""
        clean = clean_of(found)
        path = self._folder / file_name(clean.record, clean.media_type)
        before = self._folder / file_name(clean.record, known.entry.media_type) if known else path
        pieces = CountedPieces(clean.pieces())

        def is_same() -> bool:
            with before.open("rb") as file:
                return sha256_of(read(file)) == sha256_of(pieces)

        with writing(path):
            is_there = known is not None and before.exists()
            outcome = decide(is_there, is_same, clean, known, replacing=replacing)
        if outcome.writes:
            pieces = CountedPieces(clean.pieces())
            write(path, pieces)
            self._written.append(path)
            if before != path:
                before.unlink(missing_ok=True)
        return PutResult(outcome, pieces.size)

    def flush(self) -> None:
        """Bring to the disk what was written since."""
        with writing(self._folder):
            for path in self._written:
                sync(path)
            sync(self._folder)
        self._written.clear()

    def discard(self, sealed: SealedContent) -> None:
        """Do nothing: nothing is sealed."""

    def put_aside(self, record: str, subject: str, pieces: Iterator[bytes]) -> None:
        """Keep nothing: what is held stays where it is."""


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
