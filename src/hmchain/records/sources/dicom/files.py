"""DICOM files in folders and .zip files, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hmchain.records.sources.containers import Container, ContainerEntry, counted, open_container
from hmchain.records.sources.dicom.header import HEAD_BYTES, read_header, why_not_dicom
from hmchain.records.sources.dicom.selection import EVERYTHING, Selection
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import DICOM, Item, ItemUnavailableError

_SUFFIXES = {".dcm", ".dicom", ".ima"}


class DicomFiles:
    """The DICOM objects of a container (a `Source`).

    A file called .dcm is given even if it does not look like DICOM, so that a damaged one is seen and not just missing.
    Two files that carry the same UIDs are two items: whether their content differs is for the pipeline to say.
    """

    def __init__(self, container: Container, selection: Selection = EVERYTHING) -> None:
        self._container = container
        self._selection = selection
        self.finds = Finds()
        """What the last run of `items` came upon."""

    @classmethod
    def at(cls, path: Path, selection: Selection = EVERYTHING) -> DicomFiles:
        """The DICOM files in the folder or .zip file at `path`. Raises `SourceError` if it cannot be opened."""
        return cls(open_container(path), selection)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The objects in the order of the container, but for those that are `done`."""
        self.finds.clear()
        for entry in self._entries(self.finds):
            if self.finds.wants(done, mark := entry.mark()) and self._takes(entry):
                yield Item(entry.name, DICOM, entry.open, mark=mark)

    def count(self) -> int | None:
        """The number of items; None where headers or archives would have to be read first."""
        return counted(self._entries) if self._selection.everything else None

    def _entries(self, finds: Finds) -> Iterator[ContainerEntry]:
        for entry in self._container.entries(finds):
            reason = why_not_dicom(entry.head(HEAD_BYTES))
            if reason == "a DICOMDIR" or (reason and PurePosixPath(entry.name).suffix.lower() not in _SUFFIXES):
                finds.passed(reason)
            else:
                yield entry

    def _takes(self, entry: ContainerEntry) -> bool:
        """Tell whether it is selected. What cannot be read is given as it is: leaving it out would hide it."""
        if self._selection.everything:
            return True
        try:
            with entry.open() as file:
                header = read_header(file)
        except ItemUnavailableError:
            return True
        if header is None:
            return True
        taken = self._selection.takes_study(header.patient, header.study_date, header.description)
        if taken and self._selection.takes_series(header.modality):
            return True
        self.finds.passed("not selected")
        return False
