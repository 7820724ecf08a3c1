"""A ledger that nobody adds to, as faces read one that lives: opened for each question."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node.reading import open_ledger
from hmchain.clock import now_ms
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.ledger import LedgerReader


@dataclass
class StillDirectory:
    """The ledger in a directory; gone where a test says so."""

    directory: Path
    asked: int = 0

    @property
    def height(self) -> int:
        with self.reader() as found:
            return found.height

    @property
    def words(self) -> str:
        return ""

    @property
    def ledger(self) -> Ledger:
        raise AssertionError("nothing is sent here")

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        self.asked += 1
        with open_ledger(self.directory) as found:
            yield found

    def now_ms(self) -> int:
        return now_ms()
