"""Work on a stream's pieces beside the thread that makes them.

Hashing, encryption and file writes release Python's lock, so that on two cores a stream costs what the slower half of
the work costs, not the sum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Self

from hmchain.records.objects.backend import Buffer

_GROUP_BYTES = 1 << 20  # handed over at once: handing over costs as much as working on 64 KiB
_AHEAD = 2  # groups that may wait: more would have left the processor's cache when their turn comes


def grouped(pieces: Iterable[Buffer]) -> Iterator[list[Buffer]]:
    """Gather pieces into groups that are worth handing to another thread."""
    group, size = list[Buffer](), 0
    for piece in pieces:
        group.append(piece)
        size += memoryview(piece).nbytes
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


class Worker:
    """A thread that does one thing with every piece, in order. Use it as a context manager.

    What the work raises is raised by the next `hand`, or by the end of the block.
    """

    def __init__(self, work: Callable[[Buffer], object]) -> None:
        self._work = work
        self._queue: SimpleQueue[list[Buffer] | None] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def hand(self, group: list[Buffer]) -> None:
        """Queue pieces; waits while too many are queued."""
        self._raise()
        self._room.acquire()
        self._queue.put(group)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (group := self._queue.get()) is not None:
            try:
                if self._failure is None:
                    for piece in group:
                        self._work(piece)
            except BaseException as error:  # whatever it is, the thread that hands pieces over raises it
                self._failure = error
            finally:
                self._room.release()
