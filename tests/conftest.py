"""What all tests share: fixed seeds, a terminal that is the same everywhere, and no skip in CI."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Examples follow from the test alone, so a failure repeats; deadlines would measure the machine, not the code.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")


def pytest_report_header() -> str:
    """Say where chance comes from."""
    return "seeds: fixed in each test; hypothesis examples derived from the test (derandomize)"


def pytest_collection_finish() -> None:
    """What thousands of collected tests hold stays to the end, so no collection of garbage looks through it again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration nothing may be missing: a test that would be skipped elsewhere fails there."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome, report.longrepr = "failed", f"CI=true, and this test would be skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _no_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test workers set a width of 80; people's pipes have none."""
    monkeypatch.delenv("COLUMNS", raising=False)
