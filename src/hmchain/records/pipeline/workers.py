"""De-identification on several cores: items go out to worker processes, records come back in the order of the items.

Workers open what they can open themselves, and seal what comes out: neither what goes in nor what comes out passes
through the process that gives them work, which would be all that it does. Only items that fit in memory go out. Larger
ones are done here, in a stream, so memory stays flat whatever their size.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from hmchain.processes import leave_no_core_dump, no_code_from_here
from hmchain.records.deidentification.outcome import Clean, Deidentifier, Held, Outcome
from hmchain.records.sources.item import Item, SourceError
from hmchain.records.vault import SealedContent, Sealer

Deidentifiers = Mapping[str, Deidentifier]
"""One for each kind of item."""

TRAVEL_BYTES_MAX = 16 << 20
_AHEAD = 2  # tasks that a worker may have waiting: enough to keep it busy, few enough to keep memory flat
_TASK_ITEMS = 8  # whose ciphertext becomes durable together

_rules: Deidentifiers = {}
_sealer: Sealer | None = None
"""What this process de-identifies by and seals with, if it is a worker."""


@dataclass(frozen=True)
class SealedRecord:
    """A clean record whose content a worker has sealed; its pieces stayed there."""

    clean: Clean
    sealed: SealedContent


Result = Outcome | SealedRecord


@dataclass(frozen=True)
class ItemResults:
    """An item and what becomes of it; take the results before the next item is asked for."""

    item: Item
    results: Iterable[Result]


_Answer = list[Result] | SourceError


@dataclass
class _Task:
    """Some items on their way."""

    items: list[Item] = field(default_factory=list)
    given: list[Item] = field(default_factory=list)
    """The same, so that another process can open them."""
    size: int = 0
    answers: Future[list[_Answer]] | None = None


class WorkerLostError(SourceError):
    """A process that shared the work ended by itself: the system was short of memory, say."""

    code = "worker_lost"


def deidentified(
    items: Iterable[Item], rules: Deidentifiers, workers: int = 1, sealer: Sealer | None = None
) -> Iterator[ItemResults]:
    """De-identify items, in their order.

    `workers` processes share the work; 1 does it here. With a `sealer`, what workers make comes back as
    `SealedRecord`s. Raises what `items` raises, once all before it are done, or `WorkerLostError`.
    """
    if workers <= 1:
        for item in items:
            yield ItemResults(item, outcomes(item, rules))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the store's threads half way through their work
    with (
        no_code_from_here(),
        ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(dict(rules), sealer)) as pool,
    ):
        waiting: deque[_Task] = deque()
        stopped: list[SourceError] = []
        try:
            for task in _tasks(_until_it_stops(items, stopped)):
                if task.given:
                    task.answers = pool.submit(_work, task.given)
                waiting.append(task)
                while len(waiting) > workers * _AHEAD:
                    yield from _received(waiting.popleft(), rules)
            while waiting:
                yield from _received(waiting.popleft(), rules)
        except BrokenProcessPool as error:
            hint = "see that there is memory for all, or say --workers 1; the same command goes on where it stopped"
            raise WorkerLostError("a process that shared the work was ended", hint) from error
        finally:
            pool.shutdown(cancel_futures=True)
    if stopped:
        raise stopped[0]


def _until_it_stops(items: Iterable[Item], stopped: list[SourceError]) -> Iterator[Item]:
    """The items; why a source cannot go on is kept for later: what it gave before that is done first."""
    try:
        yield from items
    except SourceError as error:
        stopped.append(error)


def outcomes(item: Item, rules: Deidentifiers, *, reviewed: bool = False) -> Iterator[Outcome]:
    """De-identify one item by the rules for its kind."""
    deidentifier = rules.get(item.kind)
    if deidentifier is None:
        yield Held("unknown_kind", "there are no rules for this kind of data", releasable=False)
    else:
        yield from deidentifier.deidentify(item, reviewed=reviewed)


def _tasks(items: Iterable[Item]) -> Iterator[_Task]:
    """Cut items into tasks; one that must be done here is a task of its own, with nothing given."""
    task = _Task()
    for item in items:
        try:
            given, size = _give(item)
        except SourceError as error:
            given, size = replace(item, open=partial(_fail, error)), 0
        if given is None or task.size + size > TRAVEL_BYTES_MAX or len(task.items) >= _TASK_ITEMS:
            if task.items:
                yield task
            task = _Task()
        if given is None:
            yield _Task([item])
            continue
        task.items.append(item)
        task.given.append(given)
        task.size += size
    if task.items:
        yield task


def _give(item: Item) -> tuple[Item | None, int]:
    """An item that can be opened elsewhere, with its bytes if need be, and their number; None if it is too large."""
    with item.open() as file:
        size = file.seek(0, os.SEEK_END)
        if size > TRAVEL_BYTES_MAX:
            return None, size
        try:
            pickle.dumps(item.open)
        except (pickle.PicklingError, AttributeError, TypeError):
            file.seek(0)
            return replace(item, open=partial(io.BytesIO, file.read())), size
    return item, size


def _fail(error: SourceError) -> BinaryIO:
    raise error


def _received(task: _Task, rules: Deidentifiers) -> Iterator[ItemResults]:
    if task.answers is None:
        (item,) = task.items
        yield ItemResults(item, outcomes(item, rules))
        return
    for item, answer in zip(task.items, task.answers.result(), strict=True):
        yield ItemResults(item, _told(answer))


def _told(answer: _Answer) -> Iterator[Result]:
    if isinstance(answer, SourceError):
        raise answer
    yield from answer


def _begin(rules: Deidentifiers, sealer: Sealer | None) -> None:
    global _rules, _sealer
    _rules, _sealer = rules, sealer
    leave_no_core_dump()  # it holds patients' data and keys
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the process that started this one ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Do not outlive the process that started this one, however it ends."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _work(given: Sequence[Item]) -> list[_Answer]:
    answers = [_outcomes(item) for item in given]
    return answers if _sealer is None else _sealed(answers, _sealer)


def _outcomes(item: Item) -> _Answer:
    try:
        return [_packed(outcome) for outcome in outcomes(item, _rules)]
    except SourceError as error:
        return error


def _packed(outcome: Outcome) -> Outcome:
    """An outcome that holds its bytes, as one piece."""
    if not isinstance(outcome, Clean):
        return outcome
    return replace(outcome, pieces=partial(tuple, (b"".join(bytes(piece) for piece in outcome.pieces()),)))


def _sealed(answers: list[_Answer], sealer: Sealer) -> list[_Answer]:
    """The same with all contents sealed together."""
    clean = [result for answer in answers if isinstance(answer, list) for result in answer if isinstance(result, Clean)]
    sealed = iter(sealer.seal([next(iter(each.pieces())) for each in clean]))

    def seal(result: Result) -> Result:
        return SealedRecord(replace(result, pieces=tuple), next(sealed)) if isinstance(result, Clean) else result

    return [[seal(result) for result in answer] if isinstance(answer, list) else answer for answer in answers]
