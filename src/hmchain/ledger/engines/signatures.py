"""Transaction signatures checked in threads: the check releases the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from hmchain.ledger.transactions import Authentic, Refusal, authenticate

_BATCH = 128

Answer = Authentic | Refusal


class SignatureThreads:
    """Authenticates transactions of one chain; as many threads as there are processors by default."""

    def __init__(self, chain_id: str, threads: int | None = None) -> None:
        self._chain_id = chain_id
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="signatures")

    def start(self, wires: Iterable[bytes]) -> list[Future[list[Answer]]]:
        """Begin checking; `results` waits for the answers."""
        remaining = iter(wires)
        batches = iter(lambda: list(islice(remaining, _BATCH)), [])
        return [self._pool.submit(checked, batch, self._chain_id) for batch in batches]

    def check(self, wires: Iterable[bytes]) -> Iterator[Answer]:
        """What each wire transaction is, or why it is refused, in order."""
        return results(self.start(wires))

    def close(self) -> None:
        """Stop the threads; what has not begun is not checked."""
        self._pool.shutdown(cancel_futures=True)


def checked(wires: Iterable[bytes], chain_id: str) -> list[Answer]:
    """What each wire transaction is, or why it is refused, in order."""
    answers: list[Answer] = []
    for wire in wires:
        try:
            answers.append(authenticate(wire, chain_id))
        except Refusal as refusal:
            answers.append(refusal)
    return answers


def results(started: Iterable[Future[list[Answer]]]) -> Iterator[Answer]:
    """The answers of what `SignatureThreads.start` began, in order."""
    for batch in started:
        yield from batch.result()
