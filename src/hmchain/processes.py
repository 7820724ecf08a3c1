"""Processes: what one that holds secrets leaves to nobody, and how one is ended, with those that it started."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PASSPHRASE = "HMCHAIN_PASSPHRASE"  # noqa: S105 - its name
"""The environment variable by which a person gives the passphrase of key files."""

_PASSED_ON = {
    "FAIL_TEST_INDEX", "HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TERM", "TMPDIR", "TZ", "USER",
    "VIRTUAL_ENV",
}  # fmt: skip
"""By the first one CometBFT is told to die at a certain step."""
_PASSED_ON_FAMILIES = ("LC_", "PYTHON", "GO")  # languages, and settings of the two runtimes
_SAFE_PATH = "PYTHONSAFEPATH"
_STDERR = 2
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_M_ARENA_MAX, _ARENAS = -8, 2  # malloc.h
_YIELDING = 5
_SEARCHES = 16
"""For what was started while others were being stopped; what starts faster than that means to."""


def share_memory() -> None:
    """Have all threads of this process take memory from two places; by itself glibc gives each thread one of its own.

    What a page took of each stays there: a third of the memory of a process that answers by forty threads. Where the
    allocator is another one nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def yield_to_others() -> None:
    """Have this process wait where processors are short: as a portal beside a node, which has to vote in time.

    To be called before there are threads: those of Linux each have a priority of their own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), _YIELDING))


@contextmanager
def making_what_stays() -> Iterator[None]:
    """Search for no garbage meanwhile: where modules are imported all stays, and each search looks at all of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def leave_what_stays() -> None:
    """Have no search for garbage look again at what this process has made by now: most of it stays to its end."""
    gc.collect()
    gc.freeze()


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a process that talks to strangers: what it needs, and no passphrase or credential."""
    return {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_FAMILIES)
    }


@contextmanager
def taken_out(variable: str) -> Iterator[str | None]:
    """The value of an environment variable, which no process inherits that is started in the block; None if unset."""
    value = os.environ.pop(variable, None)
    try:
        yield value or None
    finally:
        if value is not None:
            os.environ[variable] = value


@contextmanager
def no_code_from_here() -> Iterator[None]:
    """Let Python processes that are started in the block take no module from the folder that the command is called in.

    It may hold data that others sent.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call `end` while the block runs; a second signal does what it does elsewhere."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        end()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hushed() -> Iterator[None]:
    """Let no library of C write to the terminal, past Python, what it thinks of data: that is said in our words.

    Of several threads the first one closes the way, and the last one opens it.
    """
    with _hush.lock:
        _hush.depth += 1
        if _hush.depth == 1:
            _hush.close()
    try:
        yield
    finally:
        with _hush.lock:
            _hush.depth -= 1
            if _hush.depth == 0:
                _hush.open()


class _Hush:
    """The standard error stream of the process, while it leads nowhere."""

    def __init__(self) -> None:
        self.lock, self.depth = threading.Lock(), 0
        self._kept: int | None = None

    def close(self) -> None:
        with suppress(OSError):  # a process may have no such stream
            self._kept = os.dup(_STDERR)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)

    def open(self) -> None:
        if self._kept is not None:
            os.dup2(self._kept, _STDERR)
            os.close(self._kept)
            self._kept = None


_hush = _Hush()


def leave_no_core_dump() -> None:
    """Let this process be dumped by nobody: neither when it crashes nor by another process of its user.

    Linux's PR_SET_DUMPABLE (prctl(2)) also makes its memory and its first environment in /proc unreadable; elsewhere
    the limit on the size of core files is all that there is. Processes started from here inherit the limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # If the system refuses, the limit holds still.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def open_files(wanted: int) -> int:
    """Let this process have so many files and connections open at once, if its user may; returns how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_bounded = resource.RLIM_INFINITY not in (soft, hard)
    allowed = min(wanted, hard) if is_bounded else wanted
    with suppress(ValueError, OSError):
        if resource.RLIM_INFINITY != soft < allowed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    return wanted if soft == resource.RLIM_INFINITY else soft


def keep_orphans() -> None:
    """Let what this process started stay below it when what is between them ends, as Linux can: PR_SET_CHILD_SUBREAPER.

    So `kill_descendants` finds daemons and sessions of their own too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants(process: int) -> None:
    """Kill all that a process started, and what those started, as far as Linux's /proc shows them."""
    stopped: set[int] = set()
    for _ in range(_SEARCHES):
        found = _descendants(process) - stopped
        _signal(found, signal.SIGSTOP)  # first: a shell whose command was killed would go on to its next one
        stopped |= found
        if not found:
            break
    _signal(stopped, signal.SIGKILL)


def memory_bytes(process: int) -> int:
    """Memory that a process and all that it started hold now, or the most that it ever held by itself: the greater one.

    Libraries and pages in swap count. As Linux's /proc shows it; 0 elsewhere.
    """
    held = sum(_kib(each, "VmRSS", "VmSwap") for each in _tree(process))
    return max(_kib(process, "VmHWM"), held) << 10


def cpu_ms(process: int) -> int:
    """CPU time that a process and all that it started took until now, as Linux's /proc shows it; 0 elsewhere.

    What ended counts as long as whoever started it waits for it, or never does.
    """
    return sum(map(_ticks, _tree(process))) * 1000 // os.sysconf("SC_CLK_TCK")


def own_memory_bytes() -> int:
    """Memory that this process holds by itself now, as Linux's /proc shows it; elsewhere the most that it ever held."""
    held = _kib(os.getpid(), "VmRSS", "VmSwap") << 10
    return held or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def _kib(process: int, *names: str) -> int:
    """Some fields of a process's /proc/PID/status together; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return sum(int(fields[name].split()[0]) for name in names if name in fields)


def _ticks(process: int) -> int:
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))  # its own, and of what it waited for


def _tree(process: int) -> list[int]:
    """A process, and all below it."""
    found, level = [process], [process]
    while level := [child for each in level for child in _children(each)]:
        found += level
    return found


def _children(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text("ascii").split())
    return found


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _descendants(process: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, parent, *_ = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found: set[int] = set()
    level = children.get(process, [])
    while level:
        found.update(level)
        level = [child for each in level for child in children.get(each, [])]
    return found
