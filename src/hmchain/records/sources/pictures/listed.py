"""Pictures that somebody lists: files of a public set that a hospital is given, say."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO

from hmchain.records.pictures.imageset import Original
from hmchain.records.sources.item import IMAGE, Item, ItemUnavailableError
from hmchain.records.sources.marks import mark


class ListedPictures:
    """Pictures in the order of a list (a `Source`), each labelled with the class that it is filed under.

    Some may be of patients, by their names: of the others nobody says whose they are.
    """

    def __init__(self, pictures: Sequence[Original], patients: Mapping[str, str] | None = None) -> None:
        self._pictures, self._patients = pictures, patients or {}

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The pictures, but for those that are `done`."""
        for picture in self._pictures:
            try:
                data = picture.read()
            except OSError:
                yield Item(picture.name, IMAGE, _fail, picture.label)
                continue
            patient = self._patients.get(picture.name, "")
            said = (picture.label.encode(), patient.encode()) if patient else (picture.label.encode(),)
            known = mark(picture.name, *said, data)
            if not done(known):
                yield Item(picture.name, IMAGE, partial(io.BytesIO, data), picture.label, patient, known)

    def count(self) -> int | None:
        """The number of pictures."""
        return len(self._pictures)


def _fail() -> BinaryIO:
    raise ItemUnavailableError("a picture cannot be read", "check its owner and its disk, then run the same again")
