"""What several threads find of readers: none waits for another one's."""

from __future__ import annotations

from threading import Event, Thread

from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.shared import kept_property

WAIT_SECONDS = 60


class Found:
    def __init__(self, ready: Event | None = None) -> None:
        self.began, self.ready, self.times = Event(), ready, 0

    @kept_property
    def value(self) -> int:
        self.times += 1
        self.began.set()
        return 7 if self.ready is None or self.ready.wait(WAIT_SECONDS) else 0


def test_it_is_found_once() -> None:
    found = Found()
    assert (found.value, found.value, found.times) == (7, 7, 1)


def test_a_reader_that_looks_beside_the_ledger_holds_up_none_that_has_it() -> None:
    """One traced an object, another listed events with the ledger in its hands: the portal stood still for good."""
    let_go = Event()
    slow, other, told = Found(let_go), Found(), list[int]()
    waiting = Thread(target=lambda: told.append(slow.value))
    waiting.start()
    assert slow.began.wait(WAIT_SECONDS)
    looking = Thread(target=lambda: told.append(other.value), daemon=True)
    looking.start()
    looking.join(WAIT_SECONDS)
    before = list(told)
    let_go.set()
    waiting.join(WAIT_SECONDS)
    assert (before, told) == ([7], [7, 7]), "one waited for the other"
    locked = [name for name, each in vars(LedgerReader).items() if type(each).__name__ == "cached_property"]
    assert not locked
