"""Sets of images, whatever they were read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hmchain.errors import DataError, InputError

TRAIN, VALIDATION, TEST = 0, 1, 2


class UnknownDatasetError(InputError):
    """Neither the name of a data set nor a path to one."""

    code = "unknown_dataset"


class DatasetUnavailableError(DataError):
    """A known data set that is not on this machine."""

    code = "dataset_unavailable"


class DatasetLayoutError(DataError):
    """A file or folder that is not laid out as a data set."""

    code = "dataset_layout"


class EmptyDatasetError(DataError):
    """No image is left to work with."""

    code = "no_images"


class OneClassError(DataError):
    """All images are of one class: there is nothing to learn."""

    code = "one_class"


@dataclass(frozen=True)
class ExtractionReport:
    """The fate of the files on their way in. All counts are of files."""

    files_read: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()
    """(file, reason) of each file that was left out."""
    metadata_removed: Mapping[str, int] = field(default_factory=dict)
    """Files that carried EXIF, XMP, IPTC, ICC, PNG text, TIFF text or a comment."""
    files_with_metadata: int = 0
    misnamed: int = 0
    """Files whose content is of another format than their suffix says."""
    converted: int = 0
    """Files that were turned, deeper than 8 bits, transparent, of a palette or of several frames."""
    duplicates_dropped: int = 0
    """Images left out because they are near-duplicates of an image of the official test set."""


@dataclass(frozen=True)
class Original:
    """A picture as the set has it, before anything was done to it."""

    name: str
    """Unique in the set."""
    label: str
    """The class that the set files it under."""
    read: Callable[[], bytes] = field(repr=False)
    """The bytes of its file. Raises `OSError`."""


@dataclass(frozen=True)
class ImageSet:
    """Labelled images, bare of everything but their pixels."""

    name: str
    images: npt.NDArray[np.uint8]
    """(n, h, w, c), c = 1 (grey) or 3 (RGB)."""
    labels: npt.NDArray[np.int64]
    """(n,), indices into `classes`."""
    classes: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    """(n,), the near-duplicate group of each image."""
    official: npt.NDArray[np.int8] | None
    """(n,), `TRAIN`, `VALIDATION` or `TEST` where the set comes with its own split, else None."""
    stripped: npt.NDArray[np.bool_]
    """(n,), whose files carried metadata that was removed."""
    report: ExtractionReport
    credit: str
    """Where the images come from."""
    originals: tuple[Original, ...] = ()
    """(n,), what each image was read from."""
    unreadable: tuple[Original, ...] = ()
    """Files among those of the classes that are no images."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels


@dataclass(frozen=True)
class RawImageSet:
    """A set before near-duplicates are looked for; the fields are those of `ImageSet`."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    official: npt.NDArray[np.int8] | None
    stripped: npt.NDArray[np.bool_]
    report: ExtractionReport
    originals: tuple[Original, ...]
    unreadable: tuple[Original, ...] = ()
