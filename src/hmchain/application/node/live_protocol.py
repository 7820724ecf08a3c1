"""A ledger that stays open for questions as long as a process lives, as faces see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from hmchain.application.node.live import Happenings, Place
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.ledger import LedgerReader


class Live(Protocol):
    """A node's ledger, followed; or that of a finished run, which stands still."""

    @property
    def height(self) -> int:
        """The last block that was verified."""

    @property
    def words(self) -> str:
        """What people should know: nothing comes from the node, nobody signed what is shown; empty if all is well."""

    @property
    def ledger(self) -> Ledger:
        """The ledger to send through. Raises an error of ours where nothing can be sent."""

    def reader(self) -> AbstractContextManager[LedgerReader]:
        """The ledger for some questions; one asks at a time."""

    def aside(self) -> AbstractContextManager[LedgerReader]:
        """The ledger, opened anew for a question that reads the whole log; others do not wait for it."""

    def now_ms(self) -> int:
        """The time the next block would have."""

    def events(self, after: Place | None = None, limit: int = ...) -> Happenings:
        """What happened after a place, as far as the next blocks tell; without one, nothing yet."""

    def listening(self, told: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `told` called after each block; by another thread, so it must only wake somebody."""
