"""Jobs: work that takes longer than somebody waits for an answer, with its progress and what came of it.

A job is a file in the portal's folder, so it is remembered when the process ends. Work that was under way then is
`stopped`: services go on where they were cut short when they are asked again. A job says what it is about in names and
codes; nothing in its file is a patient's.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from hmchain import decoding, files
from hmchain.clock import now_ms
from hmchain.errors import HMChainError, InputError
from hmchain.plain import Progress, plain

RUNNING_MAX = 2
"""Jobs that work at one time; others wait."""
WAITING_MAX, WAITING_EACH = 50, 10
"""Jobs that are not over: of all people together, and of each."""
KEPT = 200
"""Jobs that are over and still remembered."""
_ID = re.compile(r"[0-9a-f]{16}")
_WRITE_MS = 1000
"""Progress is written down no more often."""


class JobState(StrEnum):
    """How it stands with a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    """Its process ended before it: the same asked again goes on."""


OVER = frozenset((JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.STOPPED))


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job, as it stands."""

    id: str
    kind: str
    """The command's words: `data extract`."""
    about: str
    """The dataset, study or other thing, by name."""
    person: str
    """ORGANISATION/PERSON who asked for it."""
    state: JobState
    done: int = 0
    of: int | None = None
    """Of how much; null where nobody knows."""
    begun_ms: int
    ended_ms: int = 0
    result: dict[str, Any] | None = None
    """What the service gave, once it is done."""
    code: str = ""
    """Of the error, where it failed."""
    detail: str = ""
    hint: str = ""


class UnknownJobError(InputError):
    """There is no such job, or it is another person's."""

    code = "unknown_job"


class TooManyJobsError(InputError):
    """So many jobs wait that no other is taken."""

    code = "too_many_jobs"


class JobCancelledError(InputError):
    """Somebody called a job off."""

    code = "job_cancelled"


Work = Callable[[Progress], Any]
"""Does the work, reports how far it is, and gives a view of what came of it."""


def _tell_nobody(_job: Job, _error: Exception | None) -> None:
    """Tell nobody."""


Tell = Callable[[Job, Exception | None], None]
"""Takes a job that ended, and the error if it was one that nobody foresaw."""


@dataclass
class _Standing:
    job: Job
    cancelled: threading.Event
    leftover: Path | None = None
    written_ms: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        """Remove what only the work needed."""
        if self.leftover is not None:
            shutil.rmtree(self.leftover, ignore_errors=True)


class Jobs:
    """The jobs of one process; threads may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is the portal's own, where there is one; jobs that a process left under way are `stopped`."""
        self._folder, self._lock = folder / "jobs" if folder else None, threading.Lock()
        self._workers = ThreadPoolExecutor(RUNNING_MAX, thread_name_prefix="job")
        self._jobs: dict[str, _Standing] = {}
        self.tell: Tell = _tell_nobody
        """Is told of each job that ended."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for job in _kept(self._folder) if self._folder else ():
            self._jobs[job.id] = _Standing(job if job.state in OVER else _stopped(job), threading.Event())

    def start(self, kind: str, about: str, person: str, work: Work, leftover: Path | None = None) -> Job:
        """Begin a job; a folder that it works with is removed when it is over. Raises `TooManyJobsError`."""
        begun = Job(
            id=secrets.token_hex(8), kind=kind, about=about, person=person, state=JobState.WAITING, begun_ms=now_ms()
        )
        standing = _Standing(begun, threading.Event(), leftover)
        with self._lock:
            waiting = Counter(each.job.person for each in self._jobs.values() if each.job.state not in OVER)
            if waiting.total() >= WAITING_MAX or waiting[person] >= WAITING_EACH:
                standing.clear()
                raise TooManyJobsError("so many jobs wait already", "wait, or cancel one: `/v1/jobs` lists them")
            self._jobs[begun.id] = standing
            self._forget()
        self._write(standing)
        self._workers.submit(copy_context().run, self._run, standing, work)  # with the id of the request
        return begun

    def all(self) -> list[Job]:
        """All of them, the newest first."""
        with self._lock:
            found = [each.job for each in self._jobs.values()]
        return sorted(found, key=lambda job: job.begun_ms, reverse=True)

    def get(self, id: str) -> Job:
        """One job. Raises `UnknownJobError`."""
        return self._standing(id).job

    def wait(self, id: str, seconds: float) -> Job:
        """One job once it is over, or as it stands after so long. Raises `UnknownJobError`."""
        standing = self._standing(id)
        if standing.job.state not in OVER:
            standing.over.wait(seconds)
        return standing.job

    def cancel(self, id: str) -> Job:
        """Call a job off: it ends at its next step, and what is done stays done. Raises `UnknownJobError`."""
        standing = self._standing(id)
        standing.cancelled.set()
        if standing.job.state is JobState.WAITING:
            self._end(standing, JobState.CANCELLED)
        return standing.job

    def close(self) -> None:
        """End what is under way at its next step, and wait for it."""
        with self._lock:
            standings = list(self._jobs.values())
        for each in standings:
            each.cancelled.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        for each in standings:
            if each.job.state not in OVER:
                self._end(each, JobState.STOPPED)

    def _standing(self, id: str) -> _Standing:
        with self._lock:
            if (found := self._jobs.get(id)) is None:
                raise UnknownJobError("there is no such job", "`/v1/jobs` lists them")
            return found

    def _run(self, standing: _Standing, work: Work) -> None:
        if standing.job.state in OVER:
            return
        standing.job = replace(standing.job, state=JobState.RUNNING)
        self._write(standing)

        def progress(done: int, of: int | None) -> None:
            if standing.cancelled.is_set():
                raise JobCancelledError("it was called off", "what is done stays done; the same again goes on")
            standing.job = replace(standing.job, done=done, of=of)
            if now_ms() - standing.written_ms >= _WRITE_MS:
                self._write(standing)

        try:
            result = plain(work(progress))
        except JobCancelledError:
            self._end(standing, JobState.CANCELLED)
        except HMChainError as error:
            self._end(standing, JobState.FAILED, code=error.code, detail=error.what, hint=error.hint)
        except Exception as error:  # its words may quote records
            self._end(standing, JobState.FAILED, error, code="unexpected", detail="that went wrong")
        else:
            named = result if isinstance(result, dict) else {"result": result}
            self._end(standing, JobState.DONE, result=named)

    def _end(self, standing: _Standing, state: JobState, error: Exception | None = None, **more: Any) -> None:
        standing.clear()
        standing.job = replace(standing.job, state=state, ended_ms=now_ms(), **more)
        self._write(standing)
        standing.over.set()
        self.tell(standing.job, error)

    def _write(self, standing: _Standing) -> None:
        standing.written_ms = now_ms()
        if self._folder is None:
            return
        with suppress(OSError):  # a job whose file cannot be written is not remembered, and goes on
            path = self._folder / f"{standing.job.id}.json"
            files.write_whole(path, msgspec.json.encode(standing.job), durable=False, mode=files.PRIVATE)

    def _forget(self) -> None:
        over = sorted(
            (each.job for each in self._jobs.values() if each.job.state in OVER), key=lambda job: job.ended_ms
        )
        for job in over[:-KEPT]:
            del self._jobs[job.id]
            if self._folder is not None:
                with suppress(OSError):
                    (self._folder / f"{job.id}.json").unlink(missing_ok=True)


def _kept(folder: Path) -> list[Job]:
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, msgspec.DecodeError):  # what cannot be read is not remembered
            if _ID.fullmatch(path.stem) and (job := decoding.from_json(files.read(path), Job)).id == path.stem:
                found.append(job)
    return found


def _stopped(job: Job) -> Job:
    return replace(job, state=JobState.STOPPED, ended_ms=now_ms())
