"""Items, which every streaming source gives one by one, each with a name and bytes that can be read again.

An item is as it came from the hospital's systems: it holds a patient's data, and its name may too (a file's path, a
resource's address). Neither leaves the process in clear: what is kept of an item is a keyed digest of its mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from hmchain.errors import DataError

Rectangles = tuple[tuple[int, int, int, int], ...]
"""Parts of a picture: left, top, width and height of each, in pixels."""

DICOM, IMAGE, FHIR, HL7, TABLE = "dicom", "image", "fhir", "hl7", "table"
ARRAYS = "arrays"
"""What a file is that holds many items of kind `IMAGE`."""


class SourceError(DataError):
    """A source cannot be reached, or gives what cannot be read. What was extracted before it stays."""

    code = "source"


class ItemUnavailableError(SourceError):
    """A source has one item and cannot give it; the others it can. The next run asks for it again."""

    code = "source_item"


class EmptySourceError(DataError):
    """A source holds nothing that could be extracted: somebody may have named the wrong one, or an export failed."""

    code = "empty_source"


@dataclass(frozen=True)
class FoundFile:
    """A file that a source came upon: on disk, in an archive, or the one answer of a server."""

    name: str
    mark: str = ""
    """What it is remembered by, if not by its name."""

    @property
    def known_by(self) -> str:
        """The mark, or the name in its place."""
        return self.mark or self.name


@dataclass(frozen=True)
class Item:
    """One file, message, resource or table."""

    name: str
    """Unique within its source."""
    kind: str
    """`DICOM`, `IMAGE`, `FHIR`, `HL7` or `TABLE`."""
    open: Callable[[], BinaryIO]
    """Opens the bytes from the start; seekable. The caller closes it. May fetch them first, and raise `SourceError`."""
    label: str = ""
    """The class that the source files it under (the folder of an image, say), or nothing."""
    patient: str = ""
    """Whose it is, as the hospital calls the patient, if the bytes do not say it and somebody does; or nothing."""
    mark: str = ""
    """What it is remembered by (`marks`): the same at every run for the same content, and another for another content.
    Nothing: its name, which then stands for one content for good."""
    within: FoundFile | None = None
    """The file that it is a part of, or the file itself where its mark is another one; None: it is a file itself."""
    blank: Rectangles = ()
    """What a reviewer saw writing in, of an image: set to 0 in every frame."""
    keep: frozenset[str] = frozenset()
    """Places of findings (`Finding.place`) of which a reviewer said that they stay: what is found elsewhere goes."""

    @property
    def known_by(self) -> str:
        """The mark, or the name in its place."""
        return self.mark or self.name

    @property
    def file(self) -> FoundFile:
        """The file that it is, or is a part of."""
        return self.within or FoundFile(self.name, self.mark)

    @property
    def part(self) -> str:
        """Its name within its file; nothing if it is the file."""
        return "" if self.file.name == self.name else self.name


class Source(Protocol):
    """Somewhere medical records come from. Items are made one at a time: memory does not grow with their number."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items in a stable order, leaving out those of whose mark `done` says that they are extracted.

        Raises `SourceError` where it cannot go on; a single item that is damaged is given as it is.
        """
        ...

    def count(self) -> int | None:
        """The number of all items, for a progress bar; None if that is not known before the end."""
        ...
