"""Folders of image files: a sub-folder a class, with or without folders `train`, `val` and `test` above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hmchain.plain import Progress, tell
from hmchain.records.pictures.decode import (
    FORMATS,
    DecodedImage,
    NotAnImageError,
    decode_image,
    quiet,
    read_bytes,
    to_grey,
)
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

_SPLITS = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
_THREADS = 2
_COLOUR_CAST = 2.0  # grey levels between channels, on average, that a grey picture saved as JPEG can show


@dataclass(frozen=True)
class ImageFile:
    """One file to read."""

    path: Path
    label: str
    split: int = TRAIN


def list_files(folder: Path) -> tuple[list[ImageFile], list[tuple[str, str]]]:
    """Find the files of a folder in the order of their paths, and those that lie where no class is, with the reason."""
    entries = _visible(folder)
    tops = [entry for entry in entries if entry.is_dir()]
    stray = [(entry.name, "outside the folder of any class") for entry in entries if not entry.is_dir()]
    if are_splits(top.name for top in tops):
        roots = [(kind, _SPLITS[top.name.lower()]) for top in tops for kind in _visible(top) if kind.is_dir()]
    else:
        roots = [(top, TRAIN) for top in tops]
    files = [
        ImageFile(path, root.name, split)
        for root, split in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    return files, stray


def are_splits(tops: Iterable[str]) -> bool:
    """Tell whether folders of these names are the parts of a split, with the classes inside them."""
    names = {top.lower() for top in tops}
    return {"train", "test"} <= names <= _SPLITS.keys()


def load_folder(folder: Path, size: int, progress: Progress | None = None) -> RawImageSet:
    """Read a folder of images at `size` x `size` pixels.

    Raises `DatasetLayoutError` if there are no folders of classes, `EmptyDatasetError` if no file is an image.
    """
    files, stray = list_files(folder)
    if not files:
        if stray:
            hint = "put the images of each class into a sub-folder named after the class"
            raise DatasetLayoutError(f"{folder} has files but no folders of classes", hint)
        raise EmptyDatasetError(f"{folder} holds no images", "give a folder that has a sub-folder a class")
    return read_files(files, folder, size, progress=progress, stray=stray)


def read_files(
    files: Sequence[ImageFile],
    folder: Path,
    size: int,
    *,
    grey: bool | None = None,
    progress: Progress | None = None,
    stray: Sequence[tuple[str, str]] = (),
) -> RawImageSet:
    """Decode `files`; what does not decode is quarantined under its path below `folder`.

    `grey` stores luma alone; None does so if no image has colour. Raises `EmptyDatasetError` if nothing is left.
    """
    results = _decode_all(files, size, progress)
    kept = [(file, result) for file, result in zip(files, results, strict=True) if isinstance(result, DecodedImage)]
    unreadable, quarantined = [], [*stray]
    for file, result in zip(files, results, strict=True):
        if isinstance(result, NotAnImageError):
            unreadable.append(_original(file, folder))
            quarantined.append((unreadable[-1].name, result.what))
    if not kept:
        name, reason = quarantined[0]
        raise EmptyDatasetError(
            f"none of the {len(quarantined)} files in {folder} is an image", f"the first, {name}: {reason}"
        )
    images = np.stack([result.pixels for _, result in kept])
    if grey or (grey is None and not _has_colour(images)):
        images = to_grey(images)
    classes = tuple(sorted({file.label for file, _ in kept}))
    official = np.array([file.split for file, _ in kept], np.int8)
    return RawImageSet(
        images,
        np.array([classes.index(file.label) for file, _ in kept], np.int64),
        classes,
        official if (official == TEST).any() else None,
        np.array([bool(result.removed) for _, result in kept]),
        _report(kept, quarantined),
        tuple(_original(file, folder) for file, _ in kept),
        tuple(unreadable),
    )


def _original(file: ImageFile, folder: Path) -> Original:
    return Original(file.path.relative_to(folder).as_posix(), file.label, file.path.read_bytes)


def _decode_all(
    files: Sequence[ImageFile], size: int, progress: Progress | None
) -> list[DecodedImage | NotAnImageError]:
    def read(file: ImageFile) -> DecodedImage | NotAnImageError:
        try:
            return decode_image(read_bytes(file.path), size)
        except NotAnImageError as error:
            return error

    results = []
    with quiet(), ThreadPoolExecutor(_THREADS) as pool:
        for done, result in enumerate(pool.map(read, files), start=1):
            results.append(result)
            tell(progress, done, len(files))
    return results


def _has_colour(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    for image in images:
        cast = image.max(axis=2) - image.min(axis=2)
        if cast.mean() > _COLOUR_CAST:
            return True
    return False


def _report(kept: Sequence[tuple[ImageFile, DecodedImage]], quarantined: Sequence[tuple[str, str]]) -> ExtractionReport:
    removed = Counter(kind for _, decoded in kept for kind in decoded.removed)
    return ExtractionReport(
        files_read=len(kept),
        quarantined=tuple(quarantined),
        metadata_removed=dict(sorted(removed.items())),
        files_with_metadata=sum(bool(decoded.removed) for _, decoded in kept),
        misnamed=sum(file.path.suffix.lower() not in FORMATS[decoded.format] for file, decoded in kept),
        converted=sum(decoded.converted for _, decoded in kept),
    )


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DatasetLayoutError(f"{folder} cannot be read", "check the path and its owner") from error
