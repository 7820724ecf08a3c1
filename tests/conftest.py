"""What all tests share: fixed seeds, and a terminal that is the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Examples follow from the test alone, so a failure repeats; deadlines would measure the machine, not the code.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")


def pytest_report_header() -> str:
    """Say where chance comes from."""
    return "seeds: fixed in each test; hypothesis examples derived from the test (derandomize)"


@pytest.fixture(autouse=True)
def _no_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test workers set a width of 80; people's pipes have none."""
    monkeypatch.delenv("COLUMNS", raising=False)
