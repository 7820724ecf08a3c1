"""What counts as known by heart: certain of its own images alone, or surer of one than models without it."""

from __future__ import annotations

import numpy as np
import pytest

from hmchain.application.disclosure.evidence import Found
from hmchain.application.disclosure.membership import Floats, Signals, attacks
from hmchain.application.disclosure.memorisation import memorisation


def signals(target: Floats, usual: float = 0.6, groups: list[int] | None = None) -> Signals:
    """100 images that it was trained on, 100 others, and four references that say the same of all."""
    n = len(target)
    return Signals(
        target, np.arange(n) < n // 2, np.zeros(n, np.int64), np.array(groups or range(n)), np.full((4, n), usual),
        np.zeros((4, n), np.bool_),
    )  # fmt: skip


def test_what_it_is_as_sure_of_elsewhere_is_not_memorised() -> None:
    found = memorisation(signals(np.tile([0.995, 0.7], 100)), 0)
    assert found.found is Found.NOTHING_SEEN and not found.why
    assert found.certain is not None and found.certain_others is not None
    assert found.certain.value == found.certain_others.value == 0.5
    assert (found.outliers, found.outliers_expected) == (50, 50.0)


def test_certainty_of_its_own_images_alone_is_seen() -> None:
    found = memorisation(signals(np.append(np.full(100, 0.995), np.full(100, 0.7))), 0)
    assert found.found is Found.SEEN and "certain of more images" in found.why


@pytest.mark.parametrize(("many", "seen"), [(1, Found.NOTHING_SEEN), (8, Found.SEEN)])
def test_a_few_images_that_no_model_without_them_knows_are_seen(many: int, seen: Found) -> None:
    """A threshold of 0.25 over models without the image (Feldman and Zhang, 2020)."""
    target = np.full(200, 0.6)
    target[:many] = 0.9
    found = memorisation(signals(target), 0)
    assert (found.outliers, found.outliers_expected) == (many, 0.0)
    assert found.found is seen
    assert found.certain is not None and found.certain.value == 0


@pytest.mark.network
def test_few_others_without_any_are_no_finding_by_themselves() -> None:
    """Resamples of twenty others of whom none is an outlier would all have none; that is seen often by chance."""
    seen = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        made = signals(np.where(random.random(320) < 0.05, 0.9, 0.6))
        members = np.arange(320) < 300
        few = Signals(made.target, members, made.labels, made.groups, made.references, made.inside)
        seen += memorisation(few, 0, seed).found is Found.SEEN
    assert seen <= 3


@pytest.mark.parametrize("known", [(1, 1), (0, 1)])
def test_nothing_is_said_where_others_lack_a_class(known: tuple[int, int]) -> None:
    """It knows all of that class by heart, and nobody could tell."""
    made = signals(np.append(np.full(100, 0.999), np.full(100, 0.2)))
    labels = np.append(np.tile(known, 50), np.zeros(100, np.int64))
    found = memorisation(Signals(made.target, made.members, labels, made.groups, made.references, made.inside), 0)
    assert found.found is Found.NOT_SAID and "lack a class" in found.why


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nothing_is_said_of_what_is_no_number(number: float) -> None:
    made = signals(np.append(np.full(199, 0.5), number))
    assert memorisation(made, 0).found is Found.NOT_SAID
    assert all(each.found is Found.NOT_SAID for each in attacks(made, None))


def test_outliers_take_references() -> None:
    made = signals(np.full(200, 0.6))
    found = memorisation(Signals(made.target, made.members, made.labels, made.groups), 0)
    assert found.outliers is None and "no reference models" in found.why


def test_near_duplicates_are_counted_within_and_across() -> None:
    groups = [0, 0, 0, 3, 3, *range(5, 100), *range(100, 200)]
    found = memorisation(signals(np.full(200, 0.6), groups=groups), 7)
    assert (found.alike, found.across) == (5, 7)


def test_of_few_images_nothing_is_said() -> None:
    found = memorisation(signals(np.full(30, 0.6)), 0)
    assert found.found is Found.NOT_SAID and "15 others" in found.why and found.certain is None
