"""What all tests share: fixed seeds, folders in memory, a terminal that is the same everywhere, and no skip in CI."""

from __future__ import annotations

import gc
import os
import subprocess
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.opened import OPENED, close_since

os.environ.pop("COLUMNS", None)  # people's pipes have no width
# Examples follow from the test alone, so a failure repeats; deadlines would measure the machine, not the code.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
_ENDING_SECONDS = 60


def _in_memory() -> bool:
    """Whether Linux's folder in memory has room for the tests' files, and lets programs run there (in a container it
    often does neither)."""
    if not os.access(_MEMORY, os.W_OK):
        return False
    found = os.statvfs(_MEMORY)
    return found.f_bavail * found.f_frsize >= _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC


# A bed syncs thousands of times, for power cuts that no test waits for: those of tests/integration are played from the
# calls. On a disk, syncing is a quarter of what tests cost, and much more beside others who write there.
if _in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of long tests alone where those are left out: each worker would."""
    if config.option.markexpr != "not network" or not collection_path.name.startswith("test_"):
        return None
    lines = collection_path.read_text("utf-8").splitlines() if collection_path.is_file() else []
    return True if any(line.startswith("pytestmark") and ".network" in line for line in lines) else None


def pytest_report_header() -> list[str]:
    """Say where chance comes from, and where files go."""
    return [
        "seeds: fixed in each test; hypothesis examples derived from the test (derandomize)",
        f"files: below {os.environ.get('PYTEST_DEBUG_TEMPROOT', 'the folder for temporary files')}",
    ]


def pytest_collection_finish() -> None:
    """What thousands of collected tests hold stays to the end, so no collection of garbage looks through it again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what a process wrote that failed a test, which Python keeps to itself.

    In continuous integration nothing may be missing: a test that would be skipped elsewhere fails there.
    """
    failed = call.excinfo and call.excinfo.value
    if isinstance(failed, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        failed.add_note(f"its output: {failed.stdout}\nits errors: {failed.stderr}")
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome, report.longrepr = "failed", f"CI=true, and this test would be skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _what_a_test_opens_ends_with_it() -> Iterator[None]:
    """Close the beds and chains that a test opened."""
    count = len(OPENED)
    yield
    close_since(count)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left_open() -> Iterator[None]:
    """Close those of a whole file; what else runs threads (a node, a server) is closed by whoever opened it.

    Else the tests of another file find it.
    """
    before, count = set(threading.enumerate()), len(OPENED)
    yield
    close_since(count)
    started = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    if started:
        gc.collect()  # a pool that nobody holds any more ends its threads
    for thread in started:
        thread.join(_ENDING_SECONDS)
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"a test of this file left open what these threads belong to: {left}"
