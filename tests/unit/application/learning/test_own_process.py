"""The process of somebody's own trainer: whatever it does, it is ended in time, and costs the agent nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Pipe
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hmchain.application.learning.trainers import own_process
from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own_child import Begin, Train
from hmchain.application.learning.trainers.own_process import CHILD, TrainerProcess
from hmchain.application.learning.trainers.trainer import Examples
from hmchain.application.learning.trainers.worker import TrainerEndedError, TrainerError
from hmchain.processes import child_environment
from support.own_trainers import altered, beginning, rows

pytestmark = pytest.mark.process
LONG_SECONDS = 120.0

STARTS_PROGRAMS = """
        import subprocess
        last = ["sh", "-c", f"echo started >&{told}; sleep 30; echo survived >&{told}"]
        daemon = ["sh", "-c", '"$@" &', "sh", *last]
        for command, apart in ((last, False), (last, True), (daemon, True)):
            subprocess.Popen(command, pass_fds=[told], start_new_session=apart)
"""
BEGINS_AN_ANSWER = """
        import struct, sys
        os.write(int(sys.argv[1]), struct.pack("!i", {size}) + b"x")
        os.write(told, b"begun\\n")
"""
SLEEPS = """
        import threading
        threading.Event().wait()
"""


def asked(numbers: int = 12) -> Train:
    held = rows(4, 1)
    return Train(np.zeros(numbers, np.float32), Examples(held.values, held.labels), 0, np.random.default_rng(1))


@contextmanager
def asking(process: TrainerProcess) -> Iterator[Future[Vector]]:
    with ThreadPoolExecutor(1) as others:
        try:
            yield others.submit(process.train, asked(), LONG_SECONDS)
        finally:
            process.end()


def told_by(folder: Path, *lines: str) -> tuple[Begin, Path]:
    """A trainer that does this in `train`, and a pipe into which it writes, and all that it starts, while they live."""
    pipe = folder / "told"
    os.mkfifo(pipe)
    opened = f"        import os\n        told = os.open({str(pipe)!r}, os.O_WRONLY)\n"
    change = ("        return weights\n", opened + "".join(lines) + "        return weights\n")
    begin, _ = beginning(f"{altered(folder, 'bad.py', change)}:Logistic")
    return begin, pipe


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> SimpleQueue[Any]:
    """What would be called when the time of a question is over, for the test to call."""
    found = SimpleQueue[Any]()

    def timer(_: float, over: Any) -> Any:
        return SimpleNamespace(start=lambda: found.put(over), cancel=lambda: None)

    monkeypatch.setattr(own_process, "Timer", timer)
    return found


def test_an_answer_that_is_begun_and_never_finished_ends_in_time_with_all_that_was_started(
    tmp_path: Path, limits: SimpleQueue[Any]
) -> None:
    """Programs of a session of their own and daemons too; whoever holds the line open holds up nothing."""
    begin, path = told_by(tmp_path, STARTS_PROGRAMS, BEGINS_AN_ANSWER.format(size=40), SLEEPS)
    process = TrainerProcess(begin)
    with asking(process) as answer, path.open("rb") as pipe:
        assert sorted(pipe.readline() for _ in range(4)) == [b"begun\n"] + [b"started\n"] * 3
        limits.get()()
        with pytest.raises(TrainerEndedError):
            answer.result()
        assert pipe.read() == b"", "what it started has ended, and said no more"


def test_a_trainer_whose_process_reads_no_more_is_ended_in_time(tmp_path: Path) -> None:
    begin, path = told_by(tmp_path, "        os.write(told, b'%d' % os.getpid())\n        os.close(told)\n")
    process = TrainerProcess(begin)
    with asking(process) as answer:
        number = int(path.read_text())
        assert len(answer.result()) == 12
        os.kill(number, signal.SIGSTOP)
        with pytest.raises(TrainerEndedError):
            process.train(asked(1 << 20), 0.05)


def test_an_answer_that_is_longer_than_a_model_is_not_read(tmp_path: Path) -> None:
    begin, path = told_by(tmp_path, BEGINS_AN_ANSWER.format(size=2_000_000_000), SLEEPS)
    reads = threading.Thread(target=path.read_bytes)
    reads.start()
    with pytest.raises(TrainerError, match=re.escape("ended by itself in train, or gave no answer to be read")):
        TrainerProcess(begin).train(asked(), LONG_SECONDS)
    reads.join()


def test_nothing_of_a_trainer_outlives_an_agent_that_was_killed(tmp_path: Path) -> None:
    """The agent can end nothing then; the trainer's process notices that it hung up."""
    begin, path = told_by(tmp_path, STARTS_PROGRAMS, SLEEPS)
    ours, theirs = Pipe()
    number = theirs.fileno()
    with subprocess.Popen(
        [*CHILD, str(number)], env=child_environment(), pass_fds=(number,), start_new_session=True
    ) as process:
        theirs.close()
        ours.send(begin)
        ours.send(asked())
        with path.open("rb") as pipe:
            assert [pipe.readline() for _ in range(3)] == [b"started\n"] * 3
            ours.close()
            assert pipe.read() == b""
    assert process.returncode == -signal.SIGKILL
