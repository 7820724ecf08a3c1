"""Splits: nothing is lost, nothing leaks, the seed decides, and what cannot be is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.records.pictures.imageset import TEST, ExtractionReport, ImageSet
from hmchain.records.pictures.partition import (
    HOSPITAL_IMAGES_MIN,
    Partition,
    PartitionSettingError,
    TooFewImagesError,
    partition,
)


def image_set(n: int = 600, classes: int = 2, group_size: int = 3, official: bool = False, seed: int = 0) -> ImageSet:
    """Labels and groups alone: a split looks at nothing else."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n // group_size, n)
    return ImageSet(
        "made",
        np.zeros((n, 1, 1, 1), np.uint8),
        groups % classes,
        tuple(map(str, range(classes))),
        groups,
        np.where(groups % 5 == 0, TEST, 0).astype(np.int8) if official else None,
        np.zeros(n, np.bool_),
        ExtractionReport(),
        "",
    )


def parts(split: Partition) -> list[np.ndarray]:
    return [split.test, *(part for share in split.hospitals for part in (share.train, share.validation))]


@given(
    st.integers(3, 8),
    st.sampled_from([0.3, 0.5, 1.0, 100.0]),
    st.integers(0, 2**40),
    st.booleans(),
    st.integers(2, 4),
)
@settings(max_examples=60, deadline=None)
def test_every_image_lies_in_one_part_and_no_group_is_divided(
    hospitals: int, alpha: float, seed: int, official: bool, classes: int
) -> None:
    images = image_set(1000, classes, official=official)
    split = partition(images, hospitals, alpha, seed)
    assert np.array_equal(np.sort(np.concatenate(parts(split))), np.arange(len(images)))
    seen: set[int] = set()
    for part in parts(split):
        own = set(images.groups[part].tolist())
        assert not own & seen
        seen |= own
    assert all(len(share) >= HOSPITAL_IMAGES_MIN for share in split.hospitals)
    assert all(len(share.validation) for share in split.hospitals)
    if alpha >= 0.5 and hospitals <= 6:  # a stronger skew may have no draw with two classes for everyone
        assert all(len(set(images.labels[share.train])) > 1 for share in split.hospitals)


def test_an_official_test_set_is_kept() -> None:
    images = image_set(official=True)
    assert images.official is not None
    assert np.array_equal(partition(images, 4, 0.5, 1).test, np.flatnonzero(images.official == TEST))


def test_a_quarter_of_the_groups_of_each_class_is_the_test_set() -> None:
    images = image_set(4000, classes=3)
    test = partition(images, 4, 0.5, 1).test
    for label in range(3):
        of_class = set(images.groups[images.labels == label])
        assert len(of_class & set(images.groups[test])) == round(0.25 * len(of_class))


def test_hospitals_set_about_15_percent_aside() -> None:
    for share in partition(image_set(6000), 4, 1.0, 1).hospitals:
        assert 0.1 < len(share.validation) / len(share) < 0.2


def same(one: Partition, two: Partition) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(parts(one), parts(two), strict=True))


def test_the_seed_decides() -> None:
    images = image_set()
    assert same(partition(images, 4, 0.5, 7), partition(images, 4, 0.5, 7))
    assert not same(partition(images, 4, 0.5, 7), partition(images, 4, 0.5, 8))


def test_a_split_stays_what_it_was() -> None:
    """A changed split would make every published figure another experiment."""
    split = partition(image_set(200, group_size=1), 3, 0.5, 2024)
    assert [len(part) for part in parts(split)] == [59, 53, 11, 48, 7, 19, 3]
    assert split.test[:8].tolist() == [1, 3, 8, 9, 13, 14, 22, 27]


def test_the_test_set_does_not_depend_on_the_hospitals() -> None:
    images = image_set()
    chosen = {partition(images, n, alpha, 7).test.tobytes() for n in (3, 5, 8) for alpha in (0.5, 10)}
    assert len(chosen) == 1


def test_small_alpha_is_more_skew() -> None:
    images = image_set(6000)

    def spread(alpha: float) -> float:
        shares = [images.labels[share.train].mean() for share in partition(images, 5, alpha, 3).hospitals]
        return float(np.std(shares))

    assert spread(0.3) > 5 * spread(1000)


def test_a_split_is_drawn_again_until_every_hospital_has_its_images() -> None:
    split = partition(image_set(400), 8, 0.5, 0)
    assert split.attempt > 0
    assert min(map(len, split.hospitals)) >= HOSPITAL_IMAGES_MIN


def test_a_hospital_with_fewer_than_20_images_is_refused() -> None:
    with pytest.raises(TooFewImagesError, match=r"\d+ images cannot be split among 10 hospitals") as error:
        partition(image_set(120), 10, 0.5, 0)
    assert "fewer hospitals" in error.value.hint


def test_one_class_a_hospital_is_taken_where_nothing_else_is_to_be_had() -> None:
    """One class is a single group: it lies in one hospital, whatever is drawn."""
    images = image_set(400, group_size=1)
    whole = np.where(images.labels == 1, 10**6, images.groups)
    rare = ImageSet(**{**images.__dict__, "groups": whole})
    split = partition(rare, 3, 1.0, 0)
    assert min(map(len, split.hospitals)) >= HOSPITAL_IMAGES_MIN
    assert min(len(set(rare.labels[share.train])) for share in split.hospitals) == 1


@pytest.mark.parametrize(
    ("hospitals", "alpha", "seed"),
    [(2, 0.5, 0), (33, 0.5, 0), (4, 0.0, 0), (4, -1.0, 0), (4, float("nan"), 0), (4, float("inf"), 0), (4, 0.5, -1)],
)
def test_settings_out_of_range(hospitals: int, alpha: float, seed: int) -> None:
    with pytest.raises(PartitionSettingError) as error:
        partition(image_set(), hospitals, alpha, seed)
    assert error.value.hint
