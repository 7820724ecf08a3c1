"""The class prior by integers, against fractions."""

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from hmchain.application.learning.prior import prior_q16, summed_counts

COUNTS = st.lists(st.integers(0, 1 << 24), min_size=2, max_size=20)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


@given(COUNTS)
def test_a_prior_is_the_smoothed_share_to_the_nearest_part(counts: list[int]) -> None:
    total = sum(counts) + len(counts)
    expected = [max(1, half_up(Fraction((count + 1) << 16, total))) for count in counts]
    assert list(prior_q16(counts)) == expected


@given(st.lists(st.integers(-(1 << 45), 1 << 45), max_size=20), st.integers(3, 32))
def test_counts_are_the_means_of_all_participants(means: list[int], participants: int) -> None:
    expected = [half_up(Fraction(max(mean, 0) * participants, 1 << 22)) for mean in means]
    assert list(summed_counts(means, participants)) == expected


def test_no_counts_are_one_prior_for_all() -> None:
    assert prior_q16((0, 0, 0)) == (21845, 21845, 21845)
