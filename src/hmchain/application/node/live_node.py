"""A node's ledger, followed by a thread: executed on a copy as soon as the members' votes for a block are known."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from hmchain.application.node.link import STARTING_SECONDS, require_own
from hmchain.application.node.live import EVENTS_MAX, Happened, Happenings, LiveLedger, Place, happenings
from hmchain.application.node.live_headers import LiveHeaders
from hmchain.application.node.node_watch import NodeWatch
from hmchain.application.node.reading import NodeHeaders
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.errors import HMChainError, LedgerError
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, StoredBlock
from hmchain.ledger.engines.cometbft.events import BlockNotices
from hmchain.ledger.engines.cometbft.ledger import CometLedger
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers import ledger
from hmchain.ledger.readers.follower import BehindError, Follower, UnsignedError, follow
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.shared import SharedState
from hmchain.ledger.readers.states import VerifiedState
from hmchain.ledger.state import State

_ANSWER_SECONDS = 2.0
_LOOK_SECONDS, _AGAIN_SECONDS = 1.0, 2.0
"""Between two looks at a node that tells of no block, and between two attempts after something went wrong."""
_STARTING_POLL_SECONDS = 0.1
_WAKE_SECONDS = 0.2
_EVENTS_KEPT = 4096


class NodeLedger(LiveLedger):
    """The ledger of a node's folder. Its node may stop and start again: what was verified stays readable meanwhile."""

    def __init__(self, folder: NodeFolder, client: RpcClient) -> None:
        """Waits for a node that is just starting. The client is closed with the ledger."""
        super().__init__(folder.ledger)
        self._folder, self._client, self._genesis = folder, client, folder.joined().genesis
        self.organisation = folder.settings().organisation
        self._headers = LiveHeaders(NodeHeaders(client), self._moved)
        self._follower: Follower | None = None
        self._trouble: HMChainError | None = None
        self._opened = ExitStack()
        self._found: LedgerReader | None = None
        self._reading = 0
        self._height, self._time_ms = 0, self._genesis.time_ms
        self._senders = weakref.WeakSet[_Blocks]()
        self._happened, self._heard = deque[Happened](), Place(0, 0)
        self._closing = threading.Event()
        self._begin()
        self._thread = threading.Thread(target=self._run, name="follow the ledger", daemon=True)
        self._thread.start()

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The last block that was verified; 0 for none."""
        return self._height

    @property
    def words(self) -> str:
        """Why nothing new comes, or what of it nobody signed."""
        if (trouble := self._trouble) is not None:
            return f"{trouble.what}; this is the ledger up to block {self._height}"
        return ""

    def now_ms(self) -> int:
        """The time the next block would have, as nearly as a clock tells."""
        return max(now_ms(), self._time_ms + 1)

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        """As `LiveLedger.reader`. Raises what opening the ledger raised, where nothing of it was verified yet."""
        with super().reader() as found:
            self._reading += 1
            try:
                yield found
            finally:
                self._reading -= 1

    def _reader(self) -> LedgerReader:
        if self._found is None and self._follower is not None:
            self._found = self._opened.enter_context(self._open_followed(self._follower))
        if self._found is None:
            raise self._trouble or LedgerError("the ledger is not open yet", "wait a moment")
        return self._found

    @contextmanager
    def _open_followed(self, follower: Follower) -> Iterator[LedgerReader]:
        """A reader of what the follower has come to. The log is opened each time: a node may put it aside."""
        verified = VerifiedState(follower.state, follower.signed, follower.state.height)
        with ExitStack() as held:
            store = held.enter_context(closing(BlockStore(self._folder.ledger / BLOCKS, read_only=True)))
            yield LedgerReader(self._folder.ledger, store, self._headers, held, verified=verified, stays=True)

    def events(self, after: Place | None = None, limit: int = EVENTS_MAX) -> Happenings:
        """As `LiveLedger.events`; what happened lately is remembered."""
        with self.lock:
            if after is None or after < self._heard or self._follower is None:
                return super().events(after, limit)
            found = [each for each in self._happened if each.place > after][: limit + 1]
            until = found[limit - 1].place if len(found) > limit else max(after, Place.end_of(self._height))
        return Happenings(tuple(found[:limit]), until)

    # -- sending -------------------------------------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """The ledger through the node, for one who sends and waits for the block.

        Raises `NoEndpointError` or `OtherNodeError`, or why there is no state to act on.
        """
        require_own(self._folder, self._client.status())
        with self.lock:
            if self._follower is None:
                raise self._trouble or LedgerError("the ledger is not followed yet", "wait a moment")
            blocks = _Blocks(self._moved, self._follower.state)
            self._senders.add(blocks)
        return _SharedLedger(self._client, self._genesis, blocks, is_lost=NodeWatch(self._folder).has_ended)

    # -- following -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Follow a node that runs; of one that does not, show what lies there."""
        deadline = time.monotonic() + STARTING_SECONDS
        while self._folder.runner() is not None and time.monotonic() < deadline:
            try:
                self._follow()
                return
            except (NoEndpointError, UnsignedError, BehindError):
                time.sleep(_STARTING_POLL_SECONDS)
            except HMChainError as error:
                self._trouble = error
                break
        self._open_stopped()

    def _follow(self) -> None:
        """Verify the state, and follow it from now on. Raises what `follow` raises, and what a node does not answer."""
        require_own(self._folder, self._client.status())
        follower = follow(self._folder.ledger, self._headers, SharedState(self.lock))
        with self.lock:
            self._follower = follower
            self._headers.followed = follower.state.height
            self._heard = Place.end_of(follower.state.height)
            self._renew(follower.state)

    def _open_stopped(self) -> None:
        """Show the ledger of a node that does not run, as far as the headers that are kept tell who signed it."""
        with ExitStack() as stack:
            try:
                self._found = stack.enter_context(ledger.open_ledger(self._folder.ledger, stays=True))
                verified = self._found.verified
            except HMChainError as error:
                self._found, self._trouble = None, self._trouble or error
                return
            self._opened = stack.pop_all()
        self._height, self._time_ms = verified.state.height, standings.time_ms(verified.state)
        self._trouble = self._silent("" if verified.is_signed else f", and its ledger is {verified.words}")

    def _silent(self, more: str = "") -> LedgerError:
        if self._folder.runner() is None:
            return LedgerError(f"the node does not run{more}", "`hmchain node start`")
        return LedgerError(f"the node does not answer{more}", f"it may be starting; see {self._folder.log}")

    def _renew(self, state: State) -> None:
        """Take up a state that has moved; the next question gets another reader.

        One that is read from stays open: who reads may have let go of the lock to wait for a block.
        """
        if not self._reading:
            self._opened.close()
            self._opened = ExitStack()
        self._found = None
        self._height, self._time_ms = state.height, standings.time_ms(state)

    def _run(self) -> None:
        with closing(BlockNotices(self._client)) as notices:
            while not self._closing.is_set():
                try:
                    if self._follower is None:
                        self._follow()
                        self._tell()
                    else:
                        self._advance(self._follower)
                    self._trouble = None
                except NoEndpointError:
                    self._trouble = self._silent()
                    self._closing.wait(_STARTING_POLL_SECONDS)
                except (HMChainError, OSError) as error:
                    self._trouble = error if isinstance(error, HMChainError) else LedgerError(str(error.strerror))
                    self._closing.wait(_AGAIN_SECONDS)
                else:
                    if not notices.wait(_LOOK_SECONDS):
                        self._closing.wait(_STARTING_POLL_SECONDS)

    def _advance(self, follower: Follower) -> None:
        """Execute all blocks that the node has. No lock is held while the node is asked. Raises `NoEndpointError`."""
        self._client.status()
        while not self._closing.is_set() and follower.is_behind():
            self._headers.fetch(follower.next_height())
            with self.lock:
                stored = follower.next()
                self._headers.followed = follower.state.height
                self._renew(follower.state)
                if stored is not None:
                    self._take(stored)
            self._tell()

    def _take(self, stored: StoredBlock) -> None:
        for blocks in self._senders:
            blocks.given.append(stored)
        header, result = stored.block.header, stored.result
        self._happened += happenings(stored.height, header.time_ms, result.all_events)
        while len(self._happened) > _EVENTS_KEPT:
            self._heard = self._happened.popleft().place

    def close(self) -> None:
        """End following, and close files and connections."""
        self._closing.set()
        self._thread.join()
        with self.lock:
            self._opened.close()
            if self._follower is not None:
                self._follower.close()
        self._client.close()


class _Blocks:
    """The blocks that come after somebody began to send; others read while the next one is waited for."""

    def __init__(self, moved: threading.Condition, state: State) -> None:
        self.state, self.given = state, deque[StoredBlock]()
        self._moved = moved

    def state_of(self, _organisation: str) -> State:
        """The state that is followed: whose node it is acts on it."""
        return self.state

    def next(self) -> StoredBlock | None:
        """The next block, or None for now."""
        with self._moved:
            if not self.given:
                self._moved.wait(_WAKE_SECONDS)
            return self.given.popleft() if self.given else None

    def close(self) -> None:
        """Nothing: the state is shared."""


class _SharedLedger(CometLedger):
    """A ledger over a client that is not its own."""

    def close(self) -> None:
        """Nothing: the client is shared."""


def is_node(place: Path) -> bool:
    """True of a node's folder."""
    return NodeFolder(place).toml.is_file()


@contextmanager
def open_node(place: Path, client: RpcClient | None = None) -> Iterator[NodeLedger]:
    """The ledger of a node's folder, followed until the block ends. Raises `NodeSettingsError`, `NotJoinedError`."""
    folder = NodeFolder(place)
    client = client or RpcClient([folder.settings().rpc_url], timeout_seconds=_ANSWER_SECONDS)
    with closing(NodeLedger(folder, client)) as found:
        yield found
