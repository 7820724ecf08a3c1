"""Jobs: begun, looked at, called off, remembered when their process ends; words of a strange error stay inside."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hmchain.application.jobs.jobs import (
    WAITING_EACH,
    WAITING_MAX,
    Job,
    Jobs,
    JobState,
    TooManyJobsError,
    UnknownJobError,
)
from hmchain.errors import DataError
from hmchain.plain import Progress

WAIT_SECONDS = 60.0


def over(jobs: Jobs, begun: Job) -> Job:
    """A job once it is over."""
    jobs.close()
    return jobs.get(begun.id)


def test_a_job_tells_how_far_it_is_and_what_came_of_it(tmp_path: Path) -> None:
    jobs, told, go = Jobs(tmp_path), threading.Event(), threading.Event()

    def work(progress: Progress) -> object:
        progress(3, 10)
        told.set()
        assert go.wait(WAIT_SECONDS)
        return {"records": 10}

    begun = jobs.start("data card", "brain", "north/s1", work)
    assert told.wait(WAIT_SECONDS)
    under_way = jobs.get(begun.id)
    assert (under_way.state, under_way.done, under_way.of) == (JobState.RUNNING, 3, 10)
    go.set()
    found = over(jobs, begun)
    assert (found.state, found.result) == (JobState.DONE, {"records": 10})
    assert Jobs(tmp_path).get(begun.id) == found


def test_an_error_of_ours_is_told_and_a_strange_one_keeps_its_words(tmp_path: Path) -> None:
    jobs, both = Jobs(tmp_path), threading.Barrier(3)

    def ours(progress: Progress) -> object:
        both.wait(WAIT_SECONDS)
        raise DataError("nothing fits", "try another")

    def strange(progress: Progress) -> object:
        both.wait(WAIT_SECONDS)
        raise ValueError("Erika Mustermann")

    told, kept_in = jobs.start("a", "b", "c", ours), jobs.start("a", "b", "c", strange)
    both.wait(WAIT_SECONDS)
    found = over(jobs, told)
    assert (found.state, found.code, found.detail, found.hint) == ("failed", "data", "nothing fits", "try another")
    assert jobs.get(kept_in.id).code == "unexpected"
    assert "Mustermann" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_a_job_that_is_called_off_ends_at_its_next_step(tmp_path: Path) -> None:
    jobs, began, cancelled = Jobs(tmp_path), threading.Event(), threading.Event()

    def work(progress: Progress) -> object:
        began.set()
        assert cancelled.wait(WAIT_SECONDS)
        progress(1, 2)
        raise AssertionError("it goes on")

    begun = jobs.start("a", "b", "c", work)
    assert began.wait(WAIT_SECONDS)
    jobs.cancel(begun.id)
    cancelled.set()
    assert over(jobs, begun).state is JobState.CANCELLED


def test_work_that_its_process_left_is_stopped_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    jobs, began, go = Jobs(tmp_path), threading.Event(), threading.Event()

    def work(progress: Progress) -> object:
        began.set()
        assert go.wait(WAIT_SECONDS)
        return {}

    begun = jobs.start("a", "b", "c", work)
    assert began.wait(WAIT_SECONDS)
    (tmp_path / "jobs" / "0123456789abcdef.json").write_text("{")
    (tmp_path / "jobs" / "notes.json").write_text("{}")
    again = Jobs(tmp_path)
    assert [(job.id, job.state) for job in again.all()] == [(begun.id, JobState.STOPPED)]
    with pytest.raises(UnknownJobError):
        again.get("0123456789abcdef")
    go.set()
    over(jobs, begun)


def test_so_many_wait_and_no_more() -> None:
    jobs, go = Jobs(), threading.Event()
    for number in range(WAITING_MAX):
        jobs.start("a", "b", f"north/s{number // WAITING_EACH}", lambda progress: go.wait(WAIT_SECONDS))
        if number == WAITING_EACH:
            with pytest.raises(TooManyJobsError):
                jobs.start("a", "b", "north/s0", lambda progress: None)
    with pytest.raises(TooManyJobsError):
        jobs.start("a", "b", "north/other", lambda progress: None)
    go.set()
    jobs.close()
