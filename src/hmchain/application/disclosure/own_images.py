"""A hospital's own images, as a study was given them: those that its model was trained on, and those held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmchain.application.consent.usable import Usable
from hmchain.application.hospital.published_data import require_published
from hmchain.application.models.export import opened_store
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.errors import DataError
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.ledger.state import State
from hmchain.plain import Progress, tell
from hmchain.records.pictures.duplicates import near_duplicate_groups, near_duplicates_of
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, ImageRecord, decode_image, stack

IMAGES_MAX = 1500
"""Of either kind that are looked at: more would take longer and say little more."""

Indices = npt.NDArray[np.int64]


class NothingLeftError(DataError):
    """A version has no record that evidence needs."""

    code = "nothing_left"


@dataclass(frozen=True)
class OwnImages:
    """Images (n, h, w, c) and labels (n,), first those of training; drawn by chance where there are many."""

    images: npt.NDArray[np.uint8]
    labels: Indices
    members: npt.NDArray[np.bool_]
    groups: Indices
    trained_on: int
    """All training images of the version that may be used."""
    across: int
    """Held-out images that are near-duplicates of training images; they are not among these."""


def require_own(place: HospitalFolder, records: Records, state: State, use: DatasetUse, passphrase: str | None) -> None:
    """Raise `UnpublishedDataError` unless a version's records are those that its study was given, less erased ones."""
    with opened_store(place, passphrase) as store:
        if store is not None:
            require_published(records.vault, store, state, place.organisation, use.dataset, use.version)


def own_images(records: Records, allowed: Usable, seed: bytes, progress: Progress | None = None) -> OwnImages:
    """The images of a version, of those that may be used for this. Raises `NothingLeftError`, or as the vault."""
    held: dict[str, list[ImageRecord]] = {TRAIN: [], VALIDATION: []}
    reading = records.vault.read(allowed.dataset, allowed.version, allowed.records)
    for done, (_, data) in enumerate(reading, 1):
        if (image := decode_image(data)).split in held:
            held[image.split].append(image)
        tell(progress, done, len(allowed.records))
    if not held[TRAIN]:
        what = f"{allowed.dataset} version {allowed.version} has no training image that may be used"
        raise NothingLeftError(what, "nothing can be measured: decide without, and say so")
    return arranged(held[TRAIN], held[VALIDATION], seed)


def arranged(trained: list[ImageRecord], others: list[ImageRecord], seed: bytes) -> OwnImages:
    """Images in an order that follows from what they are, with the groups of their near-duplicates."""
    random = np.random.default_rng(np.frombuffer(seed, np.uint8))
    ours = stack(trained).by_content()
    images, labels = [ours.images], [ours.labels]
    across = 0
    if others:
        theirs = stack(others).by_content()
        theirs_images, theirs_labels = _some(theirs.images, theirs.labels, random)
        copies = near_duplicates_of(theirs_images, ours.images)
        across = int(copies.sum())
        images.append(theirs_images[~copies])
        labels.append(theirs_labels[~copies])
    images[0], labels[0] = _some(ours.images, ours.labels, random)
    together = np.concatenate(images)
    return OwnImages(
        images=together,
        labels=np.concatenate(labels),
        members=np.arange(len(together)) < len(images[0]),
        groups=near_duplicate_groups(together),
        trained_on=len(ours.labels),
        across=across,
    )


def _some(
    images: npt.NDArray[np.uint8], labels: Indices, random: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], Indices]:
    chosen = np.sort(random.permutation(len(labels))[:IMAGES_MAX])
    return images[chosen], labels[chosen]
