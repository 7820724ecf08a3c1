"""Images in one .npz file, streamed: MedMNIST's layout, or `images` and `labels`.

An .npz file is a .zip file of arrays, so images are read one after another and none but the current one is in memory.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hmchain.records.pictures import medmnist
from hmchain.records.pictures.decode import PIXELS_MAX, as_png
from hmchain.records.pictures.imageset import DatasetLayoutError
from hmchain.records.sources.containers.entry import text_of
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import IMAGE, FoundFile, Item, SourceError
from hmchain.records.sources.marks import mark, mark_of_large_file

_PARTS = ("train", "val", "test")
_LAYOUTS = "train_images, train_labels, val_images, val_labels, test_images and test_labels, or images and labels"
_DAMAGE = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error)
_LABEL_BYTES_MAX = 256 << 20

Shape = tuple[int, int, int]
"""Height, width, channels."""


class ImageArrays:
    """The images of an .npz file, each as a PNG file (a `Source`).

    Items are called after their part and index, for instance `test/000017`; the label is the class's name, for
    MedMNIST's sets the one that it published. Raises `DatasetLayoutError` if the file is laid out in another way.
    """

    def __init__(self, path: Path, classes: tuple[str, ...] = ()) -> None:
        self._path = path
        self._classes = classes or medmnist.CLASSES.get(path.stem.lower(), ())
        self._parts = self._find_parts()
        self.finds = Finds()
        """What the last run of `items` came upon: the one file."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The images in the order of the file, but for those that are `done`."""
        file = FoundFile(text_of(self._path.name), mark_of_large_file(text_of(self._path.name), self._path))
        self.finds.clear()
        self.finds.file(file.name, lambda: file.mark)
        with self._opened() as archive:
            for part, prefix in self._parts:
                labels = self._labels(archive, f"{prefix}labels")
                for index, (pixels, shape) in enumerate(self._images(archive, f"{prefix}images")):
                    name = f"{part}/{index:06d}"
                    known = mark(name, str(shape).encode(), pixels)
                    if self.finds.wants(done, known):
                        label = self._class(labels[index])
                        yield Item(name, IMAGE, partial(_png, pixels, shape), label, mark=known, within=file)

    def count(self) -> int | None:
        """The number of images."""
        with self._opened() as archive:
            return sum(self._header(archive, f"{prefix}images")[0] for _, prefix in self._parts)

    def _find_parts(self) -> list[tuple[str, str]]:
        """(name, prefix of its arrays) of the parts, each checked for its shape."""
        with self._opened() as archive:
            arrays = {name.removesuffix(".npy") for name in archive.namelist()}
            parts = [(part, f"{part}_") for part in _PARTS if {f"{part}_images", f"{part}_labels"} <= arrays]
            if not parts and {"images", "labels"} <= arrays:
                parts = [("images", "")]
            if not parts:
                raise DatasetLayoutError(f"{self._path} has no images and labels", f"it needs {_LAYOUTS}")
            for _, prefix in parts:
                count, _ = self._header(archive, f"{prefix}images")
                if len(self._labels(archive, f"{prefix}labels")) != count:
                    raise DatasetLayoutError(f"{self._path} has not one label for each of its {prefix}images")
        return parts

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except _DAMAGE as error:
            raise self._damaged() from error

    def _header(self, archive: zipfile.ZipFile, array: str) -> tuple[int, Shape]:
        with self._array(archive, array) as file:
            return self._read_header(file, array)

    def _images(self, archive: zipfile.ZipFile, array: str) -> Iterator[tuple[bytes, Shape]]:
        with self._array(archive, array) as file:
            count, shape = self._read_header(file, array)
            size = shape[0] * shape[1] * shape[2]
            for _ in range(count):
                pixels = self._read(file, size)
                yield pixels, shape

    def _array(self, archive: zipfile.ZipFile, array: str) -> IO[bytes]:
        try:
            return archive.open(f"{array}.npy")
        except _DAMAGE as error:
            raise self._damaged() from error

    def _read_header(self, file: IO[bytes], array: str) -> tuple[int, Shape]:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, kind = read(file)
        except _DAMAGE as error:
            raise self._damaged() from error
        grey = len(shape) == 3
        if kind != np.uint8 or fortran or not (grey or (len(shape) == 4 and shape[3] in (1, 3))) or 0 in shape[1:]:
            what = f"{array} in {self._path} is {kind} {shape}"
            raise DatasetLayoutError(
                what, "it must be uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3), last index fastest"
            )
        if shape[1] * shape[2] > PIXELS_MAX:
            what = f"{array} in {self._path} has images of {shape[1]} x {shape[2]} pixels"
            raise DatasetLayoutError(what, f"at most {PIXELS_MAX // 10**6} million are read")
        return shape[0], (shape[1], shape[2], 1 if grey else shape[3])

    def _read(self, file: IO[bytes], size: int) -> bytes:
        try:
            pixels = file.read(size)
        except _DAMAGE as error:
            raise self._cut() from error
        if len(pixels) < size:
            raise self._cut()
        return pixels

    def _labels(self, archive: zipfile.ZipFile, array: str) -> npt.NDArray[Any]:
        try:
            if archive.getinfo(f"{array}.npy").file_size > _LABEL_BYTES_MAX:
                raise DatasetLayoutError(f"{array} in {self._path} is too long", "give one label an image")
            with archive.open(f"{array}.npy") as file:
                labels = np.lib.format.read_array(file, allow_pickle=False)  # a pickle could run code
        except _DAMAGE as error:
            raise self._damaged() from error
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1 or labels.dtype.kind not in "iubUS":
            what = f"{array} in {self._path} is {labels.dtype} {labels.shape}"
            raise DatasetLayoutError(what, "it must be one integer or string an image")
        return labels

    def _class(self, label: Any) -> str:
        if isinstance(label, bytes):
            return label.decode("utf-8", "replace")
        if isinstance(label, str) or not 0 <= int(label) < len(self._classes):
            return str(label)
        return self._classes[int(label)]

    def _damaged(self) -> DatasetLayoutError:
        return DatasetLayoutError(f"{self._path} cannot be read as an .npz file", "it is damaged or of another kind")

    def _cut(self) -> SourceError:
        return SourceError(f"{self._path} is damaged or cut short", "fetch it again; what was extracted stays")


def _png(pixels: bytes, shape: Shape) -> BinaryIO:
    return io.BytesIO(as_png(np.frombuffer(pixels, np.uint8).reshape(shape)))
