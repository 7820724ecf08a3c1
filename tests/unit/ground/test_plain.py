"""Values and sizes as they are shown."""

from __future__ import annotations

import pytest

from hmchain.plain import size, tell


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (21_240, "21.2 kB"),
        (999_600, "1.0 MB"),
        (14_280_000, "14.3 MB"),
        (5 << 30, "5.4 GB"),
        (7 * 10**15, "7000.0 TB"),
    ],
)
def test_sizes_are_written_in_powers_of_1000(count: int, written: str) -> None:
    assert size(count) == written


def test_progress_is_told_to_whoever_listens() -> None:
    heard: list[tuple[int, int | None]] = []
    tell(lambda done, of: heard.append((done, of)), 3, None)
    tell(None, 4, 5)
    assert heard == [(3, None)]
