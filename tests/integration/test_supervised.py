"""Processes that are kept running, and never outlive whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hmchain.ledger.engines.cometbft import parent_death, process
from hmchain.ledger.engines.cometbft.damage import last_error, last_words
from hmchain.ledger.engines.cometbft.process import SupervisedProcess, app_socket

pytestmark = pytest.mark.process

SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
SUPERVISOR = """
import sys, time
from pathlib import Path
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
child = SupervisedProcess("sleeper", {command!r}, Path({log!r}))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such bond")


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupervisedProcess]:
    monkeypatch.setattr(process, "PAUSE_SECONDS", (0.01, 0.02))
    child = SupervisedProcess("sleeper", SLEEPER, tmp_path / "log")
    child.start()
    yield child
    child.stop()


@linux
@pytest.mark.parametrize("delay_seconds", [0.0, 0.3], ids=["while it starts", "later"])
def test_a_process_dies_with_a_supervisor_that_is_killed(delay_seconds: float, tmp_path: Path) -> None:
    # A sleeper notices neither the end of its input nor anything else: only its bond to us ends it.
    script = SUPERVISOR.format(command=SLEEPER, log=str(tmp_path / "log"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        time.sleep(delay_seconds)
        supervisor.kill()
    assert eventually(lambda: not is_alive(pid))


@linux
def test_a_process_whose_starter_is_gone_already_is_not_started(tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = [sys.executable, parent_death.__file__, str(os.getppid()), "touch", str(made)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "ended before" in answer.stderr
    assert not made.exists()


def test_a_process_that_ends_is_started_again(sleeper: SupervisedProcess) -> None:
    first = sleeper.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: sleeper.starts == 2 and sleeper.pid not in (None, first))


def test_a_process_that_was_killed_on_purpose_stays_down_until_it_is_started(sleeper: SupervisedProcess) -> None:
    sleeper.kill()
    time.sleep(0.1)
    assert (sleeper.pid, sleeper.starts) == (None, 1)
    sleeper.start()
    assert sleeper.pid is not None
    assert sleeper.starts == 2


def test_what_waits_for_an_address_can_be_stopped_before_it_was_started(tmp_path: Path) -> None:
    child = SupervisedProcess("waiter", SLEEPER, tmp_path / "log", needs=f"unix://{tmp_path}/nobody.sock")
    starting = threading.Thread(target=child.start)
    starting.start()
    assert eventually(lambda: "watch waiter" in {each.name for each in threading.enumerate() if each.is_alive()})
    child.stop()
    starting.join()
    assert (child.starts, child.pid) == (0, None)


def test_why_a_process_ended_is_told_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "log"
    log.write_text("ERROR: of an earlier run\n")
    child = SupervisedProcess("CometBFT", ["sh", "-c", "echo 'ERROR: port 1 is in use'; exit 1"], log)
    child.start()
    assert eventually(lambda: child.starts >= 2)
    child.stop()
    assert "CometBFT ended with status 1: port 1 is in use; it starts again in" in caplog.text
    assert "earlier" not in caplog.text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("height 0, listening at x\nERROR in the middle", ""),
        ("ERROR: failed to start node: in use\nlater", "failed to start node: in use"),
        ("E[2026-11-25|12:00:00.000] one module=p2p\nERROR: two", "two"),
        ("2026-11-25 13:48:35,454 app ERROR genesis.json is not a genesis file (restore it)", "genesis.json is not a"),
        (
            "Traceback (most recent call last):\n  x\nsqlite3.OperationalError: unable to open",
            "OperationalError: unabl",
        ),
        ('E[2026-11-25|12:00:00.000] Error serving server err="use of closed network connection"', ""),
        ("panic: leveldb/table: corruption on data-block", "leveldb/table: corruption"),
    ],
)
def test_the_last_complaint_is_found_among_what_was_said(words: str, expected: str) -> None:
    found = last_error(words)
    assert expected in found and bool(found) == bool(expected)


def test_a_log_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("short")
    assert (last_words(log, 2), last_words(log, 100), last_words(tmp_path / "none")) == ("ort", "short", "")


def test_a_socket_s_path_is_no_longer_than_the_system_takes(tmp_path: Path) -> None:
    assert app_socket(tmp_path) == f"unix://{tmp_path}/app.sock"
    assert app_socket(tmp_path / ("long" * 25)) is None
