"""The end of a node or an agent, which has none of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hmchain.processes import ended_by_signals


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a second signal does what it does elsewhere."""
    stop = threading.Event()
    with ended_by_signals(stop.set):
        yield stop
