"""Work in a process of its own: the time and memory that it takes, and its death, are not those of whoever asks.

Such a process has no secret in its environment, gives way to others, and ends with whoever began it, by the pipe
between them. It looks at what strangers made, so its answers are read as values of ours and as nothing else.
"""

from __future__ import annotations

import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from enum import Enum
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from threading import Event, Lock, Thread, Timer
from typing import Any, TypeVar

import msgspec

from hmchain import correlation
from hmchain.errors import HMChainError, InputError, StorageError
from hmchain.plain import Progress
from hmchain.processes import child_environment, leave_no_core_dump

IDLE_SECONDS = 300.0
ANSWER_SECONDS = 120.0
MEMORY_BYTES, UNBOUNDED = 2 << 30, resource.RLIM_INFINITY
NICER = 10
TURN_SECONDS = 10.0
_LOOK_SECONDS = 0.25
"""So often whoever waits is asked whether the work is called off."""
_TOLD_SECONDS = 0.1
_ENDING_SECONDS = 10.0
_CALLED_OFF = b"called off"
_PLAIN = {
    "builtins": {"set", "frozenset", "bytearray", "complex"}, "collections": {"OrderedDict", "Counter"},
    "datetime": {"date", "datetime", "timedelta", "timezone"}, "msgspec._utils": {"rebuild"},
    "pathlib": {"Path", "PosixPath", "PurePosixPath"},
}  # fmt: skip
"""What an answer may hold beside our own types."""

_T = TypeVar("_T")


class ChildEndedError(StorageError):
    """A process that was to do some work ended without an answer."""

    code = "child_ended"


class ChildBusyError(InputError):
    """A process answers so many that whoever asks now would wait too long."""

    code = "child_busy"


def once(work: Callable[..., _T], *given: object, progress: Progress | None = None, **named: object) -> _T:
    """What a module's function gives, done in a process of its own, which ends then.

    With `progress` the function is handed one too; where that raises here, the work is called off. Raises what the
    function raises, and `ChildEndedError`.
    """
    child = _Child.begin()
    try:
        return child.ask(work, given, named, progress)
    finally:
        child.end()


class ChildProcess:
    """A process that stays for a while after it was asked. Threads may share it: it takes one after the other.

    What would take more than its memory is refused, and it goes on. Whoever finds it busy waits `turn_seconds`;
    `nicer` is how much it gives way to all others.
    """

    def __init__(
        self,
        idle_seconds: float = IDLE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
        turn_seconds: float = TURN_SECONDS,
        nicer: int = NICER,
    ) -> None:
        self._idle_seconds, self._answer_seconds = idle_seconds, answer_seconds
        self._memory_bytes, self._nicer = memory_bytes, nicer
        self._turn, self._turn_seconds = Lock(), turn_seconds
        self._child: _Child | None = None
        self._ends: Timer | None = None

    def run(self, work: Callable[..., _T], *given: object) -> _T:
        """What a module's function gives, done there. Raises what it raises, `ChildBusyError` and `ChildEndedError`."""
        if not self._turn.acquire(timeout=self._turn_seconds):
            raise ChildBusyError("others are asking already", "try again in some seconds")
        try:
            if self._ends is not None:
                self._ends.cancel()
            self._child = self._child or _Child.begin(self._memory_bytes, self._nicer)
            try:
                found = self._child.ask(work, given, {}, seconds=self._answer_seconds)
            except BaseException as error:  # an answer that nobody took is not the next one's
                if isinstance(error, ChildEndedError) or not isinstance(error, HMChainError):
                    self._end()
                raise
            self._ends = Timer(self._idle_seconds, self.close)
            self._ends.daemon = True
            self._ends.start()
            return found
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the process, once it has answered."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
        if self._ends is not None:
            self._ends.cancel()
        self._child = self._ends = None


@dataclass(frozen=True)
class _Asked:
    request: str
    """The id of the request that it is done for."""
    work: Callable[..., Any]
    given: tuple[object, ...]
    named: dict[str, object]
    tells: bool


@dataclass(frozen=True)
class _Told:
    done: int
    of: int | None


@dataclass(frozen=True)
class _Failed:
    kind: type[HMChainError]
    what: str
    hint: str

    def error(self) -> HMChainError:
        made = self.kind.__new__(self.kind)  # which may take other arguments
        HMChainError.__init__(made, self.what, self.hint)
        return made


@dataclass(frozen=True)
class _Done:
    value: object


class _Child:
    """The process, as whoever began it has it."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: Connection[Any, Any]) -> None:
        self._process, self._pipe = process, pipe

    @classmethod
    def begin(cls, memory_bytes: int = UNBOUNDED, nicer: int = NICER) -> _Child:
        ours, its = Pipe()
        served = f"from hmchain.apart import serve; serve({its.fileno()}, {memory_bytes}, {nicer})"
        command = (sys.executable, "-P", "-c", served)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=child_environment(), pass_fds=[its.fileno()], start_new_session=True,
        )  # fmt: skip
        its.close()
        return cls(process, ours)

    def ask(
        self, work: Callable[..., _T], given: tuple[object, ...], named: dict[str, object],
        progress: Progress | None = None, seconds: float | None = None,
    ) -> _T:  # fmt: skip
        """Have work done. Raises what it raises, what `progress` raises, and `ChildEndedError`."""
        ends, told = None if seconds is None else time.monotonic() + seconds, _Told(0, None)
        try:
            self._pipe.send(_Asked(correlation.current(), work, given, named, progress is not None))
            while True:
                if self._pipe.poll(_LOOK_SECONDS):
                    match received(self._pipe.recv_bytes()):
                        case _Done(value):
                            return value  # type: ignore[return-value]
                        case _Failed() as failed:
                            raise failed.error()
                        case _Told() as told:
                            pass
                if progress is not None:
                    progress(told.done, told.of)
                if ends is not None and time.monotonic() > ends:
                    raise ChildEndedError(f"there was no answer within {seconds:g} s", "try again, with less")
        except (EOFError, OSError) as error:
            what = "the process that did this ended before it was done"
            raise ChildEndedError(what, "see that there is memory for it, and try again") from error

    def end(self) -> None:
        """Have it leave its work tidily, and kill what does not, with all that it started."""
        with suppress(OSError):
            self._pipe.send_bytes(_CALLED_OFF)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pipe.close()


class _Reader(pickle.Unpickler):
    """Reads values of our own types, and those that they are made of: none that does anything."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.partition(".")[0] == __package__:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module and _is_value(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")


def _is_value(kind: type) -> bool:
    return is_dataclass(kind) or issubclass(kind, msgspec.Struct | Enum | HMChainError)


def received(data: bytes) -> object:
    """What a process sent, pickled, if it is values of ours. Raises `ChildEndedError`."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:  # whatever a process that was taken over could send
        raise ChildEndedError("the process that did this answered what is no answer", "try again") from error


def serve(descriptor: int, memory_bytes: int, nicer: int) -> None:
    """Be such a process: do what comes by the pipe, until nobody is there to ask, or it is called off."""
    os.set_inheritable(descriptor, False)
    os.nice(nicer)
    with suppress(ValueError):  # a narrower bound holds already
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    leave_no_core_dump()  # it may be given keys, and sees patients' data
    pipe: Connection[Any, Any] = Connection(descriptor)
    asked: SimpleQueue[_Asked | None] = SimpleQueue()
    off = Event()

    def listen() -> None:
        with suppress(EOFError, OSError):
            while (came := pipe.recv_bytes()) != _CALLED_OFF:
                asked.put(pickle.loads(came))  # noqa: S301 - of whoever began this process
            off.set()
            asked.put(None)
            pipe.recv_bytes()  # nothing more comes: it ends with the other side
        os.killpg(0, signal.SIGKILL)

    Thread(target=listen, daemon=True).start()
    while (each := asked.get()) is not None:
        with correlation.correlated(each.request):
            pipe.send(_answer(each, _teller(pipe, off)))


def _answer(asked: _Asked, tell: Progress) -> _Done | _Failed:
    try:
        return _Done(asked.work(*asked.given, **asked.named, **({"progress": tell} if asked.tells else {})))
    except HMChainError as error:
        return _Failed(type(error), error.what, error.hint)
    except MemoryError:
        return _Failed(ChildEndedError, "that takes more memory than there is for it", "give less, or what is smaller")
    except Exception as error:  # its words may quote records, or a stranger's file
        return _Failed(ChildEndedError, f"that went wrong ({type(error).__name__})", "see what it was given")


def _teller(pipe: Connection[Any, Any], off: Event) -> Progress:
    last = 0.0

    def tell(done: int, of: int | None) -> None:
        nonlocal last
        if off.is_set():
            raise SystemExit
        if (now := time.monotonic()) - last >= _TOLD_SECONDS:
            last = now
            pipe.send(_Told(done, of))

    return tell
