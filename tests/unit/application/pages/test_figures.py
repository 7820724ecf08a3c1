"""Numbers are written for readers."""

from __future__ import annotations

import pytest

from hmchain.application.pages import figures


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.score(0.9749), "0.975"),
        (figures.score(None), "–"),
        (figures.score(float("nan")), "–"),
        (figures.signed(-0.0204), "−0.020"),
        (figures.percent(0.047, sign=True), "+4.7\u202f%"),
        (figures.percent(0.0, decimals=0), "0\u202f%"),
        (figures.percent(-0.25), "−25.0\u202f%"),
        (figures.percent(float("inf")), "–"),
        (figures.interval(0.951, 0.987), "0.951–0.987"),
        (figures.interval(0.951, None), ""),
        (figures.whole(1234567), "1\u202f234\u202f567"),
        (figures.duration(0.4), "0.40 s"),
        (figures.duration(59.96), "1 min 00 s"),
        (figures.duration(125.4), "2 min 05 s"),
        (figures.decimal(0.85), "0.85"),
        (figures.decimal(10000.0), "10\u202f000"),
        (figures.moment("2025-01-31T12:00:00Z"), "2025-01-31 12:00 UTC"),
        (figures.moment("yesterday"), "yesterday"),
        (figures.plural(1, "image"), "1 image"),
        (figures.plural(2, "image was", "images were"), "2 images were"),
    ],
)
def test_numbers_are_written_for_readers(written: str, expected: str) -> None:
    assert written == expected
