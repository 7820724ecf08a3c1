"""The bed of most tests of rounds; a file that wants another one makes its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.study_bed import Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """Four hospitals, and a study of theirs that all have approved."""
    from support.study_bed import Bed  # many tests need none

    bed = Bed.found(tmp_path)
    bed.prepare()
    bed.approve()
    yield bed
    bed.close()
