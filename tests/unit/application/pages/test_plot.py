"""Axes and labels of drawings."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.pages.plot import spread, ticks


@settings(derandomize=True, max_examples=200)
@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 12))
def test_ticks_are_few_even_and_inside(low: float, width: float, count: int) -> None:
    found = ticks(low, low + width, count)
    assert len(found) <= count + 1
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-6, abs=1e-8) for step in steps)


@settings(derandomize=True)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=20))
def test_labels_keep_apart_and_in_order(lines: list[float]) -> None:
    placed = spread(lines, 14, 0, 300)
    ordered = [place for _, place in sorted(zip(lines, placed, strict=True), key=lambda pair: (pair[0], pair[1]))]
    assert all(after - before >= 14 - 1e-6 for before, after in itertools.pairwise(ordered))
    assert max(placed) <= 300 + 1e-6
