"""Work in a process of its own: its answers and errors come back, its end is an error, and ours is its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain import correlation
from hmchain.apart import ChildEndedError, ChildProcess, once
from hmchain.application.jobs.jobs import JobCancelledError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.persons import PersonNameError, add
from hmchain.processes import PASSPHRASE
from support.apart import Hostile, for_ever, surroundings
from support.paths import REPOSITORY

pytestmark = pytest.mark.process

WAIT_SECONDS = 60


@pytest.fixture(autouse=True)
def _work_of_tests_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "tests"))
    monkeypatch.setenv(PASSPHRASE, "secret")


@pytest.fixture
def apart() -> Iterator[ChildProcess]:
    found = ChildProcess(answer_seconds=WAIT_SECONDS)
    yield found
    found.close()


def test_answers_and_errors_come_back_and_an_end_is_an_error(apart: ChildProcess, tmp_path: Path) -> None:
    assert apart.run(int, "7") == 7
    with pytest.raises(PersonNameError) as caught:
        apart.run(add, HospitalFolder("a", tmp_path), "", tmp_path / "no.key")
    assert (caught.value.code, bool(caught.value.hint)) == ("person_name", True)
    with pytest.raises(ChildEndedError, match="ValueError") as other:
        apart.run(int, "what a stranger wrote")
    assert "stranger" not in str(other.value)
    with pytest.raises(ChildEndedError, match="no answer"):
        apart.run(Hostile, tmp_path / "done")
    assert not (tmp_path / "done").exists(), "an answer did something where it was read"
    with pytest.raises(ChildEndedError, match="ended"):
        apart.run(os._exit, 1)
    assert apart.run(int, "8") == 8


def test_what_takes_too_much_memory_is_refused_and_it_goes_on() -> None:
    held = ChildProcess(answer_seconds=WAIT_SECONDS, memory_bytes=1 << 29)
    try:
        with pytest.raises(ChildEndedError, match="memory"):
            held.run(bytearray, 1 << 30)
        assert held.run(int, "7") == 7
    finally:
        held.close()


def test_it_has_no_secret_gives_way_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, int | None]] = []
    with correlation.correlated("of-a-request"):
        found = once(surroundings, PASSPHRASE, progress=lambda done, of: told.append((done, of)))
    assert found == ("", os.nice(0) + 10, "of-a-request")
    assert (3, 10) in told


def test_what_is_called_off_ends_with_all_that_it_started(tmp_path: Path) -> None:
    def call_off(done: int, of: int | None) -> None:
        if done:
            raise JobCancelledError("it was called off", "")

    with pytest.raises(JobCancelledError):
        once(for_ever, tmp_path / "mark", progress=call_off)
    assert ended((tmp_path / "mark").read_text())


def test_it_ends_with_whoever_began_it(tmp_path: Path) -> None:
    """The portal is killed, and nobody is left to say so."""
    text = f"""
import os, pathlib
from hmchain.apart import once
from support.apart import for_ever
once(for_ever, pathlib.Path({str(tmp_path / "mark")!r}), progress=lambda done, of: os._exit(9) if done else None)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, timeout=WAIT_SECONDS)
    assert done.returncode == 9, done.stderr
    assert ended((tmp_path / "mark").read_text())


def ended(process: str) -> bool:
    """Whether a process is gone, or soon is."""
    found = subprocess.run(["tail", f"--pid={process}", "-f", "/dev/null"], timeout=WAIT_SECONDS, check=False)
    return found.returncode == 0
