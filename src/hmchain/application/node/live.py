"""The ledger as a process sees it that answers people for days: verified whole once, then block by block.

What lies on the disk is believed when the ledger is opened, and not again: answers come from a copy that no file
changes, and what the log still has to show is held against signed headers each time (decision 0067).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node.ledger_file import ledger_at
from hmchain.errors import InputError
from hmchain.ledger import events
from hmchain.ledger.blocks import Event
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.ledger_event import LedgerEvent
from hmchain.ledger.readers import ledger
from hmchain.ledger.readers.ledger import LedgerReader, WholeLog
from hmchain.plain import Progress

_END = (1 << 31) - 1
"""No block has so many events."""
BLOCKS_MAX = 25
"""So many blocks are read from the log for one part of what happened: all others wait as long."""
EVENTS_MAX = 200
"""So many events are told of as one part."""


class NothingSentError(InputError):
    """A ledger that nobody decides blocks for takes nothing."""

    code = "nothing_sent"


@dataclass(frozen=True, order=True)
class Place:
    """The place of an event in a ledger."""

    height: int
    index: int
    """Among the events of its block: those of the transactions in order, then the block's own."""

    def __str__(self) -> str:
        return f"{self.height}-{self.index}"

    @classmethod
    def end_of(cls, height: int) -> Place:
        """After all events of a block."""
        return cls(height, _END)


@dataclass(frozen=True)
class Happened:
    """An event of the ledger, and where it stands."""

    place: Place
    time_ms: int
    event: LedgerEvent


@dataclass(frozen=True)
class Happenings:
    """A part of all that happened."""

    events: tuple[Happened, ...]
    until: Place
    """All up to here was looked through: the next part comes after it."""


class LiveLedger(ABC):
    """A ledger that stays open. One thread at a time reads; who waits for a block lets others read meanwhile."""

    organisation = ""
    """The hospital whose node's ledger it is; empty where it is nobody's own."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the ledger's."""
        self._directory, self._aside = directory, threading.Lock()
        self.lock = threading.RLock()
        self._moved = threading.Condition(self.lock)
        self._listeners: dict[object, Callable[[], None]] = {}

    @property
    @abstractmethod
    def height(self) -> int:
        """The last block that was verified; 0 for none."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What people should know: nobody signed what is shown, nothing comes from the node; empty if all is well."""

    @property
    @abstractmethod
    def ledger(self) -> Ledger:
        """The ledger to send through, for one who sends. Raises `NothingSentError`, or what a node does not answer."""

    @abstractmethod
    def now_ms(self) -> int:
        """The time the next block would have; of a ledger that stands still, that of its last one."""

    @abstractmethod
    def _reader(self) -> LedgerReader:
        """The reader of this height; the caller has the lock."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections."""

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        """The ledger for some questions, all of one height; other threads wait meanwhile."""
        with self.lock:
            yield self._reader()

    @contextmanager
    def aside(self) -> Iterator[LedgerReader]:
        """The ledger, its log opened anew, for a question that reads all of it; who reads for pages does not wait.

        One such question at a time. Raises what opening a log raises.
        """
        with self._aside, ExitStack() as held:
            store = held.enter_context(closing(BlockStore(self._directory / BLOCKS, read_only=True)))
            with self.reader() as found:
                reader = found.with_log(store, held)
            yield reader

    def wait(self, after_height: int, seconds: float) -> int:
        """Wait until there is a block after a height, or so long; returns the height that there is then."""
        with self._moved:
            self._moved.wait_for(lambda: self.height > after_height, seconds)
            return self.height

    @contextmanager
    def listening(self, told: Callable[[], None]) -> Iterator[None]:
        """Have `told` called, shortly, after each block; by another thread, so it must only wake somebody."""
        mark = object()
        self._listeners[mark] = told
        try:
            yield
        finally:
            del self._listeners[mark]

    def wake(self) -> None:
        """Have all who wait for a block look again."""
        self._tell()

    def _tell(self) -> None:
        with self._moved:
            self._moved.notify_all()
        for told in list(self._listeners.values()):
            told()

    def events(self, after: Place | None = None, limit: int = EVENTS_MAX) -> Happenings:
        """What happened after a place, as far as the next blocks tell (`BLOCKS_MAX`); without one, nothing yet.

        Raises what `LedgerReader.blocks` raises.
        """
        if after is None:
            return Happenings((), Place.end_of(self.height))
        with self.reader() as found:
            blocks = [each for each in found.blocks(after.height, BLOCKS_MAX) if each.height <= self.height]
        happened = [
            each
            for block in blocks
            for each in happenings(block.height, block.time_ms, (*block.events, *block.unsigned_events))
            if each.place > after
        ]
        if len(happened) > limit:
            return Happenings(tuple(happened[:limit]), happened[limit - 1].place)
        ends = blocks[-1].height if len(blocks) == BLOCKS_MAX else self.height
        return Happenings(tuple(happened), max(after, Place.end_of(ends)))


def happenings(height: int, time_ms: int, all_events: tuple[Event, ...]) -> list[Happened]:
    """The events of a block whose kinds are known, with their places. Raises `MalformedEventError`."""
    found = ((index, events.decode(each)) for index, each in enumerate(all_events))
    return [Happened(Place(height, index), time_ms, known) for index, known in found if known is not None]


class StandingLedger(LiveLedger):
    """The ledger of a finished run, or a copy: nothing comes to it any more."""

    def __init__(self, directory: Path, held: ExitStack, progress: Progress | None = None) -> None:
        """`held` closes what is opened on the way. Raises what opening and verifying the ledger raises."""
        super().__init__(directory)
        self._found = held.enter_context(
            ledger.open_ledger(directory, progress=progress, whole=self._whole, stays=True)
        )
        self._time_ms = standings.time_ms(self._found.verified.state)
        self._compared: Future[WholeLog] | None = None

    @property
    def height(self) -> int:
        """The last block."""
        return self._found.height

    @property
    def words(self) -> str:
        """What of it nobody signed."""
        return "" if self._found.verified.whole else self._found.verified.words

    @property
    def ledger(self) -> Ledger:
        """None: raises `NothingSentError`."""
        raise NothingSentError("this ledger stands still: no node decides its blocks", "use the portal of a node")

    def now_ms(self) -> int:
        """The time of its last block."""
        return self._time_ms

    def _reader(self) -> LedgerReader:
        return self._found

    def _whole(self) -> WholeLog:
        """The whole log, compared once, by a thread with files of its own; others read meanwhile."""
        with self._moved:
            if self._compared is None:
                self._compared = Future()
                threading.Thread(target=self._compare, args=(self._compared,), daemon=True).start()
            self._moved.wait_for(self._compared.done)
            return self._compared.result()

    def _compare(self, compared: Future[WholeLog]) -> None:
        try:
            with ExitStack() as held, closing(BlockStore(self._directory / BLOCKS, read_only=True)) as store:
                found = LedgerReader(self._directory, store, None, held, verified=self._found.verified)
                compared.set_result(found.require_whole())
        except Exception as error:  # whoever waits for it is told
            compared.set_exception(error)
        self._tell()

    def close(self) -> None:
        """Nothing: whoever opened the files closes them."""


@contextmanager
def open_standing(place: Path, progress: Progress | None = None) -> Iterator[StandingLedger]:
    """The ledger in a run's or a ledger's folder, or in its file. Raises what opening and verifying it raises."""
    with ledger_at(place) as directory, ExitStack() as held:
        yield StandingLedger(directory, held, progress)


def open_live(place: Path, progress: Progress | None = None) -> AbstractContextManager[LiveLedger]:
    """The ledger at a place, open for as long as the block lasts: a node's is followed, any other stands still.

    `progress` is told of blocks that are executed, where no state lies beside them. Raises `NodeSettingsError` and
    `NotJoinedError` of a node, of another place what opening and verifying it raises.
    """
    from hmchain.application.node.live_node import is_node, open_node  # a run is looked at without a node's libraries

    return open_node(place) if is_node(place) else open_standing(place, progress)
