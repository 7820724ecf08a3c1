"""What a request asked of a hospital's machine for its study, and how much of that the study has taken there.

Hours are those of this machine's own clock while the study's model is trained or scored on the hospital's records,
however many cores that takes; they add up over rounds and restarts. Memory is what the working process holds at one
time. Whoever works looks at both as it goes on, so that what was asked for is the most that is taken. What a process
of its own does behind its answer, until it is asked again, counts too: for as long as it computed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hmchain.application.learning.quantise import UpdateError
from hmchain.canonical import Record
from hmchain.clock import HOUR_MS
from hmchain.ledger.contracts.data.requests import Resources

LOOK_SECONDS = 0.1
"""Between two looks at what the work takes: so much later it is ended."""
KEEP_SECONDS = 30.0
"""So much of a long piece of work a process that is killed may lose from the count."""
HOURS, MEMORY = "hours", "memory"
"""What there may be no more of."""
_MIB = 1 << 20
_GIB_MIB = 1 << 10
_HINT = "this hospital takes no further part; who needs more copies the request, and asks for it"


class UsedUpError(UpdateError):
    """A study took all of a hospital's machine that its request asked for: the hospital takes no further part."""

    code = "resources_used_up"


class Used(Record, frozen=True):
    """What a study has taken of one hospital's machine."""

    work_ms: int
    """Time of training and scoring."""
    memory_mib: int
    """The most that was held at one time."""
    over: str
    """`HOURS` or `MEMORY` once that was used up, for good; else empty."""


class Work(NamedTuple):
    """How a piece of work is looked at while it runs, and how another thread ends it."""

    memory_bytes: Callable[[], int]
    end: Callable[[], object]
    cpu_ms: Callable[[], int] | None = None
    """CPU time until now, of a process of its own: it may work on behind its answer."""


class _Rest(NamedTuple):
    """A process between two pieces of work, when it was looked at."""

    work: Work
    cpu_ms: int
    seconds: float


NOTHING = Used(0, 0, "")
Keep = Callable[[Used], object]
"""Keeps what was used, from any thread."""


class Allowance:
    """One study's use of one hospital's machine."""

    def __init__(self, asked: Resources | None, used: Used, keep: Keep) -> None:
        """`asked` is None for a study from before requests, which is measured and has no limit."""
        self.asked = asked
        self.used = used
        self._keep = keep
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._rest: _Rest | None = None

    @property
    def over(self) -> str:
        """What was used up (`HOURS`, `MEMORY`); empty while there is some of all."""
        return self.used.over

    def require(self) -> None:
        """Begin no more work where there is nothing left. Raises `UsedUpError`."""
        if self.asked is not None and not self.over and self.used.work_ms >= self.asked.hours * HOUR_MS:
            self.add(0, 0, HOURS)
        if self.over:
            raise UsedUpError(self.words, _HINT)

    def require_memory(self, memory_bytes: int) -> None:
        """Begin nothing that is known to take more. Raises `UsedUpError`."""
        if self.is_beyond(0, memory_bytes) == MEMORY:
            self.add(0, memory_bytes, MEMORY)
        self.require()

    @property
    def words(self) -> str:
        """Why there is an end; empty while there is none."""
        if self.asked is None or not self.over:
            return ""
        if self.over == HOURS:
            hours = f"{self.asked.hours} hour{'s' * (self.asked.hours != 1)}"
            return f"the study asked for {hours} of this hospital's machine, and that is used up"
        asked = f"{self.asked.memory_mib / _GIB_MIB:g} GiB"
        return f"the study asked for {asked} of memory and took more, and what it was at was ended"

    @contextmanager
    def at_work(self, work: Work) -> Iterator[None]:
        """Count a piece of work, and end it where it takes more than there is.

        Raises `UsedUpError` if there is nothing left, or if it ended for that. What is done just when the hours are
        over counts: the next piece does not begin.
        """
        self._wake()
        self.require()
        try:
            with _Watch(self, work):
                yield
        except UpdateError as error:
            if self.over:
                raise UsedUpError(self.words, _HINT) from error
            raise
        finally:
            self._rest = _resting(work)
        if self.over:
            raise UsedUpError(self.words, _HINT)

    def look(self) -> None:
        """Count what a process does that is asked for nothing now, and end it where it takes more than there is."""
        with self._looking:
            if self._rest is not None and time.monotonic() >= self._rest.seconds + LOOK_SECONDS:
                self._rest = self._count_since(self._rest)

    def _wake(self) -> None:
        with self._looking:
            if self._rest is not None:
                self._count_since(self._rest)
            self._rest = None

    def _count_since(self, before: _Rest) -> _Rest | None:
        work, now = before.work, _resting(before.work)
        if now is not None:
            passed_ms = int((now.seconds - before.seconds) * 1000)
            work_ms = min(max(0, now.cpu_ms - before.cpu_ms), passed_ms)  # on however many cores
            memory_bytes = work.memory_bytes()
            beyond = self.is_beyond(work_ms, memory_bytes)
            self.add(work_ms, memory_bytes, beyond)
            if beyond:
                work.end()
        return now

    def is_beyond(self, work_ms: int, memory_bytes: int) -> str:
        """What there is too little of for a piece of work that took so much until now; empty if nothing."""
        if self.asked is None:
            return ""
        if memory_bytes > self.asked.memory_mib * _MIB:
            return MEMORY
        return HOURS if self.used.work_ms + work_ms >= self.asked.hours * HOUR_MS else ""

    def add(self, work_ms: int, memory_bytes: int, over: str = "") -> None:
        """Keep that so much more was taken, and what is used up by that. Raises what keeping it raises."""
        with self._lock:
            known, memory_mib = self.used, -(-memory_bytes // _MIB)
            self.used = Used(known.work_ms + work_ms, max(known.memory_mib, memory_mib), known.over or over)
            if self.used != known:
                self._keep(self.used)


def _resting(work: Work) -> _Rest | None:
    return None if work.cpu_ms is None else _Rest(work, work.cpu_ms(), time.monotonic())


class _Watch:
    """Looks at a piece of work in a thread, from the first moment to the last."""

    def __init__(self, allowance: Allowance, work: Work) -> None:
        self._allowance, self._work = allowance, work
        self._counted, self._bytes = time.monotonic(), 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="allowance", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        beyond = self._allowance.is_beyond(0, self._bytes)
        self._count(MEMORY if beyond == MEMORY else "")

    def _run(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self._look()
            beyond = self._allowance.is_beyond(self._uncounted_ms, self._bytes)
            try:
                if beyond or self._uncounted_ms >= KEEP_SECONDS * 1000:
                    self._count(beyond)
            except Exception:  # noqa: S110 - a full disk, say: it stays counted here, and is kept at the end
                pass
            if beyond:
                self._work.end()  # again and again: what works may just be starting

    def _look(self) -> None:
        self._bytes = max(self._bytes, self._work.memory_bytes())

    @property
    def _uncounted_ms(self) -> int:
        return int((time.monotonic() - self._counted) * 1000)

    def _count(self, over: str) -> None:
        work_ms = self._uncounted_ms
        self._counted += work_ms / 1000
        self._allowance.add(work_ms, self._bytes, over)
