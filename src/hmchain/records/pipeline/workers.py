"""De-identification on several cores: items go out to worker processes, records come back in the order of the items.

Only items that fit in memory travel. Larger ones are done here, in a stream, so memory stays flat whatever their size.
"""

from __future__ import annotations

import io
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from hmchain.records.deidentification.outcome import Deidentifier, Held, Outcome
from hmchain.records.sources.item import Item, SourceError

Deidentifiers = Mapping[str, Deidentifier]
"""One for each kind of item."""

TRAVEL_BYTES_MAX = 16 << 20
_AHEAD = 4  # items a worker may have waiting: enough to keep it busy, few enough to keep memory flat

_rules: Deidentifiers = {}
"""What this process de-identifies by, if it is a worker."""


@dataclass(frozen=True)
class Handled:
    """An item and what becomes of it; take the outcomes before the next item is asked for."""

    item: Item
    outcomes: Iterable[Outcome]


def deidentified(items: Iterable[Item], rules: Deidentifiers, workers: int = 1) -> Iterator[Handled]:
    """De-identify items, in their order. `workers` processes share the work; 1 does it here."""
    if workers <= 1:
        for item in items:
            yield Handled(item, outcomes(item, rules))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the store's threads half way through their work
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(dict(rules),)) as pool:
        waiting: deque[tuple[Item, Future[list[Outcome]] | None]] = deque()
        try:
            for item in items:
                waiting.append((item, _send(pool, item)))
                if len(waiting) >= workers * _AHEAD:
                    yield _receive(*waiting.popleft(), rules)
            while waiting:
                yield _receive(*waiting.popleft(), rules)
        finally:
            pool.shutdown(cancel_futures=True)


def outcomes(item: Item, rules: Deidentifiers, *, reviewed: bool = False) -> Iterator[Outcome]:
    """What becomes of one item by the rules for its kind."""
    deidentifier = rules.get(item.kind)
    if deidentifier is None:
        yield Held("unknown_kind", "there are no rules for this kind of data", releasable=False)
    else:
        yield from deidentifier.deidentify(item, reviewed=reviewed)


def _send(pool: ProcessPoolExecutor, item: Item) -> Future[list[Outcome]] | None:
    """Hand an item to a worker; None if it is too large to travel."""
    try:
        with item.open() as file:
            if file.seek(0, os.SEEK_END) > TRAVEL_BYTES_MAX:
                return None
            file.seek(0)
            data = file.read()
    except SourceError as error:
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed
    return pool.submit(_work, item.name, item.kind, item.label, data)


def _receive(item: Item, future: Future[list[Outcome]] | None, rules: Deidentifiers) -> Handled:
    return Handled(item, outcomes(item, rules) if future is None else _awaited(future))


def _awaited(future: Future[list[Outcome]]) -> Iterator[Outcome]:
    yield from future.result()


def _begin(rules: Deidentifiers) -> None:
    global _rules
    _rules = rules


def _work(name: str, kind: str, label: str, data: bytes) -> list[Outcome]:
    item = Item(name, kind, partial(io.BytesIO, data), label)
    return [_packed(outcome) for outcome in outcomes(item, _rules)]


def _packed(outcome: Outcome) -> Outcome:
    """An outcome whose bytes travel with it."""
    if isinstance(outcome, Held):
        return outcome
    return replace(outcome, pieces=partial(tuple, (b"".join(bytes(piece) for piece in outcome.pieces()),)))
