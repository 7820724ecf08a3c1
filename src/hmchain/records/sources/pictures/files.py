"""Image files in folders and .zip files, one by one; the folder of a file is its class if somebody says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hmchain.records.pictures.decode import FORMATS
from hmchain.records.pictures.set_folders import are_splits
from hmchain.records.sources.containers import Container, ContainerEntry, counted, open_container
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import IMAGE, FoundFile, Item
from hmchain.records.sources.marks import mark
from hmchain.records.sources.pictures.patients import Patients

FOLDERS_COUNTED = 1000

_HEAD_BYTES = 16
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_BEGINNINGS = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n",
)  # fmt: skip


class ImageFiles:
    """The image files of a container (a `Source`).

    No name of a folder gets any further: hospitals call folders after patients. Only with `labelled` is an item's label
    the folder at the top of its path, or the one below it where the top folders are `train`, `val` and `test`, as
    `folders.list_files` has it. Where each folder is a patient's, these lie there instead, or within the classes.
    """

    def __init__(self, container: Container, *, labelled: bool = False, patients: Patients | None = None) -> None:
        """`patients` tells whose a file is, and those of which it does not are passed over; None: nobody says it."""
        self._container = container
        self.labelled = labelled
        self.patients = patients
        self._folders: set[str] = set()
        self.finds = Finds()
        """What the last run of `items` came upon."""

    @classmethod
    def at(cls, path: Path, *, labelled: bool = False) -> ImageFiles:
        """The image files in the folder or .zip file at `path`. Raises `SourceError` if it cannot be opened."""
        return cls(open_container(path), labelled=labelled)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The images in the order of the container, but for those that are `done`."""
        self.finds.clear()
        self._folders.clear()
        depth = 1 if are_splits(self._container.tops()) else 0
        for entry in self._entries(self.finds):
            folder = _folder(entry.name, depth)
            if folder and len(self._folders) <= FOLDERS_COUNTED:
                self._folders.add(folder)
            label = folder if self.labelled else ""
            patient = ""
            if self.patients is not None:
                patient = self.patients.of(entry.name, _folder(entry.name, depth + 1) if self.labelled else folder)
                if not patient:
                    self.finds.passed(self.patients.unsaid)
                    continue
            own = entry.mark()
            known = mark(own, label.encode(), patient.encode()) if label or patient else own
            if self.finds.wants(done, known):
                yield Item(entry.name, IMAGE, entry.open, label, patient, known, FoundFile(entry.name, own))

    @property
    def folders(self) -> int:
        """The number of folders that could be classes and that the last run met, up to `FOLDERS_COUNTED` and one."""
        return len(self._folders)

    def count(self) -> int | None:
        """The number of items; None where archives would have to be opened first."""
        return counted(self._entries)

    def _entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        for entry in self._container.entries(finds):
            if PurePosixPath(entry.name).suffix.lower() in SUFFIXES or begins_image(entry.head(_HEAD_BYTES)):
                yield entry
            else:
                finds.passed("not an image")


def _folder(name: str, depth: int) -> str:
    folders = PurePosixPath(name).parts[:-1]
    return folders[depth] if len(folders) > depth else ""


def begins_image(head: bytes) -> bool:
    """Tell whether a file that begins with `head` (16 bytes of it) is of an image format that is read."""
    if head[:2] == b"BM":
        return head[6:10] == bytes(4)  # so many texts begin with these letters
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
