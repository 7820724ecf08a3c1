"""Split an image set into a test set and hospitals of unlike size and class mix.

Near-duplicate groups are never divided: each lies in one hospital, and on one side of every split. Everything follows
from the seed, through numpy's PCG64 generator, before any result is seen: the test set from the seed alone, whatever
the number of hospitals; the hospitals from the seed and the number of the attempt, the first that fits being taken.

The class mix is the usual Dirichlet label skew (Hsu et al., arXiv 1909.06335): of every class, hospitals receive shares
drawn from Dirichlet(alpha). Small alpha is strong skew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmchain.errors import DataError, InputError
from hmchain.records.pictures.imageset import TEST, ImageSet

HOSPITALS_MIN, HOSPITALS_MAX = 3, 32
HOSPITAL_IMAGES_MIN = 20
TEST_SHARE = 0.25
VALIDATION_SHARE = 0.15
ATTEMPTS_MAX = 1000

Indices = npt.NDArray[np.int64]

SEED_MAX = (1 << 63) - 1
_TEST_STREAM, _HOSPITAL_STREAM = 0, 1


class PartitionSettingError(InputError):
    """A number of hospitals, a skew or a seed that cannot be."""

    code = "partition_setting"


class TooFewImagesError(DataError):
    """No split gives every hospital its minimum of images."""

    code = "too_few_images"


@dataclass(frozen=True)
class HospitalShare:
    """The images of one hospital, as sorted indices into the image set."""

    train: Indices
    validation: Indices

    def __len__(self) -> int:
        return len(self.train) + len(self.validation)


@dataclass(frozen=True)
class Partition:
    """The images of each hospital and of the test set."""

    test: Indices
    """The common test set, sorted indices; no hospital holds any of it."""
    hospitals: tuple[HospitalShare, ...]
    attempt: int
    """Which draw was taken, from 0."""


@dataclass(frozen=True)
class _Groups:
    """The near-duplicate groups of an image set: the unit of every split."""

    of_image: Indices
    """(images,), numbered from 0 without gaps."""
    label: Indices
    """(groups,), the commonest label in each group."""

    def members(self, chosen: Indices) -> Indices:
        return np.flatnonzero(np.isin(self.of_image, chosen))


def require_possible(hospitals: int, alpha: float, seed: int) -> None:
    """Raise `PartitionSettingError` for a setting out of range."""
    if not HOSPITALS_MIN <= hospitals <= HOSPITALS_MAX:
        hint = f"{HOSPITALS_MIN} to {HOSPITALS_MAX} are possible"
        raise PartitionSettingError(f"{hospitals} hospitals", hint)
    if not (alpha > 0 and math.isfinite(alpha)):
        raise PartitionSettingError(f"alpha is {alpha}", "give a positive number; 0.5 is a strong skew, 100 hardly any")
    if not 0 <= seed <= SEED_MAX:
        raise PartitionSettingError(f"the seed is {seed}", f"give a whole number from 0 to {SEED_MAX}")


def partition(image_set: ImageSet, hospitals: int, alpha: float, seed: int) -> Partition:
    """Split `image_set` among `hospitals` (3 to 32) with Dirichlet(`alpha`) label skew.

    The official test set is the test set; where there is none it is 25 % of the groups of each class. An official
    validation set is shared out with the training set: each hospital sets 15 % of its own groups aside.

    A draw is taken when every hospital has 20 images and two classes to train on; where no draw has the latter, the
    first that has the former. Raises what `require_possible` raises, and `TooFewImagesError` if
    1000 draws leave some hospital with fewer than 20 images.
    """
    require_possible(hospitals, alpha, seed)
    groups = _groups(image_set)
    test_groups, pool = _test_split(image_set, groups, np.random.Generator(np.random.PCG64([seed, _TEST_STREAM])))
    skewed: Partition | None = None
    smallest = 0
    for attempt in range(ATTEMPTS_MAX):
        rng = np.random.Generator(np.random.PCG64([seed, _HOSPITAL_STREAM, attempt]))
        shares = _draw(groups, pool, hospitals, alpha, rng)
        smallest = max(smallest, min(map(len, shares)))
        if min(map(len, shares)) < HOSPITAL_IMAGES_MIN:
            continue
        drawn = Partition(groups.members(test_groups), shares, attempt)
        if all(len(np.unique(image_set.labels[share.train])) > 1 for share in shares):
            return drawn
        skewed = skewed or drawn
    if skewed is None:
        raise _too_few(len(groups.members(pool)), hospitals, alpha, smallest)
    return skewed


def _groups(image_set: ImageSet) -> _Groups:
    of_image = np.unique(image_set.groups, return_inverse=True)[1].astype(np.int64)
    votes = np.zeros((int(of_image.max()) + 1, len(image_set.classes)), np.int64)
    np.add.at(votes, (of_image, image_set.labels), 1)
    return _Groups(of_image, votes.argmax(axis=1).astype(np.int64))


def _test_split(image_set: ImageSet, groups: _Groups, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The groups of the test set, and all others."""
    if image_set.official is not None:
        test = np.unique(groups.of_image[image_set.official == TEST])
    else:
        everything = np.arange(len(groups.label))
        test = np.concatenate([own[: round(TEST_SHARE * len(own))] for own in _by_class(groups, everything, rng)])
    return test, np.setdiff1d(np.arange(len(groups.label)), test)


def _draw(
    groups: _Groups, pool: Indices, hospitals: int, alpha: float, rng: np.random.Generator
) -> tuple[HospitalShare, ...]:
    owned: list[list[Indices]] = [[] for _ in range(hospitals)]
    for of_class in _by_class(groups, pool, rng):
        shares = rng.dirichlet(np.full(hospitals, alpha))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(of_class)).astype(np.int64)
        for mine, piece in zip(owned, np.split(of_class, cuts), strict=True):
            mine.append(piece)
    return tuple(_set_aside(groups, pieces) for pieces in owned)


def _set_aside(groups: _Groups, pieces: list[Indices]) -> HospitalShare:
    """Divide a hospital's groups, given a class at a time, into training and validation."""
    counts = [round(VALIDATION_SHARE * len(piece)) for piece in pieces]
    if not any(counts):  # too few of each class for any share: one group of the commonest, unless it is the last
        counts = [int(len(piece) > 1 and len(piece) == max(map(len, pieces))) for piece in pieces]
    validation = np.concatenate([piece[:count] for piece, count in zip(pieces, counts, strict=True)])
    train = np.concatenate([piece[count:] for piece, count in zip(pieces, counts, strict=True)])
    return HospitalShare(groups.members(train), groups.members(validation))


def _by_class(groups: _Groups, among: Indices, rng: np.random.Generator) -> list[Indices]:
    """The groups of each class that has any, shuffled."""
    labels = groups.label[among]
    return [rng.permutation(among[labels == label]) for label in np.unique(labels)]


def _too_few(images: int, hospitals: int, alpha: float, smallest: int) -> TooFewImagesError:
    what = (
        f"{images} images cannot be split among {hospitals} hospitals at alpha {alpha:g} so that each has "
        f"{HOSPITAL_IMAGES_MIN}: in the best of {ATTEMPTS_MAX} draws the smallest had {smallest}"
    )
    return TooFewImagesError(what, "use fewer hospitals, a larger alpha or more images")
