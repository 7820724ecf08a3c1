"""What a study may take of a hospital's machine: hours over all its rounds, memory at one time; then it ends there."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hmchain.application.agent.store import AgentStore
from hmchain.application.learning.trainers.allowance import HOURS, MEMORY, NOTHING, Allowance, Used, UsedUpError, Work
from hmchain.application.learning.trainers.local import SPLITS, FitResult
from hmchain.application.learning.trainers.own_process import TrainerProcess
from hmchain.application.learning.trainers.own_trainer import OwnTrainer
from hmchain.application.learning.trainers.trainer import Examples
from hmchain.application.learning.trainers.worker import StillAtWorkError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data.requests import Resources
from hmchain.ledger.contracts.learning.studies import Deadlines
from support.own_trainers import altered, beginning, rows

HOUR_MS, GIB = 3_600_000, 1 << 30
ASKED = Resources(3, 2, 1024)
LONG = Deadlines(*[600_000] * 6)
SLEEPS = """        import threading
        threading.Event().wait()
        return weights
"""
WORKS_ON = """        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            held = np.ones(SIZE << 17)
            while True:
                pass
        os.wait()
        return weights
"""
SWELLS = """        held = np.ones(400 << 17)
"""


def allowance(used: Used = NOTHING, asked: Resources = ASKED, kept: list[Used] | None = None) -> Allowance:
    return Allowance(asked, used, [].append if kept is None else kept.append)


def work(memory_bytes: int = 0) -> Work:
    return Work(lambda: memory_bytes, lambda: None)


def test_hours_add_up_over_rounds_and_restarts_and_what_is_begun_in_time_counts(tmp_path: Path) -> None:
    path, key = tmp_path / "agent.db", SecretKey(bytes(32))
    for before_ms in (0, HOUR_MS):
        store = AgentStore(path, key)
        known = store.get("used", Used) or NOTHING
        assert known.work_ms >= before_ms
        found = Allowance(ASKED, known, lambda used, store=store: store.note("used", used))  # type: ignore[misc]
        with found.at_work(work(GIB)):
            found.add(HOUR_MS, 0)
        store.close()
    found = allowance(found.used)
    with pytest.raises(UsedUpError, match="asked for 2 hours of this hospital's machine, and that is used up"):
        found.require()
    assert found.over == HOURS and found.used.memory_mib == 1024


def test_who_took_more_memory_is_over_for_good_and_nothing_of_it_is_used() -> None:
    kept: list[Used] = []
    found = allowance(kept=kept)
    with pytest.raises(UsedUpError, match="asked for 1 GiB of memory and took more"), found.at_work(work(GIB + 1)):
        pass
    with pytest.raises(UsedUpError), allowance(kept[-1]).at_work(work()):
        raise AssertionError("it begins nothing after a restart")


def test_a_study_from_before_requests_is_measured_and_has_no_limit() -> None:
    kept: list[Used] = []
    with Allowance(None, Used(500 * HOUR_MS, 0, ""), kept.append).at_work(work(900 * GIB)):
        pass
    assert kept[-1].memory_mib == 900 << 10 and not kept[-1].over


def answered(ask: Callable[[], FitResult]) -> FitResult:
    while True:
        try:
            return ask()
        except StillAtWorkError:  # which it says after a while, waiting
            pass


@pytest.mark.process
@pytest.mark.parametrize(
    ("lines", "used", "over"),
    [(SLEEPS, Used(2 * HOUR_MS - 1, 0, ""), HOURS), (SWELLS + SLEEPS, NOTHING, MEMORY)],
    ids=["hours", "memory"],
)
def test_a_real_process_that_takes_too_long_or_too_much_is_ended(
    tmp_path: Path, lines: str, used: Used, over: str
) -> None:
    source = altered(tmp_path, "bad.py", ("        return weights\n", lines))
    begin, initial = beginning(f"{source}:Logistic")
    held, found = Examples(rows(32, 1).values, rows(32, 1).labels), allowance(used, Resources(3, 2, 256))
    trainer = OwnTrainer(begin, dict.fromkeys(SPLITS, held), bytes(32), LONG, found)
    with pytest.raises(UsedUpError, match="hours" if over == HOURS else r"0\.25 GiB of memory"):
        answered(lambda: trainer.fit(initial, 0))
    assert found.over == over and found.used.work_ms >= used.work_ms


@pytest.mark.network
@pytest.mark.process
@pytest.mark.parametrize(("size", "left_ms", "over"), [(1, 200, HOURS), (400, HOUR_MS, MEMORY)])
def test_what_a_trainer_leaves_at_work_behind_its_answer_counts(
    tmp_path: Path, size: int, left_ms: int, over: str
) -> None:
    """A daemon of its own, in a session of its own; the agent looks whenever it looks at the ledger."""
    lines = WORKS_ON.replace("SIZE", str(size))
    begin, initial = beginning(f"{altered(tmp_path, 'busy.py', ('        return weights', lines))}:Logistic")
    held, found = Examples(rows(32, 1).values, rows(32, 1).labels), allowance(asked=Resources(3, 2, 256))
    trainer = OwnTrainer(begin, dict.fromkeys(SPLITS, held), bytes(32), LONG, found)
    answered(partial(trainer.fit, initial, 0))
    found.add(2 * HOUR_MS - left_ms - found.used.work_ms, 0)
    while not found.over:
        found.look()
    assert found.over == over
    with pytest.raises(UsedUpError):
        answered(partial(trainer.fit, initial, 1))
    before = processes()
    del trainer
    assert processes() == before - 1, "an allowance outlives a study's learner, and keeps no process with its records"


def processes() -> int:
    """How many processes of trainers anything holds."""
    gc.collect()
    return sum(isinstance(each, TrainerProcess) for each in gc.get_objects())
