"""Image sets in one .npz file: MedMNIST's layout, or `images` and `labels`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hmchain.records.pictures.decode import as_png, resize
from hmchain.records.pictures.imageset import (
    TEST,
    TRAIN,
    VALIDATION,
    DatasetLayoutError,
    EmptyDatasetError,
    ExtractionReport,
    Original,
    RawImageSet,
)

_PARTS = (("train", TRAIN), ("val", VALIDATION), ("test", TEST))
_LAYOUTS = "train_images, train_labels, val_images, val_labels, test_images and test_labels, or images and labels"

Arrays = Mapping[str, npt.NDArray[Any]]


def load_arrays(path: Path, size: int | None = None, classes: tuple[str, ...] = ()) -> RawImageSet:
    """Read an .npz file; images keep their size unless `size` asks for `size` x `size`.

    `classes` names the labels 0, 1, ...; without it a label is its own name. Raises `DatasetLayoutError` if the file is
    no .npz, lacks an array or has one of the wrong shape, `EmptyDatasetError` if it has no images.
    """
    arrays = _read(path)
    if "train_images" in arrays or "train_labels" in arrays:
        parts = [_part(arrays, f"{name}_", path) for name, _ in _PARTS]
        images = _concatenate([images for images, _ in parts], path)
        labels = np.concatenate([labels for _, labels in parts])
        official = np.repeat(np.array([split for _, split in _PARTS], np.int8), [len(part[1]) for part in parts])
    else:
        images, labels = _part(arrays, "", path)
        official = None
    if not len(images):
        raise EmptyDatasetError(f"{path} holds no images", f"it needs {_LAYOUTS}")
    values, indices = _classes(labels, classes, path)
    originals = _originals(images, [values[index] for index in indices])
    if size is not None and images.shape[1:3] != (size, size):
        images = np.stack([resize(image, size) for image in images])
    if official is not None and not (official == TEST).any():
        official = None  # an empty test set is none
    report = ExtractionReport(files_read=len(images))
    return RawImageSet(images, indices, values, official, np.zeros(len(images), np.bool_), report, originals)


def _originals(images: npt.NDArray[np.uint8], labels: Sequence[str]) -> tuple[Original, ...]:
    """Each image as a file of its own, in its own size."""
    pairs = enumerate(zip(images, labels, strict=True))
    return tuple(Original(f"{index:06d}.png", label, partial(as_png, image)) for index, (image, label) in pairs)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:  # a pickle could run code
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DatasetLayoutError(f"{path} is one bare array", f"give an .npz with {_LAYOUTS}")
            wanted = {"images", "labels"} | {f"{name}_{kind}" for name, _ in _PARTS for kind in ("images", "labels")}
            return {key: file[key] for key in file.files if key in wanted}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetLayoutError(
            f"{path} cannot be read as an .npz file", "it is damaged or of another kind"
        ) from error


def _part(arrays: Arrays, prefix: str, path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    for key in (f"{prefix}images", f"{prefix}labels"):
        if key not in arrays:
            raise DatasetLayoutError(f"{path} has no array {key}", f"it needs {_LAYOUTS}")
    images, labels = arrays[f"{prefix}images"], arrays[f"{prefix}labels"]
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        what = f"{prefix}images in {path} is {images.dtype} {images.shape}"
        raise DatasetLayoutError(what, "it must be uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3)")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DatasetLayoutError(f"{prefix}labels in {path} has shape {labels.shape}", "it must be one label an image")
    if len(labels) != len(images):
        raise DatasetLayoutError(f"{path} has {len(images)} {prefix}images but {len(labels)} {prefix}labels")
    return images, labels


def _concatenate(parts: list[npt.NDArray[np.uint8]], path: Path) -> npt.NDArray[np.uint8]:
    if len({part.shape[1:] for part in parts}) > 1:
        raise DatasetLayoutError(f"train, val and test images in {path} differ in size", "make them one size")
    return np.concatenate(parts)


def _classes(
    labels: npt.NDArray[Any], names: tuple[str, ...], path: Path
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The names of the classes, and for each label the index of its name."""
    if labels.dtype.kind not in "iubUS":
        raise DatasetLayoutError(f"labels in {path} are {labels.dtype}", "they must be integers or strings")
    values, indices = np.unique(labels, return_inverse=True)
    if names and labels.dtype.kind in "iu":
        if values[-1] >= len(names) or values[0] < 0:
            raise DatasetLayoutError(f"{path} has a label {values[-1]}", f"its classes are 0 to {len(names) - 1}")
        return names, labels.astype(np.int64)
    if labels.dtype.kind == "S":
        return tuple(value.decode("utf-8", "replace") for value in values), indices.astype(np.int64)
    return tuple(str(value) for value in values), indices.astype(np.int64)
