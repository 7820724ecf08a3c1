"""Near-duplicates: against an obvious twin, and the cases in which a correlation means nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hmchain.records.pictures import duplicates
from hmchain.records.pictures.duplicates import joined_groups, near_duplicate_groups, near_duplicates_of


def pictures(n: int, height: int = 20, width: int = 24, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Smooth random pictures, no two alike."""
    rng = np.random.default_rng(seed)
    made = [
        np.asarray(
            Image.fromarray(rng.integers(0, 230, (5, 5, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        )
        for _ in range(n)
    ]
    return np.stack(made)[..., :channels]


def noisy(images: np.ndarray, seed: int = 1) -> np.ndarray:
    """Copies as another encoder would make them: a little brighter, a little noise."""
    noise = np.random.default_rng(seed).normal(6, 2, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def obvious_groups(images: np.ndarray, threshold: float) -> list[int]:
    """Compare all pairs, then walk each component."""
    n, height, width, _ = images.shape
    row_of, column_of = np.arange(16 * height) // height, np.arange(16 * width) // width
    small = np.zeros((n, 16, 16))
    for i, image in enumerate(images.mean(axis=3)):
        fine = np.repeat(np.repeat(image, 16, axis=0), 16, axis=1)  # 16 times finer: areas divide evenly
        np.add.at(small[i], (row_of[:, None], column_of[None]), fine)
    related = np.atleast_2d(np.corrcoef(small.reshape(n, -1)) > threshold)
    group = [-1] * n
    for start in range(n):
        todo = [start] if group[start] < 0 else []
        number = max(group) + 1
        while todo:
            here = todo.pop()
            if group[here] < 0:
                group[here] = number
                todo += np.flatnonzero(related[here]).tolist()
    return group


@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5, 0.7, 0.99]), st.sampled_from([(20, 24), (16, 16), (9, 40)]))
@settings(max_examples=40, deadline=None)
def test_groups_equal_those_of_the_obvious_way(seed: int, threshold: float, shape: tuple[int, int]) -> None:
    images = pictures(20, *shape, channels=3, seed=seed)
    assert near_duplicate_groups(images, threshold).tolist() == obvious_groups(images, threshold)


def test_copies_are_found_and_others_are_not() -> None:
    images = pictures(30)
    groups = near_duplicate_groups(np.concatenate([images, noisy(images)]))
    assert groups.tolist() == [*range(30), *range(30)]


def test_blocks_do_not_change_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([pictures(40), noisy(pictures(40))[::-1]])
    whole = near_duplicate_groups(images, 0.6)
    monkeypatch.setattr(duplicates, "BLOCK_THUMBNAILS", 7)
    monkeypatch.setattr(duplicates, "BLOCK_PIXELS", 1000)
    assert near_duplicate_groups(images, 0.6).tolist() == whole.tolist()


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    first, last = pictures(2).astype(float)
    steps = np.linspace(0, 1, 60)[:, None, None, None]
    chain = (first * (1 - steps) + last * steps).astype(np.uint8)
    assert set(near_duplicate_groups(chain)) == {0}
    assert set(near_duplicate_groups(chain[[0, -1]])) == {0, 1}


def test_blank_images_are_one_group_and_near_nothing_else() -> None:
    blank = np.stack([np.full((20, 24, 1), grey, np.uint8) for grey in (0, 128, 255)])
    assert near_duplicate_groups(np.concatenate([pictures(2), blank])).tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("side", [1, 8, 16, 17, 100])
def test_any_size(side: int) -> None:
    images = pictures(6, side, side)
    assert near_duplicate_groups(images).shape == (6,)


def test_no_images() -> None:
    assert near_duplicate_groups(np.zeros((0, 8, 8, 1), np.uint8)).tolist() == []


def obvious_joined(groups: list[int], keys: list[str]) -> list[int]:
    """Walk from each thing to all that share its group or its key."""
    number = [-1] * len(groups)
    for start in range(len(groups)):
        todo, new = ([start] if number[start] < 0 else []), max(number, default=-1) + 1
        while todo:
            here = todo.pop()
            if number[here] < 0:
                number[here] = new
                todo += [i for i in range(len(groups)) if groups[i] == groups[here] or keys[i] == keys[here]]
    return number


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abcdefghijkl")), min_size=1, max_size=30))
def test_groups_are_joined_by_keys_as_in_the_obvious_way(things: list[tuple[int, str]]) -> None:
    groups, keys = [group for group, _ in things], [key for _, key in things]
    assert joined_groups(np.array(groups), keys).tolist() == obvious_joined(groups, keys)


def test_duplicates_of_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    images, reference = pictures(20), pictures(10, seed=5)
    images[[3, 17]] = noisy(reference[[0, 9]])
    for block in (4096, 4):
        monkeypatch.setattr(duplicates, "BLOCK_THUMBNAILS", block)
        assert np.flatnonzero(near_duplicates_of(images, reference)).tolist() == [3, 17]
    assert not near_duplicates_of(images, reference[:0]).any()
